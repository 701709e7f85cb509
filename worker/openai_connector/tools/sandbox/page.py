"""Where the page is started: what it shows, and how it is kept from other pages, is made in `web`."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from local_engine.server import LocalEngine

SERVER = "openai_connector.tools.sandbox.web.server"
"""Has `async def start(server: LocalEngine, *, port: int, data: Path | None) -> Page`."""


class PageError(Exception):
    """The page cannot be shown; the message is one sentence that says what to do."""


class Page(Protocol):
    """A page that is served on this machine."""

    url: str
    """Its address."""

    async def close(self) -> None:
        """Stop serving it."""
        ...


def is_there() -> bool:
    """Return whether this installation has the page."""
    try:
        return importlib.util.find_spec(SERVER) is not None
    except ModuleNotFoundError:
        return False


async def start(server: LocalEngine, *, port: int, data: Path | None) -> Page:
    """Serve the page at a port of 127.0.0.1 (0: any).

    Args:
        server: the engine that it shows.
        port: to listen at.
        data: folder that keeps what the page remembers; None: nothing is kept.

    Raises:
        PageError: the port is taken.
    """
    try:
        page: Page = await importlib.import_module(SERVER).start(server, port=port, data=data)
    except OSError as error:
        raise PageError(
            f"The page cannot be opened at 127.0.0.1:{port} ({error.strerror or error}): give another port "
            "with --web-port, or do without it (--no-web)."
        ) from None
    return page
