"""Answers on their way into the file: what a killed worker had in its hands is not lost, and nothing stays."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import stat
import threading
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openai_connector.store import StoreError
from openai_connector.store.durable import DurableStore
from openai_connector.store.handover import SLOT, Handover, Note, Noted, is_small
from openai_connector.store.sqlite import SqliteTables
from openai_connector.store.tables import Call
from tests.unit.store.stores import CALL, FRESH_FOR, JOB, KEPT, Clock, Opener, until

pytestmark = pytest.mark.skipif(os.name != "posix", reason="notes need locks of files")
SECRET = "a very personal answer"


class StuckTables(SqliteTables):
    """A file that is not written while the test holds it."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        super().__init__(folder / "store.sqlite3", clock=clock)
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None

    def transaction(self) -> AbstractContextManager[object]:
        """Wait, then begin or fail."""
        self.gate.wait(30)
        if self.error is not None:
            raise self.error
        return super().transaction()


def notes_in(folder: Path) -> list[Path]:
    """Return the files of notes."""
    return list(folder.glob("*.notes"))


def is_there(folder: Path, text: str) -> bool:
    """Look for a text in all notes."""
    return any(text.encode() in file.read_bytes() for file in notes_in(folder))


async def in_mid_write(opened: Opener, tables: StuckTables, folder: Path) -> tuple[DurableStore, Any]:
    """Return a store, and its `keep` that is not done yet."""
    store = await opened(str(folder), tables)
    await store.claim(JOB, CALL)
    tables.gate.clear()
    keeping = asyncio.ensure_future(store.keep(JOB, CALL, KEPT))
    await until(lambda: notes_in(folder))
    return store, keeping


class TestInMidWrite:
    """A worker whose answer is not in the database yet."""

    async def test_frozen_its_answer_is_there_for_others(
        self, opened: Opener, tmp_path: Path, clock: Clock
    ) -> None:
        """While it lives it is waited for; once it gives no sign of life its answer is used, not bought."""
        tables = StuckTables(tmp_path, clock)
        one, keeping = await in_mid_write(opened, tables, tmp_path)
        two = await opened(str(tmp_path))
        assert (await two.claim(JOB, CALL)).is_busy
        clock.move(FRESH_FOR.total_seconds() + 1)
        claim = await two.claim(JOB, CALL)
        assert (claim.answer, claim.was_lost, claim.attempts) == (KEPT, False, 0)
        tables.gate.set()
        await keeping
        assert (await one.claim(JOB, CALL)).answer == KEPT

    async def test_gone_its_answer_is_moved_into_the_database(
        self, opened: Opener, tmp_path: Path, clock: Clock
    ) -> None:
        """The next worker's first sign of life does it; the notes are removed."""
        tables = StuckTables(tmp_path, clock)
        one, keeping = await in_mid_write(opened, tables, tmp_path)
        (notes,) = notes_in(tmp_path)
        shutil.copy(notes, tmp_path / "copy")  # nobody holds the copy: as after a kill
        tables.error = StoreError("killed")
        tables.gate.set()
        with pytest.raises(StoreError):
            await keeping
        await one.aclose()
        (tmp_path / "copy").rename(notes)
        two = await opened(str(tmp_path))
        assert notes_in(tmp_path) == []
        assert (await two.claim(JOB, CALL)).answer == KEPT

    async def test_what_others_have_done_meanwhile_counts(
        self, opened: Opener, tmp_path: Path, clock: Clock
    ) -> None:
        """Notes of a job that was forgotten, or whose call another worker makes now, bring nothing back."""
        tables = StuckTables(tmp_path, clock)
        _, keeping = await in_mid_write(opened, tables, tmp_path)
        (notes,) = notes_in(tmp_path)
        shutil.copy(notes, tmp_path / "copy")
        tables.gate.set()
        await keeping
        two = await opened(str(tmp_path))
        await two.forget(JOB)
        (tmp_path / "copy").rename(tmp_path / "store.sqlite3-gone.notes")
        three = await opened(str(tmp_path))
        assert [file for file in notes_in(tmp_path) if "gone" in file.name] == []
        assert (await three.claim(JOB, CALL)).is_ours


class TestNothingStays:
    """Answers are personal data."""

    async def test_a_written_answer_is_in_no_note(self, opened: Opener, tmp_path: Path) -> None:
        """Its note is overwritten when the database has it; at the end the file goes."""
        store = await opened(str(tmp_path))
        await asyncio.gather(*(store.keep(key, CALL, {"body": SECRET * key}) for key in range(1, 50)))
        (notes,) = notes_in(tmp_path)
        assert stat.S_IMODE(notes.stat().st_mode) == 0o600
        assert notes.stat().st_size > 0
        assert not is_there(tmp_path, SECRET)
        await store.aclose()
        assert notes_in(tmp_path) == []

    async def test_a_store_that_fails_leaves_no_notes(
        self, opened: Opener, tmp_path: Path, clock: Clock
    ) -> None:
        """Whoever asked goes on without; when the store is back there are notes again."""
        tables = StuckTables(tmp_path, clock)
        store, keeping = await in_mid_write(opened, tables, tmp_path)
        tables.error = OSError("disk")
        tables.gate.set()
        with pytest.raises(StoreError):
            await keeping
        assert notes_in(tmp_path) == []
        tables.error = None
        await until(lambda: store.is_healthy)
        await store.keep(JOB, CALL, KEPT)
        assert len(notes_in(tmp_path)) == 1

    async def test_encrypted_nothing_can_be_read(self, opened: Opener, tmp_path: Path, clock: Clock) -> None:
        """A note is sealed as the database's entry is."""
        tables = StuckTables(tmp_path, clock)
        store = await opened(str(tmp_path), tables, keys=[b"k" * 32])
        tables.gate.clear()
        keeping = asyncio.ensure_future(store.keep(JOB, CALL, {"body": SECRET}))
        await until(lambda: notes_in(tmp_path) and notes_in(tmp_path)[0].stat().st_size)
        assert not is_there(tmp_path, SECRET)
        tables.gate.set()
        await keeping


CALLS = st.tuples(st.integers(1, 2**63 - 1), st.text("0123456789abcdef", min_size=1, max_size=64))
STEPS = st.lists(
    st.one_of(st.tuples(CALLS, st.binary(min_size=1, max_size=300)), st.integers(0, 5)), max_size=30
)


class TestNotes:
    """The file of notes."""

    @settings(deadline=None)
    @given(steps=STEPS)
    def test_what_is_not_cleared_is_found(self, steps: list[Any], tmp_path_factory: Any) -> None:
        """In whatever order answers come and go, exactly those under way are there."""
        file = tmp_path_factory.mktemp("notes") / "store.sqlite3"
        own, other = Handover(file, "one"), Handover(file, "two")
        noted: dict[Call, tuple[Note | None, bytes]] = {}
        for step in steps:
            if isinstance(step, int):
                if noted:
                    own.clear(noted.pop(list(noted)[step % len(noted)])[0])
            elif step[0] not in noted:
                noted[step[0]] = own.put(*step), step[1]
        for call, (note, data) in noted.items():
            assert note is not None
            assert other.find("one", call) == data
        assert dict(other.abandoned()) == {}  # its owner lives
        own.close()
        assert not any(other.find("one", call) for call in noted)

    @pytest.mark.parametrize("length", [0, 1, 20, 40, 100, 150], ids=lambda length: f"{length} bytes")
    def test_a_torn_note_is_none(self, tmp_path: Path, length: int) -> None:
        """Killed in the middle of a note: the ones before it are whole."""
        file = tmp_path / "store.sqlite3"
        own = Handover(file, "one")
        own.put((1, CALL), b"first" * 20)
        own.put((2, CALL), b"second" * 20)
        torn = tmp_path / "store.sqlite3-gone.notes"
        torn.write_bytes(notes_in(tmp_path)[0].read_bytes()[: SLOT + length])
        own.close()
        assert dict(Handover(file, "two").abandoned()) == {"gone": {(1, CALL): Noted(b"first" * 20, "")}}

    def test_what_a_call_did_cost_is_noted_with_its_answer(self, tmp_path: Path) -> None:
        """Both are read by others; notes without it are read as they were."""
        file = tmp_path / "store.sqlite3"
        own = Handover(file, "one")
        own.put((1, CALL), b"answer", "what it did cost")
        own.put((2, CALL), b"answer")
        (tmp_path / "store.sqlite3-gone.notes").write_bytes(notes_in(tmp_path)[0].read_bytes())
        noted = dict(Handover(file, "two").abandoned())["gone"]
        assert noted == {(1, CALL): (b"answer", "what it did cost"), (2, CALL): (b"answer", "")}

    def test_nobody_sees_a_file_that_is_not_locked_yet(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Others look into the folder all the time, and must not come in between its making and its lock."""
        file, lock = tmp_path / "store.sqlite3", fcntl.flock
        seen: list[Path] = []

        def locked(descriptor: Any, operation: int) -> None:
            if operation & fcntl.LOCK_EX:
                seen.extend(notes_in(tmp_path))
            lock(descriptor, operation)

        monkeypatch.setattr(fcntl, "flock", locked)
        assert Handover(file, "one").put((1, CALL), b"x") is not None
        assert seen == []
        assert len(notes_in(tmp_path)) == 1

    def test_a_note_of_an_earlier_file_clears_nothing(self, tmp_path: Path) -> None:
        """Between the two the store had failed."""
        own, other = Handover(tmp_path / "s", "one"), Handover(tmp_path / "s", "two")
        early = own.put((1, CALL), b"early")
        own.close()
        own.put((2, CALL), b"late")
        own.clear(early)
        assert other.find("one", (2, CALL)) == b"late"

    def test_what_is_too_long_is_not_noted(self, tmp_path: Path) -> None:
        """It is safe when its transaction is done, as ever."""
        own = Handover(tmp_path / "s", "one")
        assert own.put((1, CALL), bytes(SLOT)) is None
        assert own.put((1, CALL), bytes(SLOT - 200)) is not None

    def test_without_a_file_or_a_folder_nothing_is_noted(self, tmp_path: Path) -> None:
        """PostgreSQL has no file; a folder may be gone."""
        for nowhere in (Handover(None, "one"), Handover(tmp_path / "gone" / "s", "one")):
            assert nowhere.put((1, CALL), b"x") is None
            assert nowhere.find("two", (1, CALL)) is None
            assert list(nowhere.abandoned()) == []
            nowhere.remove("two")
            nowhere.close()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(KEPT, True, id="an answer"),
        pytest.param({"body": "x" * (SLOT + 1)}, False, id="a long text"),
        pytest.param({"body": ["x"] * 10_000}, False, id="many items"),
        pytest.param({"body": [["x"] * 60 for _ in range(100)]}, False, id="many items in many lists"),
        pytest.param({"body": {str(n): n for n in range(10_000)}}, False, id="many members"),
        pytest.param({"body": None}, True, id="nothing"),
    ],
)
def test_only_what_is_encoded_in_a_moment_is_noted(answer: dict[str, Any], expected: bool) -> None:
    """The event loop makes the note: long answers are the thread's alone."""
    assert is_small(answer) is expected
