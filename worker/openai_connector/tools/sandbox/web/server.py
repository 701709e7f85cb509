"""The page's server: on loopback, for one page, with a token for every change."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiohttp import web

from openai_connector.look import security_headers
from openai_connector.tools.sandbox.history import History
from openai_connector.tools.sandbox.history_file import FILE_NAME
from openai_connector.tools.sandbox.inspection import Inspection
from openai_connector.tools.sandbox.view import View, ViewError
from openai_connector.tools.sandbox.web import page
from openai_connector.tools.sandbox.web.api import Api, refusal
from openai_connector.tools.sandbox.web.guard import Guard

if TYPE_CHECKING:
    from local_engine.server import LocalEngine

log = logging.getLogger(__name__)

HOST: Final = "127.0.0.1"
LARGEST_BODY: Final = 6 * 1024 * 1024
"""Bytes: a diagram as large as the engine takes it (4 MB), which base64 makes a third larger."""
"""Bytes of a request."""
WRITE_EVERY: Final = 0.5
"""Seconds between two writings of the history."""
SHUTDOWN: Final = 0.5
"""Seconds for requests that are under way at the end."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def start(server: LocalEngine, *, port: int, data: Path | None) -> Page:
    """Serve the page of an engine.

    Args:
        server: the engine, started.
        port: of 127.0.0.1; 0 takes a free one.
        data: folder that keeps the history; None keeps nothing.

    Raises:
        OSError: the port is taken.
    """
    history = History(data / FILE_NAME if data is not None else None)
    await history.follow(server)
    served = Page(Inspection(server, history), history)
    try:
        await served.open(port)
    except BaseException:
        await served.close()
        raise
    return served


class Page:
    """A page that is served."""

    def __init__(self, view: View, history: History) -> None:
        """Describe a page; nothing is opened yet."""
        self._view = view
        self._history = history
        self._runner: web.AppRunner | None = None
        self._writing: asyncio.Task[None] | None = None
        self.url = ""
        """Its address, once it is open."""

    async def open(self, port: int) -> None:
        """Listen at a port.

        Raises:
            OSError: it is taken.
        """
        listener = socket.create_server((HOST, port))
        opened = listener.getsockname()[1]
        self._runner = web.AppRunner(
            application(self._view, Guard(opened)),
            access_log=None,
            shutdown_timeout=SHUTDOWN,
            handle_signals=False,
        )
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()
        self.url = f"http://{HOST}:{opened}"
        self._writing = asyncio.create_task(self._write())

    async def close(self) -> None:
        """Stop serving it, and write the history."""
        if self._writing is not None:
            self._writing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._writing
        if self._runner is not None:
            await self._runner.cleanup()
        self._history.close()

    async def _write(self) -> None:
        while True:
            await asyncio.sleep(WRITE_EVERY)
            self._history.flush()


def application(view: View, guard: Guard) -> web.Application:
    """Return the application: the page, and what it asks for and does."""
    run = secrets.token_hex(8)

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            guard.check(request.method, request.path, request.headers)
            response = await handler(request)
        except ViewError as error:
            response = refusal(error.status, error.message)
        except web.HTTPException as error:
            response = refusal(error.status, _SENTENCES.get(error.status, error.reason))
        except Exception:
            log.exception("The page's request %s %s failed", request.method, request.path)
            response = refusal(500, "The page's server has failed at this; its log says why.")
        for name, value in security_headers(secrets.token_urlsafe(16)).items():
            response.headers.setdefault(name, value)  # the page has its own, with the nonce that it bears
        return response

    async def index(_: web.Request) -> web.Response:
        nonce = secrets.token_urlsafe(16)
        body = page.render(token=guard.token, run=run, nonce=nonce)
        headers = security_headers(nonce)
        return web.Response(text=body, content_type="text/html", charset="utf-8", headers=headers)

    app = web.Application(middlewares=[guarded], client_max_size=LARGEST_BODY)
    app.router.add_get("/", index)
    Api(view, run).add_routes(app.router)
    return app


_SENTENCES: Final = {
    404: "There is nothing at this address.",
    405: "This address does not know that method.",
    413: "The request is too large: diagrams and variables of up to 4 MB are taken.",
}
