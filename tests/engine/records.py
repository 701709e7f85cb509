"""What the engine wrote down: its records, read from the log of the debug exporter (`RECORDS_EXPORTER`).

Incidents and their messages are not to be had by gRPC; this is the way to see them without Elasticsearch.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

RECORDS_EXPORTER = {
    "ZEEBE_BROKER_EXPORTERS_RECORDS_CLASSNAME": "io.camunda.zeebe.broker.exporter.debug.DebugLogExporter",
    "ZEEBE_BROKER_EXPORTERS_RECORDS_ARGS_LOGLEVEL": "INFO",
    "ZEEBE_BROKER_EXPORTERS_RECORDS_ARGS_PRETTYPRINT": "false",
}
"""Environment for `Engine` that makes it write its records to its log."""
MARK = ".records - {"

Record = dict[str, Any]
"""`valueType`, `intent`, `key`, `timestamp` (epoch ms) and `value`, as the engine has them."""


class Records:
    """The records of one engine, in the order in which it wrote them."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._read_up_to = 0
        self._records: dict[int, Record] = {}  # by position: a restarted engine exports some of them again

    def find(self, value_type: str, intent: str | None = None, **value: Any) -> list[Record]:
        """Give the records so far of one type (`JOB`, `INCIDENT`, `PROCESS_INSTANCE`, ...) whose value matches."""
        self._read()
        return [
            record
            for record in self._records.values()
            if record["valueType"] == value_type
            and record["recordType"] == "EVENT"
            and intent in (None, record["intent"])
            and all(record["value"].get(name) == wanted for name, wanted in value.items())
        ]

    async def wait_for(self, value_type: str, intent: str, *, timeout: float = 20.0, **value: Any) -> Record:
        """Wait for the first such record.

        Raises:
            TimeoutError: there was none within `timeout` seconds.
        """
        async with asyncio.timeout(timeout):
            while True:
                for record in self.find(value_type, intent, **value):
                    return record
                await asyncio.sleep(0.05)

    async def incident(self, process_instance_key: int, *, after: int = 0, timeout: float = 20.0) -> Record:
        """Wait for an incident of a process instance; `value.errorMessage` says why, `key` resolves it.

        Args:
            process_instance_key: of the instance.
            after: key of an earlier incident that is not meant.
            timeout: in seconds.
        """
        async with asyncio.timeout(timeout):
            while True:
                for record in self.find("INCIDENT", "CREATED", processInstanceKey=process_instance_key):
                    if record["key"] > after:
                        return record
                await asyncio.sleep(0.05)

    def _read(self) -> None:
        with self._log.open("rb") as log:
            log.seek(self._read_up_to)
            for line in log:
                if not line.endswith(b"\n"):
                    break  # still being written
                self._read_up_to += len(line)
                _, mark, record = line.decode("utf-8", "replace").partition(MARK)
                if mark:
                    read: Record = json.loads("{" + record)
                    self._records[read["position"]] = read
