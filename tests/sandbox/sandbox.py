"""A real engine with what the page knows of it, in this process: no port of the page, no browser."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from local_engine.documents import read_document
from local_engine.engine import Engine
from local_engine.server import LocalEngine
from openai_connector.tools.sandbox.history import History
from openai_connector.tools.sandbox.history_file import FILE_NAME
from openai_connector.tools.sandbox.inspection import Inspection
from openai_connector.tools.sandbox.past import Past
from openai_connector.tools.sandbox.view import Filter

Result = TypeVar("Result")


class Sandbox:
    """An engine, its history, and the view of both."""

    def __init__(self, engine: LocalEngine, history: History) -> None:
        self.server = engine
        self.history = history
        self.view = Inspection(engine, history)

    async def do(self, command: Callable[[Engine], Result]) -> Result:
        """Run a command of the engine, and wait until it is on the disk."""
        result = await self.server.runner.execute(command)
        await self.settled()
        return result

    async def settled(self) -> None:
        """Wait until the engine has nothing to do any more."""
        while not await self.server.runner.execute(lambda engine: engine.run()):
            pass

    async def deploy(self, *diagrams: bytes) -> int:
        """Deploy diagrams, and return the key of the first process."""
        files = [(f"{number}.bpmn", content) for number, content in enumerate(diagrams)]
        return (await self.do(lambda engine: engine.deployments.deploy(files)))[0].key

    async def start(self, process: int, **variables: Any) -> int:
        """Start an instance and return its key."""
        document = read_document(json.dumps(variables))
        instance = await self.do(lambda engine: engine.creation.create(engine.processes[process], document))
        return instance.key

    async def take(self, type: str) -> int:
        """Activate a job of a type and return its key."""
        [(job, _)] = await self.do(lambda engine: engine.jobs.activate(type, "worker", 60_000, 1))
        return job.key

    async def complete(self, type: str, **variables: Any) -> None:
        """Do the next job of a type."""
        key, document = await self.take(type), read_document(json.dumps(variables))
        await self.do(lambda engine: engine.jobs.complete(key, document))

    async def fail(self, type: str, message: str = "It failed.") -> None:
        """Fail the next job of a type for good."""
        key = await self.take(type)
        await self.do(lambda engine: engine.jobs.fail(key, 0, message, 0, {}))

    def past(self, key: int) -> Past:
        """Return what the history knows of an instance."""
        past = self.history.get(key)
        assert past is not None
        return past

    def listed(self, **wanted: Any) -> list[str]:
        """Return the keys of the instances that the page lists."""
        return [each["key"] for each in self.view.overview(Filter(**wanted))["instances"]]


@asynccontextmanager
async def sandbox(
    data: Path | None = None, *, most: int = 1000, history: bool = True
) -> AsyncIterator[Sandbox]:
    """Run an engine with a history, both kept in a folder if there is one.

    Args:
        data: the folder.
        most: instances that the history keeps.
        history: whether it follows the engine; without, it stays empty.
    """
    async with LocalEngine(data) as engine:
        kept = History(data / FILE_NAME if data is not None and history else None, most=most)
        if history:
            await kept.follow(engine)
        try:
            yield Sandbox(engine, kept)
        finally:
            kept.close()
