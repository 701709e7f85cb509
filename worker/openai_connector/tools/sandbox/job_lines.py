"""One line for each attempt at a job, and for each incident that no job has caused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local_engine.records import Record

_VERBS = {
    "COMPLETED": "completed",
    "FAILED": "failed",
    "ERROR_THROWN": "BPMN error",
    "TIMED_OUT": "timed out",
    "CANCELED": "canceled",
}
_LAST = ("COMPLETED", "CANCELED")


class JobLines:
    """Writes the lines; it is called with each record of the engine."""

    def __init__(self, say: Callable[[str, str], None]) -> None:
        """Write by `say`, which takes a line and its style (empty: none)."""
        self._say = say
        self._since: dict[int, int] = {}

    def __call__(self, record: Record) -> None:
        """Write the line of a record that has one."""
        if record["valueType"] == "JOB":
            self._job(record)
        elif (
            record["valueType"] == "INCIDENT"
            and record["intent"] == "CREATED"
            and record["value"]["jobKey"] < 0
        ):
            value = record["value"]
            self._line(record, f"incident {value['errorType']}: {value['errorMessage']}", "red")

    def _job(self, record: Record) -> None:
        value, intent, key = record["value"], record["intent"], record["key"]
        if intent == "CREATED":
            self._since[key] = record["timestamp"]
            return
        verb = _VERBS.get(intent)
        if verb is None or (intent == "FAILED" and not value["errorMessage"] and value["retries"]):
            return  # a worker that ends has given back the latter: nothing has failed
        since = self._since.pop(key, None)
        if intent not in _LAST:
            self._since[key] = record["timestamp"]
        took = f" after {(record['timestamp'] - since) / 1000:.2f} s" if since is not None else ""
        style, message = "", ""
        if intent == "FAILED":
            verb, style = f"{verb} ({_left(value['retries'])})", "yellow" if value["retries"] else "red"
        elif intent == "ERROR_THROWN":
            verb += f" {value['errorCode']}"
        if intent in ("FAILED", "ERROR_THROWN") and (text := " ".join(value["errorMessage"].split())):
            message = f": {text}"
        self._line(record, f"{value['type']}  {verb}{took}{message}", style)

    def _line(self, record: Record, text: str, style: str) -> None:
        moment = datetime.fromtimestamp(record["timestamp"] / 1000).astimezone()
        value = record["value"]
        self._say(f"{moment:%H:%M:%S}  {value['bpmnProcessId']}/{value['elementId']}  {text}", style)


def _left(retries: int) -> str:
    if not retries:
        return "incident"
    return f"{retries} {'retry' if retries == 1 else 'retries'} left"
