"""Waiting for what the engine writes down."""

from __future__ import annotations

import asyncio
from typing import Any

from openai_connector.demo import records
from openai_connector.demo.records import RECORDS_EXPORTER, Record

__all__ = ["RECORDS_EXPORTER", "Record", "Records"]


class Records(records.Records):
    """The events of one engine, to be waited for."""

    async def wait_for(self, value_type: str, intent: str, *, timeout: float = 20.0, **value: Any) -> Record:
        """Wait for the first such event.

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
