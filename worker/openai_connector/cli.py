"""The command `openai-connector`. Every command imports what it needs itself: start-up time is a feature."""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Final

from openai_connector import __version__
from openai_connector.commands import COMMANDS
from openai_connector.contract import ExitStatus

FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What a disk says that takes no more of the output."""
_ABOUT: Final = "Camunda 8 connector worker for OpenAI and OpenAI-compatible APIs"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; gives the exit status."""
    try:
        namespace = _parse(list(sys.argv[1:] if arguments is None else arguments))
        status = int(namespace.run(namespace) or 0)
        sys.stdout.flush()  # here, where what goes wrong can be told
        return status
    except KeyboardInterrupt:
        return ExitStatus.INTERRUPTED
    except BrokenPipeError:  # who reads the output has seen enough, as `head` does
        return _without_output()
    except OSError as error:
        if error.errno not in FULL or error.filename is not None:
            raise
        print(f"openai-connector: the output cannot be written ({error.strerror})", file=sys.stderr)
        return _without_output()


def _without_output() -> int:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains at its end
    return ExitStatus.FAILED


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="openai-connector", description=_ABOUT)
    parser.add_argument("--version", action="version", version=f"openai-connector {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    asked = next((argument for argument in arguments if not argument.startswith("-")), None)
    for name, (about, module) in COMMANDS.items():
        command = commands.add_parser(
            name, help=about, description=about, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if name != asked:  # only the asked command's module is imported
            continue
        implementation = importlib.import_module(f"openai_connector.commands.{module}")
        implementation.add_arguments(command)
        command.set_defaults(run=implementation.run)
    parser.set_defaults(run=lambda _: _say_how(parser))
    return parser.parse_args(arguments)


def _say_how(parser: argparse.ArgumentParser) -> int:
    parser.print_help(sys.stderr)
    return ExitStatus.WRONG_USE
