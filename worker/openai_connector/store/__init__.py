"""What must outlive the worker's process: which calls have begun, their answers, and what is owed.

The engine cannot keep an answer before it is told of it. The store does: a call's *intent* is written just
before the request is sent, the *answer* before the engine is told, and what the engine has not acknowledged
is *owed*. All of a job goes when the engine has acknowledged it.

This module imports no database: a worker without a store pays nothing for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Protocol

from openai_connector import wording
from openai_connector.store.charges import Charge, Entry, LocalCharges, Open, Over

__all__ = [
    "Change",
    "Charge",
    "Claim",
    "Entry",
    "Met",
    "News",
    "NoStore",
    "Over",
    "Owed",
    "Store",
    "StoreError",
    "StoreOptions",
    "check_location",
    "file_of",
    "open_store",
]

POSTGRES: Final = ("postgresql://", "postgres://")
SQLITE: Final = "sqlite:///"
FILE_NAME: Final = "store.sqlite3"
"""The file in the folder that `CONNECTOR_STORE` names."""


class StoreError(Exception):
    """The store could not do it; the message says why and what to do, without any value.

    The caller goes on without the store.
    """


class Met(Enum):
    """What a store may meet."""

    LOST = "lost"
    """It does not work."""
    FOUND = "found"
    """It works."""
    FULL = "full"
    """It takes no more answers; all else works."""
    ROOM = "room"
    """It takes answers again."""
    DAMAGED = "damaged"
    """Its file was damaged and is moved aside; a new one is begun."""
    UNREADABLE = "unreadable"
    """What is stored of a job cannot be read."""
    PURGED = "purged"
    """Answers were too old and are removed."""


@dataclass(frozen=True, slots=True)
class News:
    """What a store has met, to be told once until it is well again."""

    met: Met
    what: str = ""
    """Why, in one sentence without values; of a damaged file its new name."""
    count: int = 0
    """Answers that could not be stored, or are removed; jobs whose entry cannot be read."""
    seconds: float = 0.0
    """For how long it was lost."""
    job_key: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """What the store knows of a call that is about to be made."""

    answer: Mapping[str, Any] | None = field(default=None, repr=False)
    """The answer that is stored: there is nothing to buy."""
    is_busy: bool = False
    """Somebody who lives is in mid-call: do not call, come back later."""
    was_lost: bool = False
    """The intent of somebody who is gone was taken over: that call may have been paid for and lost."""
    attempts: int = 0
    """How often this call was begun before and never ended: a job that kills its worker counts up."""
    over: Over | None = None
    """The budget that the call does not fit into: nothing is held then."""
    spent: Mapping[str, Decimal] = field(default_factory=dict)
    """What is spent and reserved now of the charge's budgets."""

    @property
    def is_ours(self) -> bool:
        """The intent is held by this worker, until `keep` or `release`."""
        return self.answer is None and not self.is_busy and self.over is None


@dataclass(frozen=True, slots=True)
class Owed:
    """A completion that the engine has not acknowledged."""

    job_key: int
    variables_json: str = field(repr=False)


Change = Callable[[Mapping[str, Any] | None], Mapping[str, Any]]
"""From a shared value to the next one; may be called again where others were faster."""


class Store(Protocol):
    """What the worker needs of a store; every method raises `StoreError` and nothing else."""

    @property
    def is_healthy(self) -> bool:
        """Whether the store works; it tries again by itself."""

    @property
    def is_full(self) -> bool:
        """Whether the store takes no more answers for now."""

    @property
    def is_shared(self) -> bool:
        """Whether workers on other machines have the same store."""

    async def start(self) -> None:
        """Open the store, and look after it from now on: also where this raises."""

    async def aclose(self) -> None:
        """Write what is still to be written, and close; raises nothing."""

    async def claim(self, job_key: int, fingerprint: str, charge: Charge | None = None) -> Claim:
        """Hold the intent of a call, unless it is answered or somebody else is in mid-call.

        What it may cost is reserved with it, until an entry says what became of the charge.
        """

    async def confirm(self, job_key: int, fingerprint: str, charge: Charge | None = None) -> Claim:
        """Return what holds of a claim just before it is used.

        This process may have stood still since, and others have thought it dead.
        """

    async def keep(
        self, job_key: int, fingerprint: str, answer: Mapping[str, Any], entry: Entry | None = None
    ) -> None:
        """Keep an answer: it is safe when this returns. The intent is over."""

    async def release(self, job_key: int, fingerprint: str, entry: Entry | None = None) -> None:
        """Give the intent back: the call has ended without an answer."""

    async def enter(self, job_key: int, entry: Entry) -> Claim:
        """Note what a call may cost, or did, for which there is no intent."""

    async def owe(self, job_key: int, variables_json: str) -> None:
        """Remember a completion until `forget`."""

    async def forget(self, job_key: int) -> None:
        """Remove everything of a job: the engine has acknowledged it, or knows it no more."""

    async def owed(self) -> list[Owed]:
        """Take over what workers that are gone still owe.

        Each completion is handed to one worker. To be asked for at the start and now and then, as others may
        die later; a long list comes in parts.
        """

    async def shared(self, name: str) -> Mapping[str, Any] | None:
        """Return a value that all workers of this store share."""

    async def update(self, name: str, change: Change) -> Mapping[str, Any]:
        """Change a shared value, one worker at a time, and return it. `change` runs in another thread."""

    async def budgets(self, keys: Sequence[str]) -> Mapping[str, Decimal]:
        """Return what is spent and reserved of budgets, by their keys."""


class NoStore:
    """Nothing is stored; what calls cost is kept in mind for their budgets, as long as the process lives."""

    is_healthy = True
    is_full = False
    is_shared = False

    def __init__(self) -> None:
        self._charges = LocalCharges()

    async def start(self) -> None:
        """Do nothing."""

    async def aclose(self) -> None:
        """Do nothing."""

    async def claim(self, job_key: int, fingerprint: str, charge: Charge | None = None) -> Claim:
        """Return that the call may be made, where its budgets allow it."""
        if charge is None or not charge.budgets:
            return _FREE
        return self.reserve(charge, {})

    def reserve(self, charge: Charge, known: Mapping[str, Decimal]) -> Claim:
        """Reserve what a call may cost; `known` is what is spent elsewhere."""
        over = self._charges.reserve(charge, known)
        return Claim(over=over, spent={limit.key: self._charges.spent[limit.key] for limit in charge.budgets})

    def forget_ended(self, keys: Iterable[str]) -> None:
        """Count calls that have ended on these budgets no more: they count elsewhere."""
        self._charges.forget_ended(keys)

    async def confirm(self, job_key: int, fingerprint: str, charge: Charge | None = None) -> Claim:
        """Return that the call may be made."""
        return _FREE

    async def keep(
        self, job_key: int, fingerprint: str, answer: Mapping[str, Any], entry: Entry | None = None
    ) -> None:
        """Keep nothing of the answer."""
        self.note(entry)

    async def release(self, job_key: int, fingerprint: str, entry: Entry | None = None) -> None:
        """Release what was reserved."""
        self.note(entry)

    def note(self, entry: Entry | None) -> None:
        """Note what became of a charge."""
        if entry is not None:
            self._charges.enter(entry)

    async def enter(self, job_key: int, entry: Entry) -> Claim:
        """Note what a call may cost, or did."""
        if isinstance(entry, Open):
            return await self.claim(job_key, "", entry.charge)
        self.note(entry)
        return _FREE

    async def owe(self, job_key: int, variables_json: str) -> None:
        """Remember nothing."""

    async def forget(self, job_key: int) -> None:
        """Do nothing."""

    async def owed(self) -> list[Owed]:
        """Return nothing."""
        return []

    async def shared(self, name: str) -> Mapping[str, Any] | None:
        """Return nothing."""
        return None

    async def update(self, name: str, change: Change) -> Mapping[str, Any]:
        """Return what the change makes of nothing."""
        return change(None)

    async def budgets(self, keys: Sequence[str]) -> Mapping[str, Decimal]:
        """Return what this process has spent and reserved."""
        return {key: self._charges.spent[key] for key in keys if key in self._charges.spent}


_FREE: Final = Claim()


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """How a store keeps what it keeps."""

    keys: Sequence[bytes] = field(default=(), repr=False)
    """Keys of 32 bytes: the first encrypts, all decrypt. None: answers are stored as they are."""
    retention: timedelta = timedelta(days=7)
    """After which anything goes, acknowledged or not."""
    max_bytes: int = 1024 * 1024 * 1024
    """Beyond which no further answers are stored."""
    notes: Path | None = None
    """A folder for answers on their way to a database elsewhere; None: they are not noted."""
    fresh_for: timedelta = timedelta(seconds=20)
    """How long a worker that gives no sign of life is thought to live."""
    patience: timedelta = timedelta(seconds=10)
    """How long to wait for the store in any one step."""
    tell: Callable[[News], None] = lambda _news: None
    """Is told what the store meets, in the event loop."""


def open_store(location: str | None, options: StoreOptions | None = None) -> Store:
    """Return the store at a location, not yet started: a folder, `sqlite:///file` or `postgresql://...`."""
    if not location:
        return NoStore()
    from openai_connector.store.durable import DurableStore  # only where there is one

    return DurableStore(location, options or StoreOptions())


def check_location(location: str, *, is_encrypted: bool) -> None:
    """Check what can be checked of a location without touching it.

    Raises:
        ValueError: one sentence, which does not show the location.
    """
    if "://" in location and not location.startswith((*POSTGRES, SQLITE)):
        raise ValueError(wording.STORE_LOCATION())
    if location.startswith(SQLITE) and not location.removeprefix(SQLITE).strip("/."):
        raise ValueError(wording.STORE_LOCATION())
    if location.startswith(POSTGRES) and not find_spec("psycopg"):
        raise ValueError(wording.STORE_NO_DRIVER())
    if is_encrypted and not find_spec("cryptography"):
        raise ValueError(wording.STORE_NO_CIPHER())


def file_of(location: str) -> Path | None:
    """Return the file of a store on this machine; None: it is a database elsewhere."""
    if location.startswith(POSTGRES):
        return None
    if location.startswith(SQLITE):
        return Path(location.removeprefix(SQLITE)).expanduser()
    return Path(location).expanduser() / FILE_NAME
