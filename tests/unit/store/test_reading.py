"""`openai-connector costs` reads a store, and leaves all of it as it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from openai_connector.cli import main
from openai_connector.settings import load
from openai_connector.store import StoreError, file_of, postgres, sqlite
from openai_connector.store.charges import Charge, Open, Pay
from openai_connector.store.reading import read_totals
from openai_connector.tools.check.everything import Asked, check_everything
from openai_connector.tools.check.findings import Verdict
from tests.make import sentences_in
from tests.unit.store.stores import CALL, JOB, KEPT, Opener, is_postgres, tables_at

CHARGE = Charge("one", JOB, "order", "Ask", "gpt-6-luna", "<default>", Decimal(1), "USD")
LATER = "CREATE TABLE openai_connector_later (x integer)"


async def spend(opened: Opener, location: str) -> None:
    """Fill a store with an answer, a debt and a total, all decades old by every other clock."""
    store = await opened(location)
    await store.keep(JOB, CALL, KEPT)
    await store.owe(JOB + 1, "{}")
    await store.enter(JOB, Open(CHARGE))
    await store.enter(JOB, Pay(CHARGE, 10, 2))
    await store.aclose()


def begun(location: str, *migrations: str) -> None:
    """Make the tables by migrations; no earlier worker may use them."""
    tables = tables_at(location, migrations=migrations, least=len(migrations))
    tables.open()
    tables.close()


def known(location: str) -> tuple[str, ...]:
    """Return the migrations of this version."""
    return postgres.MIGRATIONS if is_postgres(location) else sqlite.MIGRATIONS


def refusal(location: str) -> set[str]:
    """Return the sentences with which a store is not read."""
    with pytest.raises(StoreError) as caught:
        read_totals(location)
    return sentences_in(str(caught.value))


async def test_nothing_old_is_removed(
    opened: Opener, location: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A shell knows not for how long the workers keep what they have paid for."""
    await spend(opened, location)
    monkeypatch.setenv("CONNECTOR_STORE", location)
    monkeypatch.setenv("CONNECTOR_STORE_RETENTION", "PT1H")
    for _ in range(2):
        assert await asyncio.to_thread(main, ["costs", "--by", "process"]) == 0
        assert "order" in capsys.readouterr().out
    store = await opened(location)
    assert (await store.claim(JOB, CALL)).answer == KEPT
    assert [owed.job_key for owed in await store.owed()] == [JOB + 1]


async def test_a_check_removes_nothing_old_either(
    opened: Opener, location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It writes, reads and removes what is its own."""
    await spend(opened, location)
    monkeypatch.setenv("CONNECTOR_STORE", location)
    monkeypatch.setenv("CONNECTOR_STORE_RETENTION", "PT1H")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("ZEEBE_ADDRESS", "127.0.0.1:1")
    findings = await check_everything(load(), Asked(seconds=5))
    assert [one.verdict for one in findings if one.check == "store"] == [Verdict.OK]
    store = await opened(location)
    assert (await store.claim(JOB, CALL)).answer == KEPT


async def test_what_a_worker_wrote_last_is_read(opened: Opener, location: str) -> None:
    """Also while the worker is at work; and it goes on as before."""
    store = await opened(location)
    await store.enter(JOB, Open(CHARGE))
    await store.enter(JOB, Pay(CHARGE, 10, 2))
    assert [total.amount for total in read_totals(location)] == [1]
    await store.keep(JOB, CALL, KEPT)
    assert (await store.claim(JOB, CALL)).answer == KEPT


def test_an_older_store_stays_as_old(location: str) -> None:
    """The workers that use it know its version alone: it is said what to do."""
    begun(location, *known(location)[:1])
    assert refusal(location) == refusal(location) == {"STORE_OLDER"}
    begun(location, *known(location))
    assert read_totals(location) == []


def test_a_newer_store_is_refused(location: str) -> None:
    """Its totals may mean something else."""
    begun(location, *known(location), LATER)
    assert refusal(location) == {"STORE_NEWER"}


def test_tables_are_not_made(location: str) -> None:
    """Where no worker has been, none is."""
    if (file := file_of(location)) is not None:
        file.parent.mkdir()
        file.touch()
    assert refusal(location) == refusal(location) == {"STORE_NOT_BEGUN"}


async def test_a_right_to_read_suffices(opened: Opener, empty_database: Callable[[], str]) -> None:
    """In PostgreSQL, who tells of costs need not be able to change anything; without it, that is said."""
    import psycopg

    url = empty_database()
    await spend(opened, url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS reader")
        connection.execute("CREATE ROLE reader")
        try:
            (schema,) = connection.execute("SELECT current_schema()").fetchone() or ("",)
            connection.execute(f"GRANT USAGE ON SCHEMA {schema} TO reader".encode())
            assert refusal(f"{url}%20-crole%3Dreader") == {"STORE_NO_RIGHTS"}
            tables = "openai_connector_version, openai_connector_totals"
            connection.execute(f"GRANT SELECT ON {tables} TO reader".encode())
            assert [total.amount for total in read_totals(f"{url}%20-crole%3Dreader")] == [1]
        finally:
            connection.execute("DROP OWNED BY reader")
            connection.execute("DROP ROLE reader")


@pytest.mark.parametrize("name", ["a b", "100%", "what?", "no#1", "日本"])
def test_any_name_of_a_folder(tmp_path: Path, name: str) -> None:
    """A file's name is no part of an address, whatever is in it."""
    begun(str(tmp_path / name), *sqlite.MIGRATIONS)
    assert read_totals(str(tmp_path / name)) == []


class TestFiles:
    """What is no store, or is none any more."""

    def test_another_programs_file(self, tmp_path: Path) -> None:
        """It is told, and not touched."""
        begun(str(tmp_path), *sqlite.MIGRATIONS)
        file = file_of(str(tmp_path))
        assert file is not None
        data = bytearray(file.read_bytes())
        data[68:72] = b"else"  # where SQLite has the kind of a file
        file.write_bytes(data)
        assert refusal(str(tmp_path)) == {"STORE_OTHER_FILE"}
        assert file.read_bytes() == data

    def test_a_damaged_file_stays_in_its_place(self, tmp_path: Path) -> None:
        """To move it aside is the workers' part."""
        file = file_of(str(tmp_path))
        assert file is not None
        file.write_bytes(b"no database" * 999)
        assert refusal(str(tmp_path)) == {"STORE_DAMAGED"}
        assert file.read_bytes() == b"no database" * 999

    def test_no_file(self, tmp_path: Path) -> None:
        """None is made."""
        assert refusal(str(tmp_path)) == {"STORE_NOT_READABLE"}
        assert list(tmp_path.iterdir()) == []
