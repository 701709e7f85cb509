"""The data folder: what cannot be used is said in a sentence, and nothing in it is overwritten."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from local_engine.engine import Engine
from local_engine.errors import EngineError, Rejection
from local_engine.storage import FILE_NAME, Changes, Storage
from tests.local_engine.bpmn import END, START, chain, definitions, job, process
from tests.local_engine.conftest import Disk
from tests.local_engine.world import World

PROCESS = definitions(process("p", START, job("a"), END, chain("start", "a", "end")))


def filled(folder: Path) -> Path:
    """Write data of an engine with some instances, and return the file."""
    world = World(folder)
    world.deploy(PROCESS)
    for number in range(50):
        world.start(number=number, text="x" * 1000)
    world.storage.close()
    return folder / FILE_NAME


def foreign(folder: Path) -> None:
    """Write a data base of somebody else."""
    database = sqlite3.connect(folder / FILE_NAME)
    database.execute("CREATE TABLE other(x)")
    database.commit()
    database.close()


def no_database(folder: Path) -> None:
    """Write a text."""
    (folder / FILE_NAME).write_text("This is a text, and longer than the head of a data base. " * 50)


def damaged(folder: Path) -> None:
    """Overwrite the middle of the file."""
    path = filled(folder)
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)


def truncated(folder: Path) -> None:
    """Cut the file off."""
    path = filled(folder)
    path.write_bytes(path.read_bytes()[: 3 * 4096 + 100])


def of_another_version(folder: Path) -> None:
    """Write another number of the schema."""
    database = sqlite3.connect(filled(folder))
    database.execute("PRAGMA user_version=99")
    database.commit()
    database.close()


def nonsense(folder: Path) -> None:
    """Write an entity that nobody can read."""
    database = sqlite3.connect(filled(folder))
    database.execute("UPDATE entity SET document = '{' WHERE key = (SELECT max(key) FROM entity)")
    database.commit()
    database.close()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        pytest.param(foreign, "no data of this engine", id="foreign"),
        pytest.param(no_database, "is damaged", id="no_database"),
        pytest.param(damaged, "is damaged", id="damaged"),
        pytest.param(truncated, "is damaged", id="truncated"),
        pytest.param(of_another_version, "another version", id="another_version"),
        pytest.param(nonsense, "is damaged", id="nonsense"),
    ],
)
def test_unusable_files(tmp_path: Path, spoil: Callable[[Path], object], words: str) -> None:
    """One sentence names the file and what to do, and every byte of it stays."""
    spoil(tmp_path)
    before = (tmp_path / FILE_NAME).read_bytes()
    with pytest.raises(EngineError, match=words) as refused:
        Engine(Storage(tmp_path))
    assert FILE_NAME in str(refused.value)
    assert (tmp_path / FILE_NAME).read_bytes() == before


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    """The sentence names it."""
    (tmp_path / "data").write_text("x")
    with pytest.raises(EngineError, match="cannot be used"):
        Storage(tmp_path / "data")


def test_a_second_engine_on_the_same_folder(tmp_path: Path) -> None:
    """It is refused at once, and works when the first has ended."""
    first = Storage(tmp_path)
    with pytest.raises(EngineError, match="in use by another engine"):
        Storage(tmp_path)
    first.close()
    Storage(tmp_path).close()


def test_a_full_disk_writes_nothing(tmp_path: Path, disk: Disk) -> None:
    """A commit that fails raises with a sentence.

    What was committed before is all there is after a restart.
    """
    world = World(tmp_path)
    world.deploy(PROCESS)
    kept = world.start()
    disk.fill()
    with pytest.raises(EngineError, match="make room on the disk"):
        world.start(text="x" * 500_000)
    world.restart()
    assert [job.variables for job in world.take("a")] == [{}]
    assert world.running() == [kept]


def test_keys_are_never_handed_out_twice(tmp_path: Path) -> None:
    """Keys of commands that changed nothing else count too."""
    world = World(tmp_path)
    given = world.engine.state.next_key()
    world.settle()
    world.restart()
    assert world.engine.state.next_key() > given


def test_an_unchanged_turn_writes_nothing(tmp_path: Path, disk: Disk) -> None:
    """A turn without any change begins no transaction."""
    world = World(tmp_path)
    world.settle()
    (database,) = disk.opened
    before = database.total_changes
    with pytest.raises(Rejection):
        world.complete(1)
    world.settle()
    assert database.total_changes == before


def test_what_is_gone_within_a_commit_is_never_written(tmp_path: Path) -> None:
    """An instance that begins and ends in one turn leaves no row."""
    world = World(tmp_path)
    world.deploy(definitions(process("q", START, END, chain("start", "end"))))
    world.start("q", x=1)
    world.storage.close()
    database = sqlite3.connect(tmp_path / FILE_NAME)
    (count,) = database.execute("SELECT count(*) FROM entity").fetchone()
    (variables,) = database.execute("SELECT count(*) FROM variable").fetchone()
    database.close()
    assert (count, variables) == (0, 0)


def test_the_outbox_keeps_records_until_they_are_exported(tmp_path: Path) -> None:
    """Records are on the disk with their commit, and forgotten with the one after their export."""
    storage = Storage(tmp_path)
    storage.write(Changes(records=[(1, "one"), (2, "two")]), {"position": 2}, [])
    storage.close()
    storage = Storage(tmp_path)
    assert storage.records() == [(1, "one"), (2, "two")]
    storage.exported(1)
    storage.write(Changes(records=[(3, "three")]), {"position": 3}, [])
    assert storage.records() == [(2, "two"), (3, "three")]
    storage.close()
