"""What the reasons in a build's report mean, in words for those who never ran one."""

from ytaudio.media import Reason

REFUSED = {
    "duplicate": "the video stands further up in the list, under the same category",
    "conflict": "the list has the video under two categories, and which is right cannot be told",
    "empty": "there is no link, or no category",
    "bad_link": "not a link",
    "not_a_video": "a link to a channel, a playlist or a search",
    "bad_label": "no usable category",
    "open_quote": "a quote that is never closed",
    "bad_window": "no usable window",
    "bad_hash": "no usable hash",
}
FAILED = {
    Reason.REMOVED: "taken down, or its account closed",
    Reason.PRIVATE: "only its owner may watch it",
    Reason.MEMBERS_ONLY: "for paying members",
    Reason.AGE_RESTRICTED: "needs an account of an adult",
    Reason.GEO_BLOCKED: "not shown in the country it was asked from",
    Reason.DRM: "protected against copying",
    Reason.TOO_SHORT: "under a second of sound",
    Reason.SILENT: "every window tried was silent",
    Reason.NO_AUDIO: "pictures alone",
    Reason.BAD_LINK: "the site knows no such video",
    Reason.PRIVATE_HOST: "the link leads into a private network",
    Reason.UNSUPPORTED: "nothing that could be read",
    Reason.NETWORK: "the connection failed, time and again",
    Reason.SERVER_ERROR: "the site failed, time and again",
    Reason.LIVE: "was being broadcast",
    Reason.UPCOMING: "not yet broadcast",
    Reason.UNKNOWN: "the site said something else",
}


def refused(reason: str) -> str:
    """What it means that a line of the list was refused so; "" for a reason of another version."""
    return REFUSED.get(reason, "")


def failed(reason: str) -> str:
    """What it means that a video failed so; "" for a reason of another version."""
    return {known.value: words for known, words in FAILED.items()}.get(reason, "")
