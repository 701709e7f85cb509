"""Waiting for what the engine writes down."""

from __future__ import annotations

import asyncio
from typing import Any

from openai_connector.tools.demo import records
from openai_connector.tools.demo.records import Record

__all__ = ["Record", "Records"]

PATIENCE = 60.0
"""Seconds that anything may take on a busy machine."""


class Records(records.Records):
    """The events of one engine, to be waited for."""

    async def wait_for(
        self, value_type: str, intent: str, *, count: int = 1, timeout: float = PATIENCE, **value: Any
    ) -> list[Record]:
        """Wait for that many such events, and give all that there are then.

        Raises:
            TimeoutError: there were fewer within `timeout` seconds.
        """
        async with asyncio.timeout(timeout):
            while len(found := self.find(value_type, intent, **value)) < count:
                await asyncio.sleep(0.05)
        return found

    async def incident(
        self, process_instance_key: int, *, after: int = 0, timeout: float = PATIENCE
    ) -> Record:
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
