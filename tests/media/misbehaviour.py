"""What a server that misbehaves is to a reader, of one file as of segments."""

from ytaudio.media import Reason

EXPECTED = {
    "403": Reason.SERVER_ERROR,
    "404": Reason.SERVER_ERROR,
    "416": Reason.SERVER_ERROR,
    "429": Reason.RATE_LIMITED,
    "500": Reason.SERVER_ERROR,
    "ignore_range": Reason.UNSUPPORTED,
    "wrong_content_range": Reason.SERVER_ERROR,
    "truncate": Reason.NETWORK,
    "stall": Reason.NETWORK,
}
