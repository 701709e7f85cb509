"""The store in a PostgreSQL that runs: what `check` says of a good one and of broken ones."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import quote

import pytest

from openai_connector.store import StoreOptions, open_store
from openai_connector.tools.check.findings import Finding, Verdict
from openai_connector.tools.check.storage import check_store
from tests import postgres
from tests.make import sentences_in

WRONG = "not-the-password"


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Postgres]:
    """Start a server of which users and passwords are known."""
    running = postgres.Postgres()
    yield running
    running.close()


def said(server: postgres.Postgres, *statements: str) -> None:
    """Let the server's owner say something."""
    import psycopg

    with psycopg.connect(server.url(), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def told_by(finding: Finding) -> str:
    """Return a finding as the sentence of the store that it comes from."""
    return f"{finding.message[0].lower()}{finding.message[1:]}. {finding.advice}"


async def found(url: str) -> Finding:
    """Check a store, whose passwords must not be told."""
    (finding,) = await check_store(
        lambda tell: open_store(url, StoreOptions(tell=tell, patience=timedelta(seconds=2))), 10.0
    )
    for secret in (postgres.PASSWORD, WRONG):
        assert secret not in finding.as_text()
    return finding


async def test_a_database_that_is_well(server: postgres.Postgres) -> None:
    """An empty database is filled with what the store needs, and is well then, also the second time."""
    said(server, "CREATE SCHEMA well")
    url = f"{server.url()}&options={quote('-csearch_path=well')}"
    for _ in range(2):
        finding = await found(url)
        assert finding.verdict is Verdict.OK
        assert "fleet" in finding.message


async def test_nothing_of_the_check_stays(server: postgres.Postgres) -> None:
    """The tables are there, and no row is in any of them."""
    import psycopg

    said(server, "CREATE SCHEMA emptied")
    await found(f"{server.url()}&options={quote('-csearch_path=emptied')}")
    with psycopg.connect(server.url()) as connection:
        names = connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'emptied'"
        ).fetchall()
        rows = {
            name: connection.execute(f"SELECT * FROM emptied.{name}".encode()).fetchall() for (name,) in names
        }
    assert rows
    kept = {name: found for name, found in rows.items() if b"check-" in repr(found).encode()}
    assert not kept


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param({"password": WRONG}, "STORE_LOGIN", id="wrong password"),
        pytest.param({"user": "nobody_known"}, "STORE_LOGIN", id="unknown user"),
        pytest.param({"database": "not_there"}, "STORE_NO_DATABASE", id="no such database"),
    ],
)
async def test_who_is_not_let_in(server: postgres.Postgres, change: dict[str, str], told: str) -> None:
    """A failure says what is wrong and what to do, without the password."""
    finding = await found(server.url(**change))
    assert finding.verdict is Verdict.FAILURE
    assert told in sentences_in(told_by(finding))
    assert "CONNECTOR_STORE" in finding.message


@pytest.mark.parametrize(
    "grants",
    [
        pytest.param((), id="may create no tables"),
        pytest.param(("GRANT USAGE ON SCHEMA closed TO guest_{number}",), id="may look only"),
    ],
)
async def test_who_may_not(
    server: postgres.Postgres, grants: tuple[str, ...], request: pytest.FixtureRequest
) -> None:
    """A user who may log in, and may not make the store's tables, is a failure that says so."""
    number = len(grants)
    said(
        server,
        "CREATE SCHEMA IF NOT EXISTS closed",
        f"CREATE USER guest_{number} PASSWORD '{postgres.PASSWORD}'",
        *(grant.format(number=number) for grant in grants),
    )
    url = f"{server.url(user=f'guest_{number}')}&options={quote('-csearch_path=closed')}"
    finding = await found(url)
    assert finding.verdict is Verdict.FAILURE
    assert "STORE_NO_RIGHTS" in sentences_in(told_by(finding))


async def test_a_user_who_may_read_only(server: postgres.Postgres) -> None:
    """Tables that are there and cannot be written to are a failure: a worker would pay twice."""
    said(server, "CREATE SCHEMA readable")
    owners = f"{server.url()}&options={quote('-csearch_path=readable')}"
    assert (await found(owners)).verdict is Verdict.OK
    said(
        server,
        f"CREATE USER reader PASSWORD '{postgres.PASSWORD}'",
        "GRANT USAGE ON SCHEMA readable TO reader",
        "GRANT SELECT ON ALL TABLES IN SCHEMA readable TO reader",
    )
    finding = await found(f"{server.url(user='reader')}&options={quote('-csearch_path=readable')}")
    assert finding.verdict is Verdict.FAILURE
    assert "STORE_NO_RIGHTS" in sentences_in(told_by(finding))


async def test_a_server_that_takes_no_more(server: postgres.Postgres) -> None:
    """A user without a connection left is a failure."""
    said(server, f"CREATE USER busy PASSWORD '{postgres.PASSWORD}' CONNECTION LIMIT 0")
    assert (await found(server.url(user="busy"))).verdict is Verdict.FAILURE


async def test_a_server_that_is_gone(server: postgres.Postgres) -> None:
    """A server that stopped is a failure, and well again after its start."""
    said(server, "CREATE SCHEMA IF NOT EXISTS back")
    url = f"{server.url()}&options={quote('-csearch_path=back')}"
    server.stop()
    try:
        finding = await found(url)
        assert finding.verdict is Verdict.FAILURE
        assert "STORE_NO_CONNECTION" in sentences_in(told_by(finding))
    finally:
        server.start()
    assert (await found(url)).verdict is Verdict.OK
