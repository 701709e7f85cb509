"""`openai-connector demo`: an engine, a real small model, the worker, and a process that uses all of them."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import time
from collections.abc import Iterator, MutableMapping
from contextlib import AsyncExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openai_connector.contract import ExitStatus
from openai_connector.tools.demo.model import CHAT_MODEL, ModelError, ModelServer
from openai_connector.tools.sandbox import demo_process as process
from openai_connector.tools.sandbox import report, signals
from openai_connector.tools.sandbox.api import (
    DEFAULT_MODEL,
    DEMO_KEY,
    DRAIN_TIMEOUT,
    NO_KEY,
    OPENAI_URL,
    reach_this_machine_directly,
    read_url,
)
from openai_connector.tools.sandbox.terminal import Terminal

if TYPE_CHECKING:
    from local_engine.server import LocalEngine
    from openai_connector.settings import Settings
    from openai_connector.tools.sandbox.worker import Worker
    from openai_connector.zeebe.channel import Connection

SMALL_MODEL_TOKENS = 60
API_TOKENS = 1000
"""Reasoning models think first, and that counts."""
MESSAGES = {
    "A friendly question": "Good morning! I wanted to send a fragile vase to my aunt. How should I pack it?",
    "An abusive message": "You stupid idiots! I hate you all, and I will find you.",
}
ADDRESS_VARIABLES = (
    "ZEEBE_ADDRESS",
    "CAMUNDA_CLIENT_GRPCADDRESS",
    "CAMUNDA_GRPC_ADDRESS",
    "ZEEBE_GRPC_ADDRESS",
    "CAMUNDA_CLUSTER_ID",
)
"""Whatever says where the engine is: `--zeebe-address` takes the place of all of them."""
RUN_TIMEOUT = timedelta(seconds=process.RUN_TIMEOUT)


class DemoError(RuntimeError):
    """The demo cannot go on; the message is one sentence that says what to do."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `openai-connector demo`."""
    parser.description = (
        "Run a small process end to end: an engine of our own that speaks Zeebe's protocol, a small real\n"
        "model on this machine (no key, no cost) or the API that OPENAI_API_KEY is for, and the worker\n"
        "between them."
    )
    parser.epilog = """\
examples:
  openai-connector demo
  OPENAI_API_KEY="$(cat key.txt)" openai-connector demo --model gpt-6-luna
  openai-connector demo --api-base-url http://localhost:11434/v1 --model smollm2:135m --keep

exit status: 0 done, 1 failed (one sentence says why), 2 for wrong use, 130 interrupted."""
    parser.add_argument(
        "--keep", action="store_true", help="leave everything running afterwards, until Ctrl-C"
    )
    parser.add_argument(
        "--api-base-url",
        type=read_url,
        metavar="URL",
        help="use this OpenAI-compatible API instead of the small model (key: OPENAI_API_KEY); it has to "
        f"offer /chat/completions and /moderations. With OPENAI_API_KEY set the default is {OPENAI_URL}",
    )
    parser.add_argument(
        "--model", default=DEFAULT_MODEL, help="chat model, where an API is used (default: %(default)s)"
    )
    parser.add_argument(
        "--zeebe-address",
        metavar="HOST:PORT",
        help="use this cluster instead of an engine of our own; credentials as for `run`, from the "
        "environment",
    )


def run(options: argparse.Namespace) -> int:
    """Run the demo and return the exit code: 0 done, 1 failed (one sentence says why), 130 interrupted."""
    terminal = Terminal()
    if not signals.is_supported():
        terminal.say(signals.UNSUPPORTED)
        return 1
    status = signals.run(lambda: _run(options, terminal))
    if status == ExitStatus.INTERRUPTED:
        terminal.say("\nStopped; nothing is left running.")
    return status


async def _run(options: argparse.Namespace, terminal: Terminal) -> int:
    from local_engine.errors import EngineError
    from openai_connector.settings import SettingsError

    try:
        async with AsyncExitStack() as stack:
            await _Demo(options, terminal, stack).play()
    except SettingsError as error:
        Terminal(sys.stderr).say(f"\n{error}.", "red")
        return 1
    except (DemoError, EngineError, ModelError, process.ProcessError) as error:
        Terminal(sys.stderr).say(f"\n{error}", "red")
        return 1
    return 0


class _Demo:
    """One demo; whatever it starts is ended by the exit stack, last first."""

    def __init__(self, options: argparse.Namespace, terminal: Terminal, stack: AsyncExitStack) -> None:
        from openai_connector.tools.sandbox.parts import Parts

        self._options = options
        self._terminal = terminal
        self._stack = stack
        self._parts = Parts(stack)
        self._base_url, self._api_key = _api(options)

    async def play(self) -> None:
        self._terminal.say("OpenAI connector for Camunda 8: demo\n", "bold")
        reach_this_machine_directly()
        model = self._start_small_model()
        settings = self._settings()
        if self._options.zeebe_address:
            await self._play_elsewhere(settings, model)
        else:
            await self._play_here(settings, model)

    async def _play_here(self, settings: Settings, model: ModelServer | None) -> None:
        from openai_connector.tools.sandbox.parts import asking
        from openai_connector.tools.sandbox.trial import Trial
        from openai_connector.tools.sandbox.worker import job_types_of

        server = await self._start_engine()
        await self._wait_for_model(model)
        settings = asking(settings, model) if model is not None else settings
        worker = self._parts.start_worker(self._parts.with_store(settings), server.address)
        self._say_worker()
        files = [(process.DIAGRAM.name, process.DIAGRAM.read_bytes())]
        (deployed,) = await server.runner.execute(lambda engine: engine.deployments.deploy(files))
        self._say_process()
        trial = Trial(server, worker=worker, done_by_worker=job_types_of(settings))
        for number, (title, message) in enumerate(MESSAGES.items(), 1):
            self._say_message(number, title, message)
            variables = {"message": message, **self._model_variables()}
            outcome = await trial.run(deployed.key, variables, timeout=RUN_TIMEOUT, told=self._show)
            if outcome.status != "completed":
                raise DemoError(_stopped(outcome))
            self._say_ended(outcome.story.endings[-1].name, outcome.seconds)
        self._say_what_next(server.address, await self._start_page(server))
        if self._options.keep:
            await self._keep(worker, server)

    async def _play_elsewhere(self, settings: Settings, model: ModelServer | None) -> None:
        import grpc

        from openai_connector.service import connection_of
        from openai_connector.tools.sandbox.parts import asking
        from openai_connector.zeebe.channel import gateway, open_channel

        connection = connection_of(settings)
        self._terminal.say(f"  Engine   {connection.target}")
        await self._wait_for_model(model)
        settings = asking(settings, model) if model is not None else settings
        worker = self._parts.start_worker(self._parts.with_store(settings), "")
        self._say_worker()
        channel = open_channel(connection)
        self._stack.push_async_callback(channel.close)
        stub = gateway(channel)
        try:
            await process.deploy(stub)
            self._say_process()
            for number, (title, message) in enumerate(MESSAGES.items(), 1):
                self._say_message(number, title, message)
                done = await process.run(stub, {"message": message, **self._model_variables()})
                for step in done.steps:
                    self._show(step)
                self._say_ended(done.ending, done.seconds)
        except grpc.aio.AioRpcError as error:
            raise DemoError(_unusable(connection, error)) from error
        self._say_what_next(connection.target, "")
        if self._options.keep:
            await self._keep(worker, None)

    def _start_small_model(self) -> ModelServer | None:
        """Start to load the model, unless an API is used: it takes longer than all else."""
        if self._base_url:
            return None
        model = self._parts.start_model(DEMO_KEY)
        self._base_url, self._api_key = model.base_url, DEMO_KEY
        return model

    def _settings(self) -> Settings:
        from openai_connector import settings
        from openai_connector.observe.logs import configure

        prepare(os.environ, zeebe=self._options.zeebe_address, base_url=self._base_url, api_key=self._api_key)
        loaded = settings.load()
        configure("ERROR", loaded.log_format)
        return loaded

    async def _start_engine(self) -> LocalEngine:
        from local_engine.server import LocalEngine

        with self._started("Engine   of our own; it speaks Zeebe's protocol, on this machine"):
            server = LocalEngine()
            await server.start()
        self._stack.push_async_callback(server.stop)
        return server

    async def _wait_for_model(self, model: ModelServer | None) -> None:
        from openai_connector.tools.sandbox.parts import ready

        if model is None:
            self._terminal.say(f"  Model    {self._options.model} at {self._base_url}")
            return
        with self._started(f"Model    {CHAT_MODEL} (135 M parameters) at {self._base_url}"):
            await ready(model)

    def _model_variables(self) -> dict[str, Any]:
        if self._api_key == DEMO_KEY:
            return {"model": CHAT_MODEL, "maxTokens": SMALL_MODEL_TOKENS}
        return {"model": self._options.model, "maxTokens": API_TOKENS}

    async def _start_page(self, server: LocalEngine) -> str:
        """Start the sandbox's page where everything is kept running, and return its address."""
        from openai_connector.tools.sandbox import page

        if not self._options.keep or not page.is_there():
            return ""
        started = await page.start(server, port=0, data=None)
        self._stack.push_async_callback(started.close)
        return started.url

    async def _keep(self, worker: Worker, server: LocalEngine | None) -> None:
        """Wait for a signal; the worker or the engine ends by itself only for a bug."""
        waited: list[asyncio.Future[Any]] = [worker.ended]
        if server is not None:
            waited.append(asyncio.ensure_future(server.failed()))
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if worker.ended.done():
            raise DemoError(f"The worker stopped: {worker.ended.exception()}.")
        raise DemoError(waited[-1].result())

    def _show(self, step: Any) -> None:
        report.show_step(self._terminal, step)

    def _say_worker(self) -> None:
        from openai_connector.tools.sandbox.parts import STORE_HOLDS

        self._terminal.say("  Worker   of this connector, as `openai-connector run` has it")
        is_given = bool(os.environ.get("CONNECTOR_STORE"))
        place = "the one of CONNECTOR_STORE" if is_given else "in a temporary folder"
        self._terminal.say(f"  Store    {place}  ({STORE_HOLDS})")

    def _say_process(self) -> None:
        self._terminal.say(f"  Process  {process.PROCESS_ID}, deployed from {process.DIAGRAM.name}")

    def _say_message(self, number: int, title: str, message: str) -> None:
        self._terminal.say(f"\n{number}. {title}", "bold")
        self._terminal.say(f"   {message}", "italic")

    def _say_ended(self, ending: str, seconds: float) -> None:
        self._terminal.say_parts(
            ("   Ended at ", "green"), (ending, "bold"), (f" after {seconds:.1f} s", "green")
        )

    def _say_what_next(self, target: str, page: str) -> None:
        say = self._terminal.say
        if self._options.keep:
            self._say_what_runs(target, page)
            return
        say("\nNext", "bold")
        command = _command()
        for line, meaning in (
            (f"{command} demo --keep", "leave it running, and deploy your own diagrams from Modeler"),
            (f"{command} try your.bpmn", "run your own diagram the same way"),
            (f"OPENAI_API_KEY=sk-... {command} demo", "the same process with OpenAI's models"),
            (f"{command} run --help", "connect the worker to your own cluster"),
        ):
            say(f"  {line}\n      {meaning}")

    def _say_what_runs(self, target: str, page: str) -> None:
        say = self._terminal.say
        templates = "$HOME/.config/camunda-modeler/resources/element-templates"
        if sys.platform == "darwin":
            templates = "$HOME/Library/Application Support/camunda-modeler/resources/element-templates"
        say("\nEverything is still running (Ctrl-C ends it)", "bold")
        say(f"  Engine   {target}")
        say(f"  API      {self._base_url}  (secret OPENAI_API_KEY)")
        if page:
            say(f"  Page     {page}  (instances, incidents, variables)")
        say("\nDeploy from Camunda Modeler", "bold")
        say(f'  1. {_command()} templates --output "{templates}", then restart Modeler')
        say(f"  2. open {process.DIAGRAM}")
        if self._options.zeebe_address:
            say("  3. Deploy to your cluster as always")
        else:
            say(f"  3. Deploy: Camunda 8 Self-Managed, cluster endpoint http://{target}, authentication None")
        say('  4. Start an instance with the variables {"message": "Where is my parcel?"}')

    @contextmanager
    def _started(self, what: str) -> Iterator[None]:
        """Return what was started, once it is up, and how long that took."""
        began = time.monotonic()
        yield
        self._terminal.say_parts((f"  {what}", ""), (f" ({time.monotonic() - began:.1f} s)", "dim"))


def _api(options: argparse.Namespace) -> tuple[str, str]:
    """Return base URL and key of the API to use; two empty texts mean the small model."""
    key = os.environ.get("OPENAI_API_KEY", "")
    url: str = options.api_base_url or os.environ.get("OPENAI_BASE_URL", "")
    return (url or OPENAI_URL, key or NO_KEY) if url or key else ("", "")


def prepare(environment: MutableMapping[str, str], *, zeebe: str | None, base_url: str, api_key: str) -> None:
    """Remove the settings of other workers from the environment.

    The credentials and the store of a given cluster stay. To another engine a store must not come: its job
    keys mean other jobs there, and what it owes would be taken for reported.
    """
    foreign: tuple[str, ...] = ("CONNECTOR_", "OPENAI_", "SECRET_")
    kept: tuple[str, ...] = ("CONNECTOR_STORE",)
    if not zeebe:
        foreign += ("ZEEBE_", "CAMUNDA_")
        kept = ()
    for name in list(environment):
        if name in ADDRESS_VARIABLES or (name.startswith(foreign) and not name.startswith(kept)):
            del environment[name]
    environment["ZEEBE_ADDRESS"] = zeebe or "127.0.0.1:26500"
    environment["OPENAI_BASE_URL"] = base_url
    environment["OPENAI_API_KEY"] = environment["SECRET_OPENAI_API_KEY"] = api_key
    environment["CONNECTOR_DRAIN_TIMEOUT"] = DRAIN_TIMEOUT


def _stopped(outcome: Any) -> str:
    for incident in outcome.incidents:
        return f"The process stopped at the task {incident.element_id} with an incident: {incident.message}"
    for reason in outcome.reasons:
        return f"The process stands: {reason.message}."
    return f"The process did not end within {process.RUN_TIMEOUT:.0f} s."


def _unusable(connection: Connection, error: Any) -> str:
    return (
        f"The engine at {connection.target} cannot be used ({error.code().name}: {error.details()}); check "
        "the address and the credentials, then run this again."
    )


def _command() -> str:
    """Return the command as it can be typed here: `make` installs it where no PATH leads."""
    if shutil.which("openai-connector"):
        return "openai-connector"
    path = Path(sys.argv[0])
    return (
        os.path.relpath(path) if path.stem == "openai-connector" else f"{sys.executable} -m openai_connector"
    )
