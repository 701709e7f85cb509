"""What goes wrong with a file or a database: one sentence, no value in it, and the store comes back by itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from openai_connector import wording
from openai_connector.store import Met, News, StoreError, StoreOptions, open_store, postgres, sqlite
from openai_connector.store.charges import Charge, Limit, Pay
from openai_connector.store.durable import DurableStore
from openai_connector.store.postgres import PostgresTables
from openai_connector.store.reading import read_totals
from tests import postgres as servers
from tests.make import sentences_in
from tests.unit.store.stores import CALL, JOB, KEPT, Opener, is_postgres, tables_at, until

SOON = timedelta(seconds=2)
"""A sign of life, which also sees what has happened to the file, is given four times in it."""


class Watch:
    """Remembers what is said of a store's health."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.news: list[News] = []

    def of(self, met: Met) -> list[News]:
        """Return the news of one kind."""
        return [news for news in self.news if news.met is met]

    def __call__(self, news: News) -> None:
        """Remember it."""
        self.news.append(news)
        if news.met in (Met.LOST, Met.FOUND):
            self.said.append("works" if news.met is Met.FOUND else news.what)

    @property
    def last(self) -> set[str]:
        """Return the ids of the last sentence."""
        return sentences_in(self.said[-1]) if self.said else set()


@pytest.fixture
def watch() -> Watch:
    """Return what is told of changes."""
    return Watch()


def file_in(folder: Path) -> Path:
    """Return the store's file."""
    return folder / "store.sqlite3"


async def filled(opened: Opener, folder: Path) -> None:
    """Fill a store and close it."""
    store = await opened(str(folder))
    await asyncio.gather(*(store.keep(job_key, CALL, KEPT) for job_key in range(200)))
    await store.aclose()


def _overwrite(begin: int, end: int) -> Callable[[Path], None]:
    def damage(file: Path) -> None:
        data = file.read_bytes()
        end_ = min(end, len(data))
        file.write_bytes(data[:begin] + os.urandom(end_ - begin) + data[end_:])

    return damage


class TestDamagedFile:
    """A file that is no database any more."""

    @pytest.mark.parametrize(
        "damage",
        [
            _overwrite(0, 1000),
            _overwrite(4096, 100_000),
            lambda file: file.write_bytes(file.read_bytes()[:10_000]),
            lambda file: file.write_text("nothing of the kind\n" * 100),
        ],
        ids=["its beginning", "its middle", "cut off", "a text"],
    )
    async def test_it_is_moved_aside_and_a_new_one_begun(
        self,
        opened: Opener,
        tmp_path: Path,
        watch: Watch,
        damage: Callable[[Path], None],
    ) -> None:
        """The worker has a store at once, and the old file stays for whoever wants to look into it."""
        await filled(opened, tmp_path)
        damage(file_in(tmp_path))
        store = await opened(str(tmp_path), tell=watch)
        assert store.is_healthy
        assert (await store.claim(1, CALL)).is_ours
        await store.keep(1, CALL, KEPT)
        assert (await store.claim(1, CALL)).answer == KEPT
        aside = {file.name for file in tmp_path.iterdir() if file.name.startswith("store.sqlite3.damaged-")}
        (news,) = watch.of(Met.DAMAGED)
        assert news.what in aside

    async def test_damaged_while_the_worker_runs(self, opened: Opener, tmp_path: Path, watch: Watch) -> None:
        """It is noticed, said, and mended."""
        await filled(opened, tmp_path)
        store = await opened(str(tmp_path), tell=watch, fresh_for=SOON)
        _overwrite(0, 100_000)(file_in(tmp_path))
        for job_key in range(200):
            try:
                await store.claim(job_key, CALL)
            except StoreError:
                break
        await until(lambda: store.is_healthy)
        await store.keep(JOB, CALL, KEPT)
        assert (await store.claim(JOB, CALL)).answer == KEPT

    @pytest.mark.parametrize("is_replaced", [False, True], ids=["removed", "replaced"])
    async def test_taken_away_while_the_worker_runs(
        self, opened: Opener, tmp_path: Path, watch: Watch, is_replaced: bool
    ) -> None:
        """Nothing is written into a file that nobody finds any more."""
        store = await opened(str(tmp_path), tell=watch, fresh_for=SOON)
        file_in(tmp_path).rename(tmp_path / "elsewhere")
        if is_replaced:
            file_in(tmp_path).touch()
        await until(lambda: len(watch.said) >= 3)
        assert "STORE_REPLACED" in sentences_in(watch.said[1])
        assert watch.said[2] == "works"
        await store.keep(JOB, CALL, KEPT)
        assert (await (await opened(str(tmp_path))).claim(JOB, CALL)).answer == KEPT


class TestOthersFile:
    """A file that is not for this worker."""

    async def test_another_programs_database_is_left_alone(
        self, opened: Opener, tmp_path: Path, watch: Watch
    ) -> None:
        """It is neither filled nor moved."""
        with sqlite3.connect(file_in(tmp_path)) as connection:
            connection.execute("CREATE TABLE theirs (x)")
        connection.close()
        before = file_in(tmp_path).read_bytes()
        store = await opened(str(tmp_path), tell=watch)
        assert not store.is_healthy
        assert "STORE_OTHER_FILE" in watch.last
        assert file_in(tmp_path).read_bytes() == before

    async def test_held_locked_it_is_waited_for(self, opened: Opener, tmp_path: Path, watch: Watch) -> None:
        """Then it is said, and when the lock is gone the store works again."""
        tables = tables_at(str(tmp_path), busy_timeout=0.2)
        store = await opened(str(tmp_path), tables, tell=watch)
        other = sqlite3.connect(file_in(tmp_path), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError):
            await store.claim(JOB, CALL)
        assert "STORE_LOCKED" in watch.last
        with pytest.raises(StoreError):
            await store.keep(JOB, CALL, KEPT)  # at once: nobody waits twice
        other.execute("ROLLBACK")
        await until(lambda: store.is_healthy)
        await store.keep(JOB, CALL, KEPT)
        other.close()


class TestNoPlace:
    """A folder or disk that takes no file."""

    async def test_a_folder_that_cannot_be_written(self, opened: Opener, watch: Watch) -> None:
        """The sentence says so, without the folder's name."""
        store = await opened("/proc/nowhere", tell=watch)
        assert not store.is_healthy
        assert "STORE_NOT_WRITABLE" in watch.last
        assert "nowhere" not in watch.said[-1]

    @pytest.mark.parametrize(
        "location",
        ["{place}/file", "{place}/file/below", "sqlite:///{place}/file/below", "sqlite:///{place}"],
        ids=["a file", "below a file", "a file below a file", "a folder"],
    )
    async def test_one_in_place_of_the_other(
        self, opened: Opener, tmp_path: Path, watch: Watch, location: str
    ) -> None:
        """A file where a folder must be, or the reverse, is told as that: no right to write would help."""
        (tmp_path / "file").touch()
        store = await opened(location.format(place=tmp_path), tell=watch)
        assert not store.is_healthy
        assert "STORE_WRONG_KIND" in watch.last

    @pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
    async def test_a_folder_of_somebody_else(self, opened: Opener, tmp_path: Path, watch: Watch) -> None:
        """A mount that is read-only looks the same."""
        tmp_path.chmod(0o500)
        await opened(str(tmp_path), tell=watch)
        assert "STORE_NOT_WRITABLE" in watch.last

    async def test_it_comes_back_when_there_is_room(self, tmp_path: Path) -> None:
        """On a disk that is full the worker goes on, and the store with it when there is room again."""
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "tests.unit.store.full_disk", str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        said = sentences_in(done.stdout)
        assert said & {"STORE_DISK_FULL", "STORE_DISK_FAILED"}
        assert "works again" in done.stdout


class TestVersions:
    """Stores of older and newer workers."""

    async def test_an_older_store_is_brought_up(self, opened: Opener, location: str) -> None:
        """Nothing in it is lost."""
        old = await opened(location)
        await old.keep(JOB, CALL, KEPT)
        await old.aclose()
        known = (postgres if is_postgres(location) else sqlite).MIGRATIONS
        newer = (*known, "CREATE TABLE openai_connector_later (x integer)")
        store = await opened(location, tables_at(location, opened.clock, migrations=newer))
        assert (await store.claim(JOB, CALL)).answer == KEPT

    async def test_a_newer_store_is_refused(self, opened: Opener, location: str, watch: Watch) -> None:
        """An older worker would not understand it."""
        known = (postgres if is_postgres(location) else sqlite).MIGRATIONS
        newer = (*known, "CREATE TABLE openai_connector_later (x integer)")
        tables = tables_at(location, opened.clock, migrations=newer, least=len(newer))
        store = await opened(location, tables)
        await store.keep(JOB, CALL, KEPT)
        old = await opened(location, tell=watch)
        assert not old.is_healthy
        assert "STORE_NEWER" in watch.last
        assert (await store.claim(JOB, CALL)).answer == KEPT

    async def test_a_newer_store_that_says_so_is_used(self, opened: Opener, location: str) -> None:
        """A fleet is updated worker by worker: both versions do all they do, also after a new connection."""
        module, prefix = (postgres, "openai_connector_") if is_postgres(location) else (sqlite, "")
        names = ("calls", "owed", "owners", "shared", "charges", "budgets", "totals")
        more = "".join(f"ALTER TABLE {prefix}{name} ADD COLUMN later integer DEFAULT 0;" for name in names)
        limit = Limit("team 1970-01", Decimal(10))
        newer = (*module.MIGRATIONS, more + f"CREATE TABLE {prefix}later (x integer)")
        running = await opened(location)
        new = await opened(location, tables_at(location, opened.clock, migrations=newer))
        old = await opened(location)
        for number, (one, other) in enumerate([(running, new), (new, old), (old, new)]):
            job_key = JOB + number
            labels = ("order", "ask", "gpt-6-luna", "<default>")
            charge = Charge(f"{number}", job_key, *labels, Decimal(1), "USD", (limit,))
            assert (await one.claim(job_key, CALL, charge)).is_ours
            assert (await other.claim(job_key, CALL)).is_busy
            await one.keep(job_key, CALL, KEPT, Pay(charge, 10, 2))
            assert (await other.claim(job_key, CALL)).answer == KEPT
            await one.owe(job_key, "{}")
            await one.update("limit", lambda value: {"was": value})
            await other.forget(job_key)
        assert [total.calls for total in await asyncio.to_thread(read_totals, location)] == [3]
        assert await new.budgets([limit.key]) == await old.budgets([limit.key]) == {limit.key: 3}
        assert all(store.is_healthy for store in (running, new, old))
        opened.clock.move(1_000_000)  # what is old is purged by the next one
        for _ in range(2):
            again = await opened(location)
            assert again.is_healthy
            await again.aclose()

    async def test_many_workers_begin_a_store_at_once(self, opened: Opener, location: str) -> None:
        """One of them makes the tables, the others wait."""
        stores = await asyncio.gather(*(opened(location) for _ in range(6)))
        assert all(store.is_healthy for store in stores)
        claims = await asyncio.gather(*(store.claim(JOB, CALL) for store in stores))
        assert [claim.is_ours for claim in claims].count(True) == 1

    def test_a_file_that_is_just_being_made_is_nobody_elses(self, tmp_path: Path) -> None:
        """Workers that start at the same moment find each other's file at every stage."""

        def begin(file: Path) -> None:
            tables = sqlite.SqliteTables(file)
            tables.open()
            tables.close()

        with ThreadPoolExecutor(8) as threads:
            for number in range(15):
                list(threads.map(begin, [tmp_path / f"{number}.db"] * 8))
        assert not [file for file in tmp_path.iterdir() if "damaged" in file.name]


@pytest.fixture
def own_server() -> Iterator[servers.Postgres]:
    """Return a server that a test may stop."""
    server = servers.Postgres()
    yield server
    server.close()


class TestDatabaseAway:
    """PostgreSQL that is not there, or does not let the worker in."""

    @pytest.mark.parametrize(
        ("url", "says"),
        [
            ("postgresql://HIDDEN:HIDDEN@127.0.0.1:1/x", "STORE_NO_CONNECTION"),
            ("postgresql://HIDDEN:HIDDEN@no-such-host.invalid/x", "STORE_NO_CONNECTION"),
            ("postgresql://HIDDEN:HIDDEN@host:port/x", "STORE_NO_CONNECTION"),
            ("postgresql://HIDDEN@host/x?HIDDEN=1", "STORE_URL"),
            ("postgresql://HIDDEN:%zz@host/x", "STORE_URL"),
        ],
        ids=["no server", "no host", "port", "parameter", "escape"],
    )
    async def test_no_server(self, opened: Opener, watch: Watch, url: str, says: str) -> None:
        """What to check is said, and nothing of the URL."""
        servers.programs()
        store = await opened(url, tell=watch)
        assert not store.is_healthy
        assert says in watch.last
        assert "HIDDEN" not in watch.said[-1]
        assert "HIDDEN" not in repr(store)

    @pytest.mark.parametrize(
        ("wrong", "says"),
        [
            ({"password": "HIDDEN"}, "STORE_LOGIN"),
            ({"password": ""}, "STORE_LOGIN"),
            ({"user": "HIDDEN"}, "STORE_LOGIN"),
            ({"database": "HIDDEN"}, "STORE_NO_DATABASE"),
        ],
        ids=["password", "no password", "user", "database"],
    )
    async def test_no_entry(
        self,
        opened: Opener,
        own_servers_url: Callable[..., str],
        watch: Watch,
        wrong: dict[str, str],
        says: str,
    ) -> None:
        """Wrong passwords are told from wrong databases."""
        await opened(own_servers_url(**wrong), tell=watch)
        assert says in watch.last
        assert "HIDDEN" not in watch.said[-1]

    async def test_a_copy_that_takes_no_writes(
        self, opened: Opener, empty_database: Callable[[], str], watch: Watch
    ) -> None:
        """The worker says that it wants the primary server."""
        await opened(f"{empty_database()}%20-cdefault_transaction_read_only%3Don", tell=watch)
        assert "STORE_READ_ONLY" in watch.last

    async def test_no_rights(self, opened: Opener, empty_database: Callable[[], str], watch: Watch) -> None:
        """A user that may not create tables gets to know it."""
        import psycopg

        url = empty_database()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("DROP ROLE IF EXISTS guest")
            connection.execute("CREATE ROLE guest")
        await opened(f"{url}%20-crole%3Dguest", tell=watch)
        assert "STORE_NO_RIGHTS" in watch.last

    async def test_it_is_found_again(
        self, opened: Opener, own_server: servers.Postgres, watch: Watch
    ) -> None:
        """After a crash of the database all that was kept is there, and what could not be done is done."""
        store = await opened(own_server.url(), tell=watch)
        other = await opened(own_server.url())
        await store.keep(JOB, CALL, KEPT)
        await store.claim(8, CALL)
        await store.claim(9, CALL)
        await asyncio.to_thread(own_server.stop)
        for late in (store.claim(10, CALL), store.release(8, CALL), store.forget(JOB)):
            with pytest.raises(StoreError):
                await late
        assert not store.is_healthy
        assert watch.last & {"STORE_NO_CONNECTION", "STORE_FAILED"}
        await asyncio.to_thread(own_server.start)
        await until(lambda: store.is_healthy and other.is_healthy)
        assert (await other.claim(JOB, CALL)).is_ours  # forgotten
        assert await other.claim(8, CALL) == await other.claim(10, CALL)  # given back, never begun
        assert (await other.claim(9, CALL)).is_busy

    async def test_after_an_outage_nobody_is_dead_at_once(
        self, opened: Opener, own_server: servers.Postgres
    ) -> None:
        """All signs of life are old then: those who live get the time to give one."""
        living = DurableStore(own_server.url(), StoreOptions(), tables_at(own_server.url(), opened.clock))
        await living.start()
        await living.claim(JOB, CALL)
        other = await opened(own_server.url(), fresh_for=timedelta(hours=1))
        await asyncio.to_thread(own_server.stop)
        with pytest.raises(StoreError):
            await other.claim(JOB, CALL)
        opened.clock.move(10_000)
        await asyncio.to_thread(own_server.start)
        await until(lambda: other.is_healthy)
        assert (await other.claim(JOB, CALL)).is_busy
        await living.aclose()

    async def test_a_worker_that_stands_still_holds_nobody_up_for_long(
        self, opened: Opener, empty_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Frozen within a transaction, it loses the rows of budgets that all others need."""
        monkeypatch.setattr(postgres, "IDLE_TIMEOUT_MS", 300)
        url, limit = empty_database(), Limit("all 1970-01", Decimal(10))
        frozen = PostgresTables(url)
        frozen.open()
        store = await opened(url)
        one = Charge("1", JOB, "p", "e", "m", "t", Decimal(1), "USD", (limit,))
        await store.claim(JOB, CALL, one)
        with contextlib.suppress(Exception), frozen.transaction():
            frozen.read_budgets([limit.key])
            await store.claim(JOB + 1, CALL, replace(one, id="2", job_key=JOB + 1))
        assert (await store.budgets([limit.key]))[limit.key] == 2

    async def test_one_that_hangs_is_given_up(
        self, opened: Opener, empty_database: Callable[[], str], watch: Watch
    ) -> None:
        """A job waits for the store for so long and no longer."""
        import psycopg

        url = empty_database()
        store = await opened(url, tell=watch, patience=timedelta(seconds=0.3))
        with psycopg.connect(url) as connection:
            connection.execute("LOCK TABLE openai_connector_calls")
            with pytest.raises(StoreError):
                await store.claim(JOB, CALL)
            assert "STORE_SLOW" in watch.last
        await until(lambda: store.is_healthy)
        assert (await store.claim(JOB, CALL)).is_ours


class TestFiles:
    """What lies on the disk."""

    async def test_nobody_else_may_read_it(self, opened: Opener, tmp_path: Path) -> None:
        """Answers are personal data."""
        previous = os.umask(0)
        try:
            store = await opened(str(tmp_path / "a" / "store"))
            await store.keep(JOB, CALL, KEPT)
            modes = {
                file.name: stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "a/store").iterdir()
            }
        finally:
            os.umask(previous)
        assert set(modes) >= {"store.sqlite3", "store.sqlite3-wal"}
        assert set(modes.values()) == {0o600}
        assert stat.S_IMODE((tmp_path / "a" / "store").stat().st_mode) == 0o700

    async def test_a_file_that_all_may_read_is_closed(self, opened: Opener, tmp_path: Path) -> None:
        """It may come from a copy."""
        await filled(opened, tmp_path)
        file_in(tmp_path).chmod(0o644)
        await opened(str(tmp_path))
        assert stat.S_IMODE(file_in(tmp_path).stat().st_mode) == 0o600

    @pytest.mark.parametrize("url", ["sqlite:///{folder}/own.db", "{folder}/folder"])
    async def test_the_place_has_a_name(self, opened: Opener, tmp_path: Path, url: str) -> None:
        """A URL names the file, anything else the folder."""
        await opened(url.format(folder=tmp_path))
        expected = "own.db" if url.startswith("sqlite") else "folder/store.sqlite3"
        assert (tmp_path / expected).is_file()

    async def test_what_was_forgotten_is_not_on_the_disk(self, opened: Opener, tmp_path: Path) -> None:
        """Not in free pages and not in the log either, once there was a moment of rest."""
        secret = "a very personal answer"
        store = await opened(str(tmp_path), fresh_for=timedelta(seconds=0.4))
        await store.keep(JOB, CALL, {"body": secret * 1000})
        await store.forget(JOB)

        def is_there() -> bool:
            return any(secret.encode() in file.read_bytes() for file in tmp_path.iterdir())

        await until(lambda: not is_there())


def test_without_its_driver_postgres_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What to install is said."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    tables = postgres.PostgresTables("postgresql://host/db")
    with pytest.raises(StoreError) as caught:
        tables.open()
    assert "STORE_NO_DRIVER" in sentences_in(str(caught.value))


def test_without_its_library_a_key_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is stored in plain text in its place."""
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    with pytest.raises(StoreError) as caught:
        open_store(str(tmp_path), StoreOptions(keys=(b"k" * 32,)))
    assert "STORE_NO_CIPHER" in sentences_in(str(caught.value))


def test_off_it_costs_nothing() -> None:
    """No database and no cipher is imported where there is no store, and none but its own where there is."""
    script = (
        "import sys\n"
        "from openai_connector.store import open_store\n"
        "{open}\n"
        "print([name for name in ('sqlite3', 'psycopg', 'cryptography', 'asyncio') if name in sys.modules])"
    )
    for location, imported in ((None, "[]"), ("/nowhere", "['sqlite3', 'asyncio']")):
        done = subprocess.run(
            [sys.executable, "-c", script.format(open=f"open_store({location!r})")],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == imported


def test_no_sentence_of_the_store_names_a_value() -> None:
    """A location may hold a password: parameters are counts, times, kinds, places in our code, the file moved aside."""
    stored: dict[str, Any] = {name: s for name, s in wording.SENTENCES.items() if name.startswith("STORE_")}
    parameters = {part.split("}")[0] for s in stored.values() for part in s.text.split("{")[1:]}
    assert parameters == {"problem", "kind", "place", "name", "found", "known", "count", "seconds"}
