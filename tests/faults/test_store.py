"""The store and real processes: races for a claim, and kills right after an answer was kept."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from openai_connector.store import Claim, StoreOptions, open_store, owner
from tests.faults.store_child import CALL

KILLS = 20
RACERS, RACES = 4, 50
linux = pytest.mark.skipif(
    not Path("/proc/self/ns/pid").exists(), reason="the end of a process is seen on Linux"
)


@pytest.fixture(params=["sqlite", "postgres"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return a place in each of the databases."""
    return str(tmp_path) if request.param == "sqlite" else str(request.getfixturevalue("database"))


@pytest.fixture
def keys() -> Callable[[int], list[int]]:
    """Give job keys that no other test uses."""
    return lambda count: [int.from_bytes(os.urandom(6), "big") for _ in range(count)]


def child(what: str, location: str, *keys: int, notes: Path | None = None) -> subprocess.Popen[str]:
    """Start a process; all that it says can be read."""
    command = [sys.executable, "-m", "tests.faults.store_child", what, location, *map(str, keys)]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "NOTES": str(notes or "")},
    )


def test_of_many_processes_exactly_one_has_each_claim(
    location: str, keys: Callable[[int], list[int]]
) -> None:
    """They begin at the same moment, and each claims all calls."""
    wanted = keys(RACES)
    racers = [child("race", location, *wanted) for _ in range(RACERS)]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    won: list[str] = []
    for step in range(2):
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write("\n")
            racer.stdin.flush()
        if step == 0:
            for racer in racers:
                assert racer.stdout is not None
                won += racer.stdout.readline().split()
    for racer in racers:
        racer.communicate()
    assert sorted(won, key=int) == sorted(map(str, wanted), key=int)


@linux
async def test_what_was_kept_survives_each_kill(location: str, keys: Callable[[int], list[int]]) -> None:
    """A process that is killed right after `keep` has lost nothing, and what it owed is handed over at once."""
    wanted = keys(KILLS)
    for begin in range(0, KILLS, 4):  # a few at once: they share the store, too
        children = [child("keep", location, key) for key in wanted[begin : begin + 4]]
        for each in children:
            await asyncio.to_thread(each.communicate)
        assert [each.returncode for each in children] == [-signal.SIGKILL] * 4
    store = open_store(location)
    await store.start()
    owed = {one.job_key: one.variables_json for one in await store.owed()}
    assert owed == {key: str(key) for key in wanted}
    for key in wanted:
        assert (await store.claim(key, CALL)).answer == {"body": str(key)}
        await store.forget(key)
    await store.aclose()


@linux
async def test_what_is_handed_over_survives_each_kill(
    location: str, tmp_path: Path, keys: Callable[[int], list[int]]
) -> None:
    """A folder keeps what a process had only begun to write when it was killed; nothing of it stays there."""
    wanted = keys(KILLS * 5)
    living = open_store(location, StoreOptions(notes=tmp_path))
    await living.start()
    for begin in range(0, len(wanted), 5):
        one = child("hand over", location, *wanted[begin : begin + 5], notes=tmp_path)
        await asyncio.to_thread(one.communicate)
        assert one.returncode == -signal.SIGKILL
        if begin < len(wanted) / 2:  # at once; the others are found by the next worker that starts
            claims = [await living.claim(key, CALL) for key in wanted[begin : begin + 5]]
            assert [claim.answer for claim in claims] == [
                {"body": str(key)} for key in wanted[begin : begin + 5]
            ]
    store = open_store(location, StoreOptions(notes=tmp_path))
    await store.start()
    assert [file for file in tmp_path.glob("*.notes") if file.stat().st_size] == []
    for key in wanted:
        assert (await store.claim(key, CALL)).answer == {"body": str(key)}
        await store.forget(key)
    await asyncio.gather(store.aclose(), living.aclose())


@linux
async def test_a_killed_process_is_seen_at_once(location: str, keys: Callable[[int], list[int]]) -> None:
    """On one machine nobody waits until its signs of life are old; a process that lives is left alone."""
    (key,) = keys(1)
    store = open_store(location, StoreOptions())
    await store.start()
    living = child("wait", location, key)
    assert living.stdout is not None
    assert await asyncio.to_thread(living.stdout.readline) == "ready\n"
    assert (await store.claim(key, CALL)).is_busy
    living.kill()
    # It has ended, and nobody has reaped it yet: as in many a container.
    await asyncio.to_thread(os.waitid, os.P_PID, living.pid, os.WEXITED | os.WNOWAIT)
    assert await store.claim(key, CALL) == Claim(was_lost=True, attempts=1)
    await asyncio.to_thread(living.communicate)
    await store.aclose()


@linux
async def test_a_job_that_kills_its_workers_is_counted(
    location: str, keys: Callable[[int], list[int]]
) -> None:
    """Each process that died over it is one attempt."""
    (key,) = keys(1)
    for _ in range(3):
        await asyncio.to_thread(child("hold", location, key).communicate)
    store = open_store(location)
    await store.start()
    assert await store.claim(key, CALL) == Claim(was_lost=True, attempts=3)
    await store.aclose()


@linux
@pytest.mark.parametrize(
    ("change", "has_ended"),
    [
        (lambda mark: mark, False),
        (lambda mark: mark[:-1] + ("1" if mark[-1] != "1" else "2"), True),
        (lambda mark: " ".join([*mark.split()[:2], "999999999", "1"]), True),
        (lambda mark: "another-machine " + mark.partition(" ")[2], False),
        (lambda mark: "", False),
        (lambda mark: "x", False),
    ],
    ids=["this process", "its number used again", "no such process", "elsewhere", "unknown", "other form"],
)
def test_only_the_end_of_a_process_that_would_be_seen_counts(
    change: Callable[[str], str], has_ended: bool
) -> None:
    """Whoever runs elsewhere, or cannot be told, is not taken for dead by its number."""
    assert owner.has_ended(change(owner.process_mark())) is has_ended
