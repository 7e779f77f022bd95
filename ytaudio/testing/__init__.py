"""Made-up but real media: a loopback video site, for tests and the quickstart."""

from .site import MediaSite
from .videos import SiteVideo, make_videos, with_states, write_catalog

__all__ = ["MediaSite", "SiteVideo", "make_videos", "with_states", "write_catalog"]
