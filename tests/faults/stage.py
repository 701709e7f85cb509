"""Where runs take place: an engine, an API that keeps books, and workers on wires of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from openai_connector.tools.demo.engine import Engine
from openai_connector.tools.demo.records import Records
from tests.diagrams import process, task
from tests.engine.zeebe_client import ZeebeClient
from tests.faults.fleet import SETTINGS, Fleet
from tests.faults.ledger import OFF, Ledger
from tests.faults.schedule import Arm, Choice
from tests.faults.seller import Seller

PROCESS_ID: Final = "bought-once"
STORE: Final = "CONNECTOR_STORE"
NOTES: Final = "CONNECTOR_STORE_NOTES"
FOLDER: Final = "folder"
"""As a store: a folder of this run."""
NO_SETTINGS: Final[Mapping[str, str]] = {}


def prompt_of(number: int) -> str:
    """Return what the job of this number asks."""
    return f"Question {number}"


def number_of(prompt: str) -> int:
    """Return which job asks this."""
    return int(prompt.rsplit(" ", 1)[1])


def diagram() -> str:
    """Make a process of one chat task whose result can be checked."""
    asked = {"openai_operation": "chat", "openai_apiKey": "{{secrets.KEY}}", "openai_prompt": "=question"}
    headers = {"resultExpression": "={answer: output.text}", "retryBackoff": "PT1S"}
    return process(PROCESS_ID, task(values=asked, headers=headers))


class Stage:
    """All parts, running while the context is open.

    Args:
        home: for data and logs.
        choose: how the API answers the nth call for a job.
        workers: how many there are at once.
        store: `CONNECTOR_STORE` of the workers, or `OFF`, or `FOLDER`.
        arms: where workers kill themselves.
        settings: more environment variables of the workers.
    """

    def __init__(
        self,
        home: Path,
        choose: Callable[[int, int], Choice],
        *,
        workers: int,
        store: str = OFF,
        arms: Sequence[Arm] = (),
        settings: Mapping[str, str] = NO_SETTINGS,
    ) -> None:
        self.engine = Engine(folder=home / "engine")
        self.records = Records(self.engine.log)
        self.seller = Seller(lambda prompt, nth: choose(number_of(prompt), nth))
        stored = {} if store == OFF else {STORE: str(home / "store") if store == FOLDER else store}
        if "://" in store:
            stored[NOTES] = str(home)
        self.fleet = Fleet(
            home,
            workers,
            self._engine_place,
            lambda: self.seller.place,
            arms,
            {**SETTINGS, **stored, **settings},
        )
        self.created: dict[int, str] = {}
        """The instances that the engine has acknowledged, each with its prompt."""
        self.turn = asyncio.Lock()
        """Held by who commands the engine, and by who kills it: no command's fate is left open."""
        self.zeebe: ZeebeClient
        self._stack = AsyncExitStack()

    def _engine_place(self) -> tuple[str, int]:
        host, _, port = self.engine.address.rpartition(":")
        return host, int(port)

    async def begin(self, number: int) -> int:
        """Start the instance of one job, and return its key."""
        async with self.turn:
            key = await self.zeebe.create_instance(PROCESS_ID, {"question": prompt_of(number)})
        self.created[key] = prompt_of(number)
        return key

    def done(self) -> int:
        """Count the instances that have ended."""
        return len(self.records.find("PROCESS_INSTANCE", "ELEMENT_COMPLETED", bpmnElementType="PROCESS"))

    async def until(self, is_so: Callable[[], Any], *, seconds: float = 600) -> None:
        """Wait until something holds.

        Raises:
            TimeoutError: it did not within this time.
        """
        async with asyncio.timeout(seconds):
            while not is_so():
                await asyncio.sleep(0.1)

    def close_books(self, ledger: Ledger) -> None:
        """Count what the engine, the API and the workers' logs say."""
        ledger.count_engine(self.records, self.created)
        ledger.count_purchases(self.seller.calls, self.fleet.lives)
        ledger.count_ends(self.fleet.lives)
        ledger.count_failures_of_the_store(self.fleet.lives)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await asyncio.to_thread(self.engine.start)
            stack.push_async_callback(asyncio.to_thread, self.engine.stop)
            await stack.enter_async_context(self.seller)
            self.zeebe = await stack.enter_async_context(ZeebeClient(self.engine.address))
            await self.zeebe.deploy(diagram())
            await stack.enter_async_context(self.fleet)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()
