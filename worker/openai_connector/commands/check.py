"""The command `openai-connector check`."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from openai_connector import __version__, settings
from openai_connector.commands.console import say
from openai_connector.contract import ExitStatus
from openai_connector.settings import SettingsError
from openai_connector.tools.check.everything import Asked, check_everything
from openai_connector.tools.check.findings import Finding, Verdict, failure, worst


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = (
        "Check, with the settings that `run` would have, whether the worker can work: the way to\n"
        "the engine and who it is there, the API and its key, the store, the clock, diagrams.\n"
        "Nothing is bought, no job is taken, and no secret is shown."
    )
    parser.epilog = """\
examples:
  openai-connector check
  openai-connector check --diagrams processes --json
  openai-connector check --secret TEAM_KEY               the key that tasks name {{secrets.TEAM_KEY}}

exit status: 0 (warnings included), 1 when something keeps the worker from its work, 2 for a wrong setting or
wrong use."""
    parser.add_argument("--json", action="store_true", help="print one JSON document, and nothing else")
    parser.add_argument(
        "--diagrams", type=_folder, metavar="FOLDER", help="also check the diagrams in a folder and below it"
    )
    parser.add_argument(
        "--secret",
        metavar="NAME",
        help="the secret whose key is checked (default: OPENAI_API_KEY, else the secret of that name)",
    )
    parser.add_argument(
        "--live",
        action="store_true",
        help="also ask OpenAI what its documentation leaves open: calls that cost money (says how much)",
    )
    parser.add_argument("--yes", action="store_true", help="with --live: go on without being asked")
    parser.add_argument(
        "--timeout", type=_seconds, default=10.0, metavar="SECONDS", help="for each step (default: 10)"
    )


def run(namespace: argparse.Namespace) -> int:
    """Check, print what was found, and return the exit status."""
    # Loggers of the parts would repeat on standard error what is said here.
    logging.getLogger("openai_connector").addHandler(logging.NullHandler())
    if namespace.live and not (namespace.yes or _is_agreed()):
        return ExitStatus.WRONG_USE
    asked = Asked(namespace.diagrams, namespace.secret, namespace.timeout, namespace.live)
    try:
        found = asyncio.run(check_everything(settings.load(), asked))
        status = ExitStatus.FAILED if worst(found) is Verdict.FAILURE else ExitStatus.ENDED
    except SettingsError as error:
        advice = "Correct the variable; `openai-connector run --help` has them all"
        found, status = [failure("settings", str(error), advice)], ExitStatus.WRONG_USE
    _show(found, as_json=namespace.json)
    return status


def _is_agreed() -> bool:
    from openai_connector.tools.check.live import PRICE  # only where it is asked

    print(f"{PRICE}\nType yes to go on: ", end="", file=sys.stderr, flush=True)
    try:
        return input().strip().lower() == "yes"
    except EOFError:
        return False


def _show(found: Sequence[Finding], *, as_json: bool) -> None:
    if as_json:
        document = {
            "version": __version__,
            "verdict": worst(found).value,
            "findings": [finding.as_json() for finding in found],
        }
        print(json.dumps(document, indent=2))  # in ASCII: what reads it need not know this console's encoding
        return
    counts = {verdict: sum(one.verdict is verdict for one in found) for verdict in Verdict}
    say(
        *(finding.as_text() for finding in found),
        ", ".join(f"{count} {verdict.value}" for verdict, count in counts.items()),
    )


def _folder(text: str) -> Path:
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {text}")
    return path


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 600:
        raise argparse.ArgumentTypeError("must be a number of seconds, above 0 and at most 600")
    return seconds
