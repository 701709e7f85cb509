"""What all pages of the connector look like: style sheets, SVG as text, and what a browser may do there."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Final

STYLES: Final = ("tokens.css", "components.css")
MARK: Final = (
    '<svg width="22" height="22" viewBox="0 0 18 18" aria-hidden="true"><rect width="18" height="18" rx="4"/>'
    '<path d="M9 3l1.5 4.1a.7.7 0 0 0 .4.4L15 9l-4.1 1.5a.7.7 0 0 0-.4.4L9 15l-1.5-4.1a.7.7 0 0 0-.4-.4L3 9'
    'l4.1-1.5a.7.7 0 0 0 .4-.4z"/></svg>'
)
"""The connector's mark; a page gives it its colours."""
ICON: Final = "data:image/svg+xml," + MARK.replace("<rect", "<rect fill='%230b7285'").replace(
    "<path", "<path fill='%23fff'"
).replace("<svg", "<svg xmlns='http://www.w3.org/2000/svg'").replace('"', "'").replace("<", "%3C").replace(
    ">", "%3E"
)
"""The same for the browser's tab."""


@cache
def styles() -> str:
    """Return the style sheets that all pages share."""
    return "\n".join((resources.files(__package__) / name).read_text("utf-8") for name in STYLES)


def security_headers(nonce: str) -> dict[str, str]:
    """Return the headers of every answer; only what bears the nonce may run or style."""
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
