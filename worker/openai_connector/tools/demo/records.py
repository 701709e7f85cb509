"""What an engine wrote down: its records, read from its log, in the form of Zeebe's debug exporter.

gRPC has no way to read jobs and incidents; this shows them without Operate and Elasticsearch. For engines
that write their records: ours does (`Engine(records=True)`), the real one with that exporter.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MARK = b".records - {"

Record = dict[str, Any]
"""`valueType`, `intent`, `key`, `timestamp` (epoch ms) and `value`, as the engine has them."""


class Records:
    """The events of one engine, in the order in which it wrote them."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._read_up_to = 0
        self._events: dict[int, Record] = {}  # by position: a restarted engine exports some of them again

    def find(self, value_type: str, intent: str | None = None, **value: Any) -> list[Record]:
        """Return the events of one type (`JOB`, `INCIDENT`, `PROCESS_INSTANCE`, ...) whose value matches."""
        self._read()
        return [
            event
            for event in self._events.values()
            if event["valueType"] == value_type
            and intent in (None, event["intent"])
            and all(event["value"].get(name) == wanted for name, wanted in value.items())
        ]

    def _read(self) -> None:
        with self._log.open("rb") as log:
            log.seek(self._read_up_to)
            for line in log:
                if not line.endswith(b"\n"):
                    break  # still being written
                self._read_up_to += len(line)
                _, mark, rest = line.partition(MARK)
                if mark:
                    try:
                        record: Record = json.loads(b"{" + rest)
                    except ValueError:
                        continue  # cut off when the engine was killed: it is written again after the restart
                    if record["recordType"] == "EVENT":
                        self._events[record["position"]] = record
