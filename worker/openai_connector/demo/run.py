"""`openai-connector demo`: a real engine, a real model, the worker, and a process that runs through all of them."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from openai_connector.demo import process
from openai_connector.demo.child import Child
from openai_connector.demo.engine import DEFAULT_VERSION, MISSING_PACKAGE, VERSION_VARIABLE, Engine, EngineError, fetch
from openai_connector.demo.model import CHAT_MODEL, ModelError, ModelServer, check_installed
from openai_connector.demo.records import RECORDS_EXPORTER, Records

if TYPE_CHECKING:
    from rich.console import Console

    from openai_connector.zeebe.connection import Connection

OPENAI_URL = "https://api.openai.com/v1"
DEFAULT_MODEL = "gpt-6-luna"
DEMO_KEY = "demo"
"""The small model's API key: it answers 401 to any other, so the secret really has to find its way."""
NO_KEY = "none"
"""Sent to a compatible API for which no key is given: the diagram names the secret, so it must exist."""
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
DRAIN_TIMEOUT = timedelta(seconds=10)
NAME_WIDTH = 32
"""Column at which the values of a step begin."""
SHOWN = 300
"""Characters of an answer; the whole of it is in the result variable."""
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


class DemoError(RuntimeError):
    """The demo cannot go on; the message is one sentence that says what to do."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `openai-connector demo`."""
    parser.description = (
        "Run a small process end to end: a real Zeebe engine (downloaded once), a small real model\n"
        "on this machine (no key, no cost) or the API that OPENAI_API_KEY is for, and the worker\n"
        "between them."
    )
    parser.add_argument("--keep", action="store_true", help="leave everything running afterwards, until Ctrl-C")
    parser.add_argument(
        "--api-base-url",
        metavar="URL",
        help="use this OpenAI-compatible API instead of the small model (key: OPENAI_API_KEY); it has to offer "
        f"/chat/completions and /moderations. With OPENAI_API_KEY set the default is {OPENAI_URL}",
    )
    parser.add_argument(
        "--model", default=DEFAULT_MODEL, help="chat model, where an API is used (default: %(default)s)"
    )
    parser.add_argument(
        "--zeebe-address",
        metavar="HOST:PORT",
        help="use this cluster instead of an engine of our own; credentials as for `run`, from the environment",
    )
    parser.add_argument(
        "--zeebe-version",
        metavar="VERSION",
        help=f"version of our own engine (default: {VERSION_VARIABLE}, else {DEFAULT_VERSION})",
    )


def run(options: argparse.Namespace) -> int:
    """Run the demo and return the exit code: 0 done, 1 failed (one sentence says why), 130 interrupted."""
    try:
        from rich.console import Console
    except ImportError:
        print(MISSING_PACKAGE.format(package="rich"), file=sys.stderr)
        return 1
    # Without a terminal, lines keep a fixed width and carry no colours or animations.
    console = Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=110)
    if sys.platform == "win32":
        console.print("The demo runs on Linux and macOS; on Windows, run it inside WSL.")
        return 1
    _reach_this_machine_directly()
    # A closed terminal or a `kill` cleans up like a Ctrl-C.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, _interrupt)
    try:
        with ExitStack() as stack:
            _Demo(options, console, stack).play()
        return 0
    except KeyboardInterrupt:
        console.print("\nStopped; nothing is left running.")
        return INTERRUPTED
    except (DemoError, EngineError, ModelError, process.ProcessError) as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"\n{error}", style="red", markup=False)
        return 1


def _reach_this_machine_directly() -> None:
    """Except what the demo starts from the environment's proxies: gRPC too obeys those in small letters."""
    excepted = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(filter(None, (excepted, "127.0.0.1,localhost")))


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


class _Demo:
    """One demo; whatever it starts is ended by the exit stack, last first."""

    def __init__(self, options: argparse.Namespace, console: Console, stack: ExitStack) -> None:
        self._options = options
        self._console = console
        self._stack = stack
        self._folder = Path(tempfile.mkdtemp(prefix="openai-connector-demo-"))
        stack.callback(shutil.rmtree, self._folder, ignore_errors=True)
        self._base_url, self._api_key = _api(options)
        self._records: Records | None = None
        self._worker: Child | None = None

    def play(self) -> None:
        self._console.print("[bold]OpenAI connector for Camunda 8: demo[/bold]\n")
        small_model = self._start_small_model()
        connection = self._start_engine()
        if small_model is not None:
            with self._started(f"Model    {CHAT_MODEL} (135 M parameters) at {self._base_url}"):
                small_model.wait_until_ready()
        else:
            self._console.print(f"  Model    {self._options.model} at {self._base_url}", markup=False)
        self._start_worker(self._options.zeebe_address or connection.target)
        asyncio.run(self._play_process(connection))
        self._say_what_next(connection)
        if self._options.keep:
            self._wait_for_interrupt()

    def _start_small_model(self) -> ModelServer | None:
        """Start loading the model, unless an API is used; it is ready by the time the engine is."""
        if self._base_url:
            return None
        check_installed()
        server = ModelServer(self._folder / "model.log", api_key=DEMO_KEY)
        self._stack.callback(server.close)
        server.start()
        self._base_url, self._api_key = server.base_url, DEMO_KEY
        return server

    def _start_engine(self) -> Connection:
        from openai_connector.zeebe.connection import Connection

        if self._options.zeebe_address:
            connection = _other_cluster(self._options.zeebe_address)
            self._console.print(f"  Engine   {connection.target}", markup=False)
            return connection
        version = self._options.zeebe_version or os.environ.get(VERSION_VARIABLE) or DEFAULT_VERSION
        fetch(version, progress=lambda _name, total: _download_progress(self._console, f"Zeebe {version}", total))
        engine = Engine(version, folder=self._folder / "engine", environment=RECORDS_EXPORTER)
        self._stack.callback(engine.kill)
        with self._started(f"Engine   Zeebe {version}, broker and gateway on this machine"):
            engine.start()
        self._records = Records(engine.log)
        return Connection(engine.address)

    def _start_worker(self, zeebe: str) -> None:
        """Start the worker as its users do: a process of its own, told everything by its environment."""
        self._worker = Child(
            [sys.executable, "-m", "openai_connector", "run"],
            environment=_worker_environment(
                os.environ,
                zeebe=zeebe,
                own_engine=not self._options.zeebe_address,
                base_url=self._base_url,
                api_key=self._api_key,
            ),
            log=self._folder / "worker.log",
        )
        self._stack.callback(self._worker.terminate, DRAIN_TIMEOUT)
        self._worker.start()
        self._console.print(f"  Worker   openai-connector run (process {self._worker.pid})")

    def _check_worker(self) -> None:
        if self._worker is not None and not self._worker.running:
            raise DemoError(
                f"The worker stopped (exit code {self._worker.exit_code}); the end of its log says:\n"
                f"{self._worker.last_lines(15)}"
            )

    async def _play_process(self, connection: Connection) -> None:
        import grpc

        from openai_connector.zeebe.connection import gateway, open_channel

        channel = open_channel(connection)
        try:
            stub = gateway(channel)
            await process.deploy(stub)
            self._console.print(f"  Process  {process.PROCESS_ID}, deployed from {process.DIAGRAM.name}")
            for number, (title, message) in enumerate(MESSAGES.items(), 1):
                self._console.print(f"\n[bold]{number}. {title}[/bold]")
                self._console.print(f"   {message}", style="italic", markup=False)
                variables = {"message": message, **self._model_variables()}
                with self._console.status("The process is running ..."):
                    done = await process.run(stub, variables, records=self._records, check=self._check_worker)
                for step in done.steps:
                    self._show(step)
                self._console.print(f"   Ended at [bold]{done.ending}[/bold] after {done.seconds:.1f} s", style="green")
        except grpc.aio.AioRpcError as error:
            raise DemoError(
                f"The engine at {connection.target} cannot be used ({error.code().name}: {error.details()}); check "
                "the address and the credentials, then run this again."
            ) from error
        finally:
            await channel.close()

    def _model_variables(self) -> dict[str, Any]:
        if self._api_key == DEMO_KEY:
            return {"model": CHAT_MODEL, "maxTokens": SMALL_MODEL_TOKENS}
        return {"model": self._options.model, "maxTokens": API_TOKENS}

    def _show(self, step: process.Step) -> None:
        job = "" if step.job_key is None else f"job {step.job_key}, {step.seconds:.2f} s"
        self._console.print(f"   [cyan]{step.task.name}[/cyan]  [dim]{job}[/dim]")
        for name, value in _request_lines(step) + _result_lines(step):
            for line in textwrap.wrap(value, self._console.width - NAME_WIDTH - 1) or [""]:
                self._console.print(f"     {name:<{NAME_WIDTH - 5}}", style="dim", end="", markup=False)
                self._console.print(line, markup=False)
                name = ""

    def _say_what_next(self, connection: Connection) -> None:
        say = self._console.print
        if self._options.keep:
            templates = "$HOME/.config/camunda-modeler/resources/element-templates"
            if sys.platform == "darwin":
                templates = "$HOME/Library/Application Support/camunda-modeler/resources/element-templates"
            say("\n[bold]Everything is still running[/bold] (Ctrl-C ends it)")
            say(f"  Zeebe    {connection.target}")
            say(f"  API      {self._base_url}  (worker's OPENAI_BASE_URL; secret OPENAI_API_KEY)")
            say(f"  Logs     {self._folder}")
            say("\n[bold]Deploy from Camunda Modeler[/bold]")
            say(f'  1. {_command()} templates --output "{templates}", then restart Modeler', soft_wrap=True)
            say(f"  2. open {process.DIAGRAM}", soft_wrap=True)
            if self._options.zeebe_address:
                say("  3. Deploy to your cluster as always")
            else:
                endpoint = f"http://{connection.target}"
                say(f"  3. Deploy: Camunda 8 Self-Managed, cluster endpoint {endpoint}, authentication None")
            say('  4. Start an instance with the variables {"message": "Where is my parcel?"}', markup=False)
            return
        say("\n[bold]Next[/bold]")
        command = _command()
        for line, meaning in (
            (f"{command} demo --keep", "leave it running, and deploy your own diagrams from Modeler"),
            (f"OPENAI_API_KEY=sk-... {command} demo", "the same process with OpenAI's models"),
            (f"{command} run --help", "connect the worker to your own cluster"),
        ):
            say(f"  {line}\n      {meaning}", markup=False, soft_wrap=True)

    def _wait_for_interrupt(self) -> NoReturn:
        while True:
            self._check_worker()
            time.sleep(1)

    @contextmanager
    def _started(self, what: str) -> Iterator[None]:
        """Show what is being started and, once it is up, how long that took."""
        from rich.markup import escape

        began = time.monotonic()
        with self._console.status(f"  {escape(what)} ..."):
            yield
        self._console.print(f"  {escape(what)} [dim]({time.monotonic() - began:.1f} s)[/dim]", soft_wrap=True)


def _api(options: argparse.Namespace) -> tuple[str, str]:
    """Give base URL and key of the API to use; two empty texts mean the small model."""
    key = os.environ.get("OPENAI_API_KEY", "")
    url: str = options.api_base_url or os.environ.get("OPENAI_BASE_URL", "")
    return (url or OPENAI_URL, key or NO_KEY) if url or key else ("", "")


def _worker_environment(
    environment: Mapping[str, str], *, zeebe: str, own_engine: bool, base_url: str, api_key: str
) -> dict[str, str]:
    """Build the worker's environment from ours, without settings that are meant for another worker."""
    foreign: tuple[str, ...] = ("CONNECTOR_", "OPENAI_", "SECRET_")
    if own_engine:
        foreign += ("ZEEBE_", "CAMUNDA_")
    kept = {name: value for name, value in environment.items() if not name.startswith(foreign)}
    for name in ADDRESS_VARIABLES:
        kept.pop(name, None)
    kept |= {"ZEEBE_ADDRESS": zeebe, "OPENAI_BASE_URL": base_url, "CONNECTOR_LOG_LEVEL": "INFO"}
    return kept | {"OPENAI_API_KEY": api_key, "SECRET_OPENAI_API_KEY": api_key}


def _other_cluster(address: str) -> Connection:
    """Say how another cluster is reached: with the credentials that the worker uses, from the environment."""
    from openai_connector import settings
    from openai_connector.service import connection_of

    for name in ADDRESS_VARIABLES:
        os.environ.pop(name, None)
    os.environ["ZEEBE_ADDRESS"] = address
    try:
        return connection_of(settings.load())
    except settings.SettingsError as error:
        raise DemoError(f"{error}.") from error


@contextmanager
def _download_progress(console: Console, what: str, total: int) -> Iterator[Callable[[int], object]]:
    """Show a download: a bar in a terminal, else a line for each quarter."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    megabytes = f"{total / 1e6:.0f} MB"
    if not console.is_terminal:
        done = 0
        console.print(f"  Downloading {what} ({megabytes}; once, then it is kept in the user's cache)")

        def count(size: int) -> None:
            nonlocal done
            quarters, done = done * 4 // total, done + size
            if done * 4 // total > quarters:
                console.print(f"    {done * 100 // total} %")

        yield count
        return
    columns = (TextColumn("  {task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        task = progress.add_task(f"Downloading {what}", total=total)
        yield lambda size: progress.advance(task, size)
    console.print(f"  Downloaded {what} ({megabytes}); it is kept in the user's cache")


def _request_lines(step: process.Step) -> list[tuple[str, str]]:
    """Say what was asked, as the result itself shows it."""
    output = step.result["output"]
    if step.task.operation == "moderation":
        return [("request", "POST /moderations with the customer's message")]
    history = output["chatHistory"]
    asked = history[:-1] if history[-1]["role"] == "assistant" else history
    roles = ", ".join(message["role"] for message in asked)
    return [
        ("request", f"POST /chat/completions, {len(asked)} messages ({roles})"),
        ("", f"the last: {_shortened(asked[-1]['content'])}"),
    ]


def _result_lines(step: process.Step) -> list[tuple[str, str]]:
    """Show the result variable's most useful parts, under the names that a diagram uses for them."""
    output, name = step.result["output"], step.task.result_variable
    if step.task.operation == "moderation":
        category, score = max(output["categoryScores"].items(), key=lambda item: float(item[1]))
        return [
            (f"{name}.status", str(step.result["status"])),
            ("  .output.flagged", "true" if output["flagged"] else "false"),
            ("  .flaggedCategories", ", ".join(output["flaggedCategories"]) or "none"),
            ("  .categoryScores", f"{category} {score:.3f} (the highest)"),
        ]
    usage = output["usage"] or {}
    tokens = f"{usage.get('prompt_tokens', '?')} tokens in, {usage.get('completion_tokens', '?')} out"
    return [
        (f"{name}.status", str(step.result["status"])),
        ("  .output.text", _shortened(output["text"] or output["refusal"])),
        ("  .output.finishReason", str(output["finishReason"])),
        ("  .output.usage", tokens),
    ]


def _shortened(text: object) -> str:
    line = " ".join(str(text or "").split())
    return line if len(line) <= SHOWN else line[: SHOWN - 1] + "…"


def _command() -> str:
    """Give the command as it can be typed here: `make` installs it where no PATH leads."""
    if shutil.which("openai-connector"):
        return "openai-connector"
    path = Path(sys.argv[0])
    return os.path.relpath(path) if path.stem == "openai-connector" else f"{sys.executable} -m openai_connector"
