"""Pages that ask for a person in the place of what was asked for: a site's wall, whatever status it comes with."""

import re
from urllib.parse import urlsplit

from yt_dlp.networking.exceptions import RequestError

BEGINNING_BYTES = 64 << 10  # of a page, in which it says what it wants
REFUSALS = (401, 403, 503)  # statuses that a wall may come with; 429 is one by itself
# where sites send those they doubt: consent.youtube.com, google.com/sorry/index, .../captcha
_ELSEWHERE = re.compile(r"^consent\.|/sorry(/|$)|captcha")
# what such pages say, and a page that merely has a form with a captcha on it does not
_SAID = re.compile(rb"not a (ro)?bot|unusual traffic|captcha challenge|id=[\"']?captcha-form", re.IGNORECASE)


class ChallengeError(RequestError):
    """The site asks for a person: a wall, and no video's fault."""


def sent_elsewhere(asked: str, final: str) -> str:
    """A sentence if a request was redirected to a challenge; "" if it was not."""
    parts = urlsplit(final)
    if asked == final or not _ELSEWHERE.search(f"{parts.hostname or ''}{parts.path}".casefold()):
        return ""
    return f"the site sends this machine to a consent or captcha challenge: {parts.hostname}{parts.path}"[:300]


def asked_for_a_person(page: bytes) -> str:
    """A sentence if a page, by its beginning, asks for a person; "" if it does not."""
    said = _SAID.search(page)
    if not said:
        return ""
    text = re.sub(r"<[^>]*>|\s+", " ", page[max(0, said.start() - 100) : said.end() + 60].decode("utf-8", "replace"))
    return f"the site asks for a person: {' '.join(text.split())}"
