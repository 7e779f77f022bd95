import csv
import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
        f"https://www.youtubekids.com/watch?v={ID}",
        f"https://www.youtube.com/attribution_link?a=x&u=/watch%3Fv%3D{ID}%26feature%3Dshare",
        f"https://www.youtube.com/attribution_link?u=https%3A%2F%2F[x/watch%3Fv%3D{ID}",
        f"https://www.youtube.com/watch?app=desktop&amp;v={ID}",
        f"https://user:secret@www.youtube.com:443/watch?v={ID}",
        f"https://www.\uff59outube\u3002com/watch?v={ID}",
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
        ("https://www.youtube.com/embed/videoseries?list=PLabc", "not_a_video"),
        ("https://www.youtube.com/embed/live_stream?channel=UCabc", "not_a_video"),
        ("https://www.youtube.com/attribution_link?u=/playlist", "not_a_video"),
        ("https://me:secret@example.org/a.mp3", "bad_link"),
        ("https://example.org/\x1b[2Ja.mp3", "bad_link"),
        ("https://example.org/a\u202e3pm", "bad_link"),
    ],
)
def test_what_is_no_video_is_refused_with_its_reason(link, reason):
    with pytest.raises(ValueError, match=f"^{reason}$"):
        parse_link(link)


def test_other_sites_get_a_stable_id_that_is_a_safe_file_name():
    first, url = parse_link("https://media.example.org/a%20b/../talk.ogg?x=1#frag")
    assert (first, url) == parse_link("HTTPS://Media.Example.org/a%20b/../talk.ogg?x=1")
    assert first.isalnum() and len(first) == 17
    assert parse_link("https://media.example.org/other.ogg")[0] != first


def test_categories_differ_by_more_than_case_and_blanks():
    assert {normalize_category(c) for c in ("Art Music", " art_music ", "ART-MUSIC")} == {"art_music"}


@pytest.mark.parametrize(
    ("spellings", "label"),
    [
        (("Caf\u00e9", "cafe\u0301"), "caf\u00e9"),
        (("food", "\uff46\uff4f\uff4f\uff44", "fo\u00adod", "\ufefffood\u200b", "food\u202e"), "food"),
        (("Stra\u00dfe", "STRASSE"), "strasse"),
        (("art\u2013music", "art\tmusic", "art\x1bmusic"), "art_music"),
        (("\u0928\u092e\u0938\u094d\u200d\u0924\u0947",), "\u0928\u092e\u0938\u094d\u200d\u0924\u0947"),
        (("---", "\u200b", "\0", "\u200d"), ""),
    ],
)
def test_a_label_is_one_however_unicode_writes_it(spellings, label):
    assert {normalize_category(spelling) for spelling in spellings} == {label}


@given(st.text(max_size=12))
def test_a_normal_label_stays_as_it_is_and_can_be_printed(text):
    label = normalize_category(text)
    assert normalize_category(label) == label
    assert "".join(label.split()).replace("\u200c", "").replace("\u200d", "").isprintable()


def test_a_label_as_long_as_a_description_is_refused_and_no_password_is_told(tmp_path):
    text = f"link,category\n{ID},food\naaaaaaaaaaa,{'x' * 101}\nhttps://me:secret@example.org/a.mp3,food\n"
    refused = read_catalog(write(tmp_path, text)).rejected
    assert [(one.line, one.reason) for one in refused] == [(3, "bad_label"), (4, "bad_link")]
    assert refused[1].value == "https://***@example.org/a.mp3"


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


@pytest.mark.parametrize(
    "rest", ["", "&t=10s", "&v=aaaaaaaaaaa", "&list=PL[x]", "&a=%20b", "?x", "?v=b", "&", "/", "\u00a0", "#a", "%20"]
)
@pytest.mark.parametrize(
    "start", ["https://www.youtube.com/watch?v=", "http://m.youtube.com/watch?v=", "https://youtu.be/"]
)
def test_the_short_way_of_a_plain_link_says_what_the_long_way_says(start, rest):
    def told(link):
        try:
            return parse_link(link)
        except ValueError as error:
            return str(error)

    for video_id in (ID, ID[1:], ID + "Q"):
        link = f"{start}{video_id}{rest}"
        assert told(link) == told(link.replace("http", "HTTP"))  # only lower case takes the short way


PIECES = [
    *(
        b"https://www.youtube.com/watch?v=",
        b"https://youtu.be/",
        b"dQw4w9WgXcQ",
        b"aaaaaaaaaaa",
        b"aaaaaaaaaa",
        b"&v=",
        b"?",
    ),
    *(
        b"http://media.example.org/a.ogg",
        b"https://[::1",
        b"HTTP://A.b/ ",
        b"//",
        b"#",
        b"/playlist?list=PL",
        b"%20",
        b"@x",
    ),
    *(
        b",",
        b",,",
        b",x,y,food\n",
        b",,,Art Music\r\n",
        b',"q""q\n",,travel\n',
        b"\n",
        b"\r",
        b"\r\n",
        b'"',
        b'""',
        b"'",
    ),
    *(
        b"\0",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\xc2\xa0",
        b"\xe2\x80\xa8",
        b"\x1c",
        b"\xc4\xb0",
        b"\xe1\xba\x9e",
        b" ",
        b"_",
        b"-",
        b"\\",
    ),
]
HEADERS = [
    b"link,title,description,category\n",
    b"category,link\r\n",
    b"\xef\xbb\xbf Link ,CATEGORY,link,x\n",
    b"link\n",
    b"",
]


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(HEADERS), st.lists(st.sampled_from(PIECES) | st.binary(max_size=8), max_size=60))
def test_whatever_the_bytes_are_every_row_is_a_video_or_a_reason(tmp_path_factory, header, pieces):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    content = header + b"".join(pieces)
    path.write_bytes(content)
    try:
        catalog = read_catalog(path)
    except CatalogError as told:
        assert str(path) in str(told)
        return
    text = content.decode("utf-8-sig", errors="replace").replace("\0", "")
    rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row][1:]
    assert len(catalog.videos) + len(catalog.rejected) == len(rows)
    assert len({video.id for video in catalog.videos}) == len(catalog.videos)
    for video in catalog.videos:
        assert re.fullmatch(r"[0-9A-Za-z_-]{11}|u[0-9a-f]{16}", video.id)
        assert video.category and normalize_category(video.category) == video.category
        assert parse_link(video.url) == (video.id, video.url)
    assert all(1 < line.line <= text.count("\n") + text.count("\r") + 1 for line in catalog.rejected)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(
            [
                ("link", "title", "description", "category"),
                *((v.url, v.title, v.description, v.category) for v in catalog.videos),
            ]
        )
    again = read_catalog(path)
    assert (again.videos, again.rejected) == (catalog.videos, ())
