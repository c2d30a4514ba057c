"""What browsers may do with what this service sends them: the only place where these headers are written."""

from __future__ import annotations

from typing import Final

SELF: Final = "'self'"
NONE: Final = "'none'"
NOTHING: Final = f"default-src {NONE}; frame-ancestors {NONE}"
"""For what is no page: nothing in it is loaded or run."""
ON_PAGES: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # kept, and asked for by ETag: modules of two releases must never mix
}
"""Headers of every page and of its files, besides the policy of its content."""


def content_policy(*, images: str = SELF, media: str = NONE, base: str = NONE) -> str:
    """The Content-Security-Policy of a page: files and answers of this origin, and nothing inline.

    `images` and `media` are where these may come from, `base` what the page may name as the base of its links.
    """
    sources = {
        "default-src": NONE,
        "script-src": SELF,
        "style-src": SELF,
        "img-src": images,
        "media-src": media,
        "connect-src": SELF,
        "base-uri": base,
        "form-action": NONE,
        "frame-ancestors": NONE,
    }
    return "; ".join(f"{directive} {allowed}" for directive, allowed in sources.items())
