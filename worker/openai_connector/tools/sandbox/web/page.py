"""The page: one document, put together from what lies in `assets`."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Final

from openai_connector import look

STYLE: Final = "page.css"
SCRIPTS: Final = (
    "dom.js",
    "server.js",
    "values.js",
    "picture.js",
    "lists.js",
    "instance.js",
    "dialogs.js",
    "page.js",
)
"""In this order: each may use what those before it have defined."""


def render(*, token: str, run: str, nonce: str) -> str:
    """Return the page.

    Args:
        token: that the page sends with every change.
        run: name of this run of the server.
        nonce: of its style sheet and its script, as the answer's policy names it.
    """
    return _template().replace("{{nonce}}", nonce).replace("{{token}}", token).replace("{{run}}", run)


@cache
def _template() -> str:
    styles = f"{look.styles()}\n{_asset(STYLE)}"
    scripts = "\n".join(_asset(name) for name in SCRIPTS)
    return _asset("page.html").replace("{{styles}}", styles).replace("{{scripts}}", scripts)


def _asset(name: str) -> str:
    return (resources.files(__package__) / "assets" / name).read_text("utf-8")
