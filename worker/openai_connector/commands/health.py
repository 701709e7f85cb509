"""`openai-connector health`: whether the worker on this machine is well; for a container's health check."""

from __future__ import annotations

import argparse
import contextlib
import http.client

from openai_connector import wording
from openai_connector.commands.console import say
from openai_connector.contract import ExitStatus

_PROBES = ("ready", "live", "startup")
_EVERYWHERE = {"*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}
PATIENCE = 5.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = """\
examples:
  openai-connector health            whether it takes jobs
  openai-connector health live       whether it runs

CONNECTOR_HTTP_HOST and CONNECTOR_HTTP_PORT say where it is asked.
exit status: 0 if it is, 1 if it is not or does not answer, 2 for a wrong setting."""
    parser.add_argument("probe", nargs="?", choices=_PROBES, default="ready", help="what to ask for [ready]")


def run(arguments: argparse.Namespace) -> int:
    """Ask the worker and return the exit status."""
    from openai_connector import settings

    try:
        loaded = settings.load()
    except settings.SettingsError as error:
        say(f"openai-connector: {error}")
        return ExitStatus.WRONG_USE
    if loaded.http_port is None:
        say(wording.STATUS_IS_OFF())
        return ExitStatus.WRONG_USE
    if loaded.http_port == 0:
        say(wording.STATUS_ANY_PORT())
        return ExitStatus.WRONG_USE
    host = _EVERYWHERE.get(loaded.http_host, loaded.http_host)
    try:
        status, content = _asked(host, loaded.http_port, f"/health/{arguments.probe}")
    except (OSError, UnicodeError, http.client.HTTPException) as error:
        from openai_connector.status.names import reason_of  # only for this: it is asked every few seconds

        url = f"http://{host}:{loaded.http_port}"
        say(wording.STATUS_NO_ANSWER(url=url, reason=reason_of(error)))
        return ExitStatus.FAILED
    say(content.decode("utf-8", "replace"))
    return ExitStatus.ENDED if status == http.client.OK else ExitStatus.FAILED


def _asked(host: str, port: int, path: str) -> tuple[int, bytes]:
    with contextlib.closing(http.client.HTTPConnection(host, port, timeout=PATIENCE)) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read(10_000)
