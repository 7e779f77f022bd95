import pytest

from ytaudio.catalog import CatalogError, normalize_category, parse_link, read_catalog

ID = "dQw4w9WgXcQ"


@pytest.mark.parametrize(
    "link",
    [
        ID,
        f" {ID} ",
        f"https://www.youtube.com/watch?v={ID}",
        f"http://youtube.com/watch?v={ID}&t=10s&list=PLx",
        f"https://m.youtube.com/watch?app=desktop&v={ID}",
        f"https://music.youtube.com/watch?v={ID}",
        f"https://youtu.be/{ID}?si=x",
        f"youtu.be/{ID}",
        f"www.youtube.com/watch?v={ID}",
        f"https://www.youtube.com/shorts/{ID}",
        f"https://www.youtube.com/embed/{ID}?rel=0",
        f"https://www.youtube-nocookie.com/embed/{ID}",
        f"https://www.youtube.com/live/{ID}",
        f"https://www.youtube.com./watch?v={ID}",
        f"https://www.youtube.com/watch/{ID}",
        f"https://www.youtube.com/?v={ID}",
        f"https://www.youtube.com/v/{ID}&hl=en",
        f"www.youtube-nocookie.com/embed/{ID}",
    ],
)
def test_every_form_of_a_youtube_link_is_one_video(link):
    assert parse_link(link) == (ID, f"https://www.youtube.com/watch?v={ID}")


@pytest.mark.parametrize(
    ("link", "reason"),
    [
        ("dQw4w9WgXc", "bad_link"),
        ("dQw4w9WgXcQQ", "bad_link"),
        ("https://www.youtube.com/watch?v=dQw4w9WgXcQQ", "bad_link"),
        ("https://youtu.be/", "bad_link"),
        ("https://www.youtube.com/watch?list=PLabc", "bad_link"),
        ("https://www.youtube.com/", "not_a_video"),
        ("http://", "bad_link"),
        ("ftp://example.org/a.mp3", "bad_link"),
        ("file:///etc/passwd", "bad_link"),
        ("not a link", "bad_link"),
        ("https://[::1/x", "bad_link"),
        ("https://www.youtube.com/playlist?list=PLabc", "not_a_video"),
        ("https://www.youtube.com/@someone", "not_a_video"),
        ("https://www.youtube.com/channel/UCabc", "not_a_video"),
        ("https://www.youtube.com/results?search_query=x", "not_a_video"),
    ],
)
def test_what_is_no_video_is_refused_with_its_reason(link, reason):
    with pytest.raises(ValueError, match=f"^{reason}$"):
        parse_link(link)


def test_other_sites_get_a_stable_id_that_is_a_safe_file_name():
    first, url = parse_link("https://media.example.org/a%20b/../talk.ogg?x=1#frag")
    assert (first, url) == parse_link("HTTPS://media.example.org/a%20b/../talk.ogg?x=1")
    assert first.isalnum() and len(first) == 17
    assert parse_link("https://media.example.org/other.ogg")[0] != first


def test_categories_differ_by_more_than_case_and_blanks():
    assert {normalize_category(c) for c in ("Art Music", " art_music ", "ART-MUSIC")} == {"art_music"}


def write(tmp_path, text, name="youtube.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_each_line_is_a_video_or_a_reason_with_its_line_number(tmp_path):
    path = write(
        tmp_path,
        "\ufefflink,title,description,category\n"
        f"{ID},A,d,Travel\n"
        ",B,d,food\n"
        "aaaaaaaaaaa,C,d,\n"
        '"bbbbbbbbbbb","D","two\nlines",food\n'
        f"https://youtu.be/{ID},E,d,travel\n"
        "https://www.youtube.com/@someone,F,d,food\n"
        "ccccccccccc,G,d,food\n"
        "ccccccccccc,H,d,history\n"
        "ccccccccccc,I,d,food\n",
    )
    catalog = read_catalog(path)
    assert [(v.id, v.category) for v in catalog.videos] == [(ID, "travel"), ("bbbbbbbbbbb", "food")]
    assert catalog.categories == ("food", "travel")
    assert [(r.line, r.reason) for r in catalog.rejected] == [
        (3, "empty"),
        (4, "empty"),
        (7, "duplicate"),
        (8, "not_a_video"),
        *((line, "conflict") for line in (9, 10, 11)),
    ]
    assert catalog.videos[1].description == "two\nlines"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "columns found: none"),
        ("url,label\na,b\n", r"no column link or category \(columns found: url, label\)"),
        ("link,category\n,\n", "no usable line"),
        ("link,category\n", "no usable line"),
    ],
)
def test_an_unusable_file_is_one_sentence(tmp_path, text, message):
    with pytest.raises(CatalogError, match=message):
        read_catalog(write(tmp_path, text))


def test_a_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(CatalogError, match=r"Cannot read .*No such file"):
        read_catalog(tmp_path / "none.csv")
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "x.csv", tmp_path / ("x" * 300)):
        with pytest.raises(CatalogError, match="Cannot read"):
            read_catalog(path)


def test_an_open_quote_is_named_with_its_line_and_a_quote_inside_a_cell_is_harmless(tmp_path):
    text = f'link,title,category\n{ID},5" pizza,food\nabcdefghijk,"five,food\nabcdefghijl,six,food\n'
    catalog = read_catalog(write(tmp_path, text))
    assert [v.title for v in catalog.videos] == ['5" pizza']
    assert [(r.line, r.reason) for r in catalog.rejected] == [(3, "open_quote")]


def test_any_bytes_are_read(tmp_path):
    path = write(tmp_path, b"link,category\n\xff\xfe\x00bad,food\n" + f"{ID},food\n".encode())
    catalog = read_catalog(path)
    assert [v.id for v in catalog.videos] == [ID]
    assert catalog.rejected[0].line == 2
