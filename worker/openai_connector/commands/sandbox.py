"""`openai-connector sandbox`: an engine, a worker of this connector and a page, on this machine."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openai_connector.tools.sandbox import api, diagrams, page, signals
from openai_connector.tools.sandbox.given import WrongUseError
from openai_connector.tools.sandbox.job_lines import JobLines
from openai_connector.tools.sandbox.terminal import Terminal

if TYPE_CHECKING:
    from local_engine.server import LocalEngine
    from openai_connector.settings import Settings

PORT = 26500
"""Zeebe's own: what Modeler and clients offer."""
WEB_PORT = 26580


class SandboxError(Exception):
    """The sandbox cannot go on; the message is one sentence that says why."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `openai-connector sandbox`."""
    parser.description = (
        "Run an engine of our own that speaks Zeebe's protocol, a worker of this connector, and a page\n"
        "that shows process instances and their incidents. It is not Zeebe, and not for production.\n"
        "The worker's settings and secrets come from the environment, as for `run`; without\n"
        "OPENAI_API_KEY, SECRET_OPENAI_API_KEY and OPENAI_BASE_URL a small model on this machine answers."
    )
    parser.epilog = """\
examples:
  openai-connector sandbox                               deploy to it from Modeler: http://127.0.0.1:26500
  openai-connector sandbox order.bpmn --data ~/sandbox   goes on at the next start where it was

exit status: 0 after Ctrl-C or SIGTERM, 1 when it could not start or go on, 2 for wrong use or a refused \
diagram."""
    parser.add_argument(
        "diagrams", type=Path, nargs="*", metavar="DIAGRAM.bpmn", help="deployed at the start"
    )
    _add_places(parser)
    _add_parts(parser)
    api.add_arguments(parser)


def _add_places(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address of the engine (default: %(default)s)")
    parser.add_argument(
        "--port", type=_port, default=PORT, help="of the engine; 0: any (default: %(default)s)"
    )
    parser.add_argument(
        "--management-port",
        type=_port,
        metavar="PORT",
        help="clock, health and metrics by HTTP (default: none)",
    )
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="keep everything there (default: nothing is kept)"
    )
    parser.add_argument(
        "--web-port",
        type=_port,
        default=WEB_PORT,
        metavar="PORT",
        help="of the page; 0: none (default: %(default)s)",
    )


def _add_parts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-web", action="store_true", help="no page")
    parser.add_argument(
        "--engine-only", action="store_true", help="the engine alone: no worker, no model, no page"
    )
    parser.add_argument(
        "--records",
        action="store_true",
        help="write the engine's records to standard output, all else to the other",
    )


def run(options: argparse.Namespace) -> int:
    """Run the command and return the exit status."""
    if not signals.is_supported():
        return _refuse(signals.UNSUPPORTED, status=2)
    try:
        found = diagrams.read(options.diagrams)
    except WrongUseError as error:
        return _refuse(str(error), status=2)
    return signals.run(lambda: _run(options, found))


async def _run(options: argparse.Namespace, found: diagrams.Diagrams) -> int:
    from local_engine.errors import EngineError
    from openai_connector.settings import SettingsError
    from openai_connector.tools.demo.model import ModelError

    stopping = signals.stopping()
    terminal = Terminal(sys.stderr if options.records else sys.stdout)
    try:
        async with AsyncExitStack() as stack:
            sandbox = Sandbox(stack, terminal, options)
            await sandbox.start(found)
            await sandbox.serve(stopping)
            if not options.engine_only:
                terminal.say("Stopping: running calls are waited for; a second Ctrl-C gives them up")
        terminal.say("Stopped; nothing is left running.")
    except SettingsError as error:
        return _refuse(f"{error}.", status=2)
    except (EngineError, ModelError, SandboxError, page.PageError) as error:
        return _refuse(str(error), status=1)
    return 0


class Sandbox:
    """Starts the parts that are wanted, says where they are, and watches them."""

    def __init__(self, stack: AsyncExitStack, terminal: Terminal, options: argparse.Namespace) -> None:
        """Take the options of the command line, and the stack that ends whatever is started."""
        self._stack = stack
        self._terminal = terminal
        self._options = options
        self._work: asyncio.Future[Any] | None = None

    async def start(self, found: diagrams.Diagrams) -> None:
        """Start everything and deploy the diagrams; the worker begins once its model is loaded.

        Raises:
            EngineError, ModelError, PageError, SettingsError: a part cannot be started.
        """
        from openai_connector.tools.sandbox.parts import Parts, load_settings

        is_whole = not self._options.engine_only
        chosen = api.chosen_api(os.environ, self._options.api_base_url)
        settings = load_settings(chosen) if is_whole else None
        parts = Parts(self._stack)
        model = parts.start_model() if is_whole and chosen is None else None
        self._server = server = await self._start_engine()
        if found.files:
            await server.runner.execute(lambda engine: engine.deployments.deploy(found.files))
        self._terminal.say(
            "An engine of our own that speaks Zeebe's protocol: not Zeebe, not for production", "dim"
        )
        self._say_engine(server)
        if settings is not None:
            await self._start_page(server)
            server.subscribe(JobLines(self._terminal.say))
            self._work = asyncio.ensure_future(self._start_worker(parts, settings, model))
            self._stack.callback(self._work.cancel)
        for process in sorted(server.engine.latest.values(), key=lambda process: process.key):
            self._terminal.say(
                f"  Process  {process.id}, version {process.version}, from {process.resource_name}"
            )

    async def serve(self, stopping: asyncio.Event) -> None:
        """Wait until the sandbox is to end.

        Raises:
            ModelError: the model could not be loaded.
            SandboxError: the engine or the worker has given up.
        """
        stopped = asyncio.ensure_future(stopping.wait())
        failed = asyncio.ensure_future(self._server.failed())
        waited: set[asyncio.Future[Any]] = {stopped, failed}
        if self._work is not None:
            waited.add(self._work)
        try:
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            failed.cancel()
        if failed.done() and not failed.cancelled():
            raise SandboxError(failed.result())
        if self._work is not None and self._work.done():
            self._work.result()
            raise SandboxError("The worker stopped by itself; its log above says why.")

    async def _start_engine(self) -> LocalEngine:
        from local_engine.server import LocalEngine

        options = self._options
        server = LocalEngine(
            options.data,
            host=options.host,
            port=options.port,
            management_port=options.management_port,
            records=sys.stdout if options.records else None,
        )
        await server.start()
        self._stack.push_async_callback(server.stop)
        return server

    async def _start_page(self, server: LocalEngine) -> None:
        if self._options.no_web or not self._options.web_port or not page.is_there():
            return
        started = await page.start(server, port=self._options.web_port, data=self._options.data)
        self._stack.push_async_callback(started.close)
        self._terminal.say(f"  Page     {started.url}  (instances, incidents, variables)")

    async def _start_worker(self, parts: Any, settings: Settings, model: Any) -> None:
        from openai_connector.tools.sandbox.parts import STORE_HOLDS, asking, ready

        where = self._options.data or "in a temporary folder; --data DIR keeps it"
        place = where if settings.store is None else "the one of CONNECTOR_STORE"
        settings = parts.with_store(settings, self._options.data)
        if model is not None:
            self._terminal.say(
                f"  Model    a small one at {model.base_url}: no OPENAI_API_KEY and no OPENAI_BASE_URL is set"
            )
            await ready(model)
            settings = asking(settings, model)
        else:
            self._terminal.say(f"  API      {settings.base_url}")
        self._terminal.say(f"  Store    {place}  ({STORE_HOLDS})")
        worker = parts.start_worker(settings, self._server.address)
        self._terminal.say(f"  Worker   is at work on jobs of the type {settings.job_type}")
        await worker.ended

    def _say_engine(self, server: LocalEngine) -> None:
        host, _, port = server.address.rpartition(":")
        shown = "127.0.0.1" if host.strip("[]") in ("0.0.0.0", "::") else host
        self._terminal.say(f"  Engine   http://{shown}:{port}")
        self._terminal.say(
            "           in Modeler: Camunda 8 Self-Managed, this cluster endpoint, authentication None"
        )
        if not _is_loopback(host.strip("[]")):
            self._terminal.say(
                "           Whoever reaches this host can use it: there is no authentication", "yellow"
            )
        if self._options.management_port is not None:
            self._terminal.say(f"  Manage   {server.management_url}")
        kept = self._options.data or "in memory; --data DIR keeps it"
        self._terminal.say(f"  Data     {kept}")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 65535, got '{text[:20]}'")
    return int(text)


def _refuse(sentence: str, *, status: int) -> int:
    print(f"openai-connector sandbox: {sentence}", file=sys.stderr)
    return status
