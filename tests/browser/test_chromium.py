def test_the_browser_shows_a_page_and_reaches_nothing_beyond_loopback(page, shoot):
    page.set_content("<h1>Sounds</h1><img src='https://example.com/x.png' alt='none'>")
    assert page.inner_text("h1") == "Sounds"
    assert page.evaluate("fetch('https://example.com').then(() => 'reached', () => 'refused')") == "refused"
    assert shoot("chromium").stat().st_size > 1000
