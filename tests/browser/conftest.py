"""A real headless Chromium that reaches loopback alone; pictures of what it showed are kept in build/screenshots."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from get_chromium import find
from playwright.sync_api import Browser, Page, sync_playwright

SCREENSHOTS = Path(os.environ.get("YTAUDIO_SCREENSHOTS") or Path(__file__).parents[2] / "build" / "screenshots")
OFFLINE = (
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-gpu",
    "--disable-quic",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",  # a microphone that beeps
    "--use-fake-ui-for-media-stream",  # which every page may use
)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser, started once a worker."""
    path = find()
    if not path:
        pytest.skip("there is no Chromium: run `python tests/browser/get_chromium.py`, or install one")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*OFFLINE, *sandbox])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """An empty page of its own context: no cookies of another test; a page's own script errors fail the test."""
    with chromium.new_context(viewport={"width": 1280, "height": 900}) as context:
        opened = context.new_page()
        opened.set_default_timeout(20_000)  # ms
        errors: list[str] = []
        opened.on("pageerror", lambda error: errors.append(str(error)))
        yield opened
        assert errors == []


@pytest.fixture
def shoot(page: Page) -> Callable[[str], Path]:
    """Keep a picture of the whole page under a name."""

    def run(name: str) -> Path:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        page.screenshot(path=path, full_page=True)
        return path

    return run
