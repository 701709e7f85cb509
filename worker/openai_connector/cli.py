"""The command `openai-connector`. Every command imports what it needs itself: start-up time is a feature."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from openai_connector import __version__

_ABOUT = "Camunda 8 connector worker for OpenAI and OpenAI-compatible APIs"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; gives the exit status: 0, 1 for failures, 2 for wrong use, 130 after Ctrl-C."""
    try:
        namespace = _parse(list(sys.argv[1:] if arguments is None else arguments))
        return int(namespace.run(namespace) or 0)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # who reads the output has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains at its end
        return 1


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="openai-connector", description=_ABOUT)
    parser.add_argument("--version", action="version", version=f"openai-connector {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    asked = next((argument for argument in arguments if not argument.startswith("-")), None)
    for name, (about, module) in _COMMANDS.items():
        command = commands.add_parser(
            name, help=about, description=about, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if name != asked:  # only the asked command's module is imported
            continue
        if module:
            implementation = importlib.import_module(f"openai_connector.{module}")
            implementation.add_arguments(command)
            command.set_defaults(run=implementation.run)
        else:
            _add_run(command)
    parser.set_defaults(run=lambda _: _say_how(parser))
    return parser.parse_args(arguments)


def _say_how(parser: argparse.ArgumentParser) -> int:
    parser.print_help(sys.stderr)
    return 2


def _add_run(parser: argparse.ArgumentParser) -> None:
    if any(argument in ("-h", "--help") for argument in sys.argv):
        from openai_connector.settings import as_text

        parser.epilog = (
            "Settings are environment variables. Durations are ISO 8601 (PT30S, PT5M) or plain seconds.\n\n" + as_text()
        )

    def work(_: argparse.Namespace) -> int:
        import asyncio
        import signal

        # Before the imports below, which take a second: as the first process of a container it has no default
        # action for SIGTERM, so one that came meanwhile would be lost, and jobs be taken until the container is killed.
        signal.signal(signal.SIGTERM, _end)

        from openai_connector import settings
        from openai_connector.service import run
        from openai_connector.telemetry.logs import configure

        try:
            loaded = settings.load()
            configure(loaded.log_level, loaded.log_format)
            asyncio.run(run(loaded))
        except settings.SettingsError as error:
            print(f"openai-connector: {error}", file=sys.stderr)
            return 2
        except asyncio.CancelledError:
            return 130
        return 0

    parser.set_defaults(run=work)


def _end(_number: int, _frame: object) -> NoReturn:
    """Answer a SIGTERM while nothing is in work yet; `service.run` drains from then on."""
    sys.exit(0)


# What a command does, and the module that has its `add_arguments` and `run`.
_COMMANDS = {
    "run": ("Work on jobs until SIGTERM or Ctrl-C.", ""),
    "demo": ("Run a small process end to end: engine, real small model, no key needed.", "sandbox.demo_command"),
    "sandbox": ("Run an engine, a worker and a page on this machine, to try diagrams.", "sandbox.command"),
    "try": ("Run one process instance to its end, step by step.", "sandbox.try_command"),
    "evaluate": ("Try FEEL, result and error expressions without a cluster.", "evaluate"),
    "lint": ("Check the connector tasks of diagrams before they run.", "diagrams.lint_command"),
    "migrate": (
        "Move a diagram made with Camunda's own OpenAI template over to this connector.",
        "diagrams.migrate_command",
    ),
    "templates": ("Write the element templates for Camunda Modeler.", "templates"),
}
