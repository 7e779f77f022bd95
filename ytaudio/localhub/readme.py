"""A README as HTML that cannot act: no script, no style, nothing fetched from elsewhere."""

import re
from functools import lru_cache
from html import escape
from itertools import pairwise

import nh3
from markdown_it import MarkdownIt

from ytaudio.localhub import cards
from ytaudio.localhub.history import Commit
from ytaudio.localhub.objects import Objects
from ytaudio.localhub.repo import Repo
from ytaudio.localhub.web import web_prefix

_RENDERED_MAX = 200_000  # characters of a README; a longer one is shown as it was written
_TAGS_MAX = 5_000  # and so is one of more tags and links than this: each that is left open makes the next ones dearer
_SHOWN_MAX = 256 << 10  # characters shown of one that is not rendered
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_TAGS = (nh3.ALLOWED_TAGS | {"audio"}) - {"area", "footer", "header", "map", "nav"}  # the page has its own landmarks
_ATTRIBUTES = {
    **nh3.ALLOWED_ATTRIBUTES,
    "audio": {"src", "controls", "preload"},
    "details": {"open"},
    "td": nh3.ALLOWED_ATTRIBUTES["td"] | {"class"},
    "th": nh3.ALLOWED_ATTRIBUTES["th"] | {"class"},
    **{heading: {"id"} for heading in _HEADINGS},
}
_PLACES = {("img", "src"): "resolve", ("audio", "src"): "resolve", ("a", "href"): "blob"}
_ALIGNED = {"text-align:right": "to-right", "text-align:center": "to-center"}  # the pages allow no style but style.css
_HERE = re.compile(r"/(?![/\\])[^\\\s]*")  # an address of this Hub
# a card written while the Hub listened elsewhere names that address; on loopback it can only have meant the Hub
_ONCE_HERE = re.compile(
    r"https?://(?:127\.[\d.]+|localhost|\[::1\])(?::\d+)?(/(?:datasets/|spaces/)?[\w.-]+/[\w.-]+(?:[/?#]\S*)?)"
)


def readme_of(objects: Objects, repo: Repo, commit: Commit) -> str | None:
    """A repo's README.md as HTML; None without one, or with one beyond all measure."""
    entry = repo.tree(commit).get("README.md")
    if entry is None or entry.size > cards.MAX_TEXT:
        return None
    return _rendered(objects, entry.sha256, f"/{web_prefix(repo.kind)}{repo.id}", commit.id)


@lru_cache(maxsize=32)
def _rendered(objects: Objects, sha256: str, link: str, commit_id: str) -> str:
    _, text = cards.split_card(objects.read(sha256).decode("utf-8", "replace"))
    return rendered(text, link, commit_id)


def rendered(text: str, link: str, commit_id: str, *, most: int = _RENDERED_MAX, html: bool = True) -> str:
    """Markdown as `render_markdown` gives it, or as it was written where that would take too long."""
    if len(text) > most or text.count("<") + text.count("[") > _TAGS_MAX:
        return f"<pre>{escape(text[:_SHOWN_MAX])}</pre>"
    return render_markdown(text, link, commit_id, html=html)


def render_markdown(text: str, link: str, commit_id: str, *, html: bool = True) -> str:
    """Markdown to HTML without scripts; relative images, sounds and links lead into the repo at this commit.

    Args:
        text: the Markdown.
        link: the repo's address on this Hub.
        commit_id: the commit that relative addresses are of.
        html: HTML in the text is kept as far as it is harmless; without, it is shown as words.
    """
    parser = MarkdownIt("commonmark", {"html": html}).enable(["table", "strikethrough"])
    tokens = parser.parse(text)
    for opening, words in pairwise(tokens):
        if opening.type == "heading_open":
            opening.attrSet("id", _slug(words.content))
        elif opening.type in ("th_open", "td_open"):
            aligned = _ALIGNED.get(str(opening.attrs.pop("style", "")))
            opening.attrs |= {"class": aligned} if aligned else {}

    def kept(tag: str, attribute: str, value: str) -> str | None:
        if attribute == "class":
            return value if value in _ALIGNED.values() else None
        if attribute == "preload":
            return "none" if value == "none" else "metadata"  # no page downloads all its sounds unasked
        if place := _PLACES.get((tag, attribute)):
            if tag != "a" and (own := _own_file(value, link)):
                value = own
            value = f"{link}/{place}/{commit_id}/{value.removeprefix('./')}" if _is_relative(value) else value
            if tag == "a":
                return _ONCE_HERE.sub(r"\1", value) if _ONCE_HERE.fullmatch(value) else value
            return value if _HERE.fullmatch(value) else None  # a picture from elsewhere would tell who looks
        return value

    return nh3.clean(
        parser.renderer.render(tokens, parser.options, {}),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        attribute_filter=kept,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )


def _slug(heading: str) -> str:
    """A heading's address within the page, as the Hub and its READMEs write it."""
    return re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", heading.lower()).strip())


def _own_file(address: str, link: str) -> str | None:
    """The path of a file of this very repo that is named by its whole address, as huggingface.co needs it of sounds."""
    found = re.fullmatch(rf"https?://[^/\s]+{re.escape(link)}/resolve/main/(\S+)", address)
    return found[1] if found else None


def _is_relative(address: str) -> bool:
    return bool(address) and not address.startswith(("/", "\\", "#")) and ":" not in address.split("/")[0]
