"""`openai-connector run`: work on jobs until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import sys
from typing import NoReturn

from openai_connector.contract import ExitStatus

COLLECT_EACH = 10_000
"""Objects, more made than freed, after which the garbage collector looks for cycles among the young."""
_EXAMPLES = """\
examples:
  openai-connector run
  ZEEBE_ADDRESS=zeebe:26500 SECRET_OPENAI_API_KEY="$(cat key.txt)" openai-connector run

exit status: 0 after a signal and a drain, 1 after a bug, 2 for a wrong setting, 130 after a second signal."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments: it has none, but its help shows the settings."""
    parser.epilog = _EXAMPLES
    if any(argument in ("-h", "--help") for argument in sys.argv):
        from openai_connector.settings import as_text

        parser.epilog += (
            "\n\nSettings are environment variables. Durations are ISO 8601 (PT30S, PT5M) or plain seconds."
            "\n\n" + as_text()
        )


def run(_: argparse.Namespace) -> int:
    """Work on jobs and return the exit status."""
    import asyncio
    import gc
    import signal

    # Before the imports below, which take a second: the first process of a container has no default action
    # for SIGTERM. A signal during the imports would be lost, and the worker would go on until it is killed.
    signal.signal(signal.SIGTERM, _end)

    from openai_connector import service, settings
    from openai_connector.observe.logs import configure

    try:
        loaded = settings.load()
        configure(loaded.log_level, loaded.log_format)
        # What is loaded by now stays: no collection looks at it again. A job's objects go without one, so
        # that there is little to find: to look after every 700 objects took 7 % of a job's CPU.
        gc.freeze()
        gc.set_threshold(COLLECT_EACH, *gc.get_threshold()[1:])
        asyncio.run(service.run(loaded))
    except settings.SettingsError as error:
        print(f"openai-connector: {error}", file=sys.stderr)
        return ExitStatus.WRONG_USE
    except asyncio.CancelledError:
        return ExitStatus.INTERRUPTED
    return ExitStatus.ENDED


def _end(_number: int, _frame: object) -> NoReturn:
    """End the program for a SIGTERM before any job is taken; later, `service.run` drains."""
    sys.exit(ExitStatus.ENDED)
