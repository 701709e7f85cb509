"""The store in PostgreSQL, which a fleet of workers shares."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from openai_connector import wording
from openai_connector.redaction import place_of
from openai_connector.store import StoreError
from openai_connector.store.charges import Counts, Place, Row, read, written
from openai_connector.store.tables import (
    LEAST,
    NEVER_OLD,
    USABLE_FROM,
    Call,
    Debt,
    Found,
    check_newer,
    check_version,
)
from openai_connector.wording import Sentence

if TYPE_CHECKING:
    import psycopg

MIGRATIONS: Final = (
    """
    CREATE TABLE openai_connector_calls (
        job_key bigint NOT NULL, fingerprint text NOT NULL, owner text, attempts integer NOT NULL,
        updated_at double precision NOT NULL, answer bytea, PRIMARY KEY (job_key, fingerprint));
    ALTER TABLE openai_connector_calls ALTER answer SET STORAGE EXTERNAL;
    CREATE TABLE openai_connector_owed (
        job_key bigint PRIMARY KEY, owner text NOT NULL, updated_at double precision NOT NULL,
        variables bytea NOT NULL);
    ALTER TABLE openai_connector_owed ALTER variables SET STORAGE EXTERNAL;
    CREATE TABLE openai_connector_owners (
        owner text PRIMARY KEY, process text NOT NULL, beaten_at double precision NOT NULL);
    CREATE TABLE openai_connector_shared (
        name text PRIMARY KEY, value text NOT NULL, updated_at double precision NOT NULL);
    """,
    """
    CREATE TABLE openai_connector_charges (
        id text PRIMARY KEY, job_key bigint NOT NULL, state text NOT NULL, owner text,
        updated_at double precision NOT NULL, data text NOT NULL);
    CREATE INDEX openai_connector_charges_by_job ON openai_connector_charges (job_key);
    CREATE INDEX openai_connector_charges_by_owner ON openai_connector_charges (owner)
        WHERE owner IS NOT NULL;
    CREATE TABLE openai_connector_budgets (
        key text PRIMARY KEY, spent numeric NOT NULL, updated_at double precision NOT NULL);
    CREATE TABLE openai_connector_totals (
        day text NOT NULL, process text NOT NULL, element text NOT NULL, model text NOT NULL,
        tenant text NOT NULL, currency text NOT NULL, part integer NOT NULL, calls bigint NOT NULL,
        input bigint NOT NULL, output bigint NOT NULL, amount numeric NOT NULL, lost bigint NOT NULL,
        lost_amount numeric NOT NULL, unpriced bigint NOT NULL,
        PRIMARY KEY (day, process, element, model, tenant, currency, part));
    """,
)
"""From each version of the tables to the next. Never change one that is released: add another."""
VERSION_TABLE: Final = "CREATE TABLE IF NOT EXISTS openai_connector_version (version integer NOT NULL)"
MIGRATION_LOCK: Final = 0x4F414953
SIZE_EVERY: Final = 30.0
CONNECTION: Final[Mapping[str, Any]] = {
    "application_name": "openai-connector",
    "connect_timeout": 5,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""What holds where the URL says nothing: a connection that hangs is known to after seconds."""
STATEMENT_TIMEOUT_MS: Final = 8000
IDLE_TIMEOUT_MS: Final = 4000
"""Shorter, so that whoever waits for a worker that stands still is not given up first."""
REFUSALS: Final = (
    (("connection is bad: invalid",), wording.STORE_URL),
    (("too many connections", "too many clients", "remaining connection slots"), wording.STORE_CROWDED),
    (("permission denied for database",), wording.STORE_NO_CONNECT),
    (
        ("authentication failed", "no password supplied", "no pg_hba.conf entry", "role "),
        wording.STORE_LOGIN,
    ),
    (("certificate", "SSL"), wording.STORE_TLS),  # a file of authorities may be what "does not exist"
    (("does not exist",), wording.STORE_NO_DATABASE),
)
"""What stands in the words of a connection that is refused; the first that is found counts."""
CAUSES: Final[Mapping[str, Sentence]] = {
    "28": wording.STORE_LOGIN,
    "3D": wording.STORE_NO_DATABASE,
    "42501": wording.STORE_NO_RIGHTS,
    "3F": wording.STORE_NO_RIGHTS,
    "25006": wording.STORE_READ_ONLY,
    "53100": wording.STORE_DISK_FULL,
    "53300": wording.STORE_CROWDED,
    "57014": wording.STORE_SLOW,
    "55P03": wording.STORE_SLOW,
    "08": wording.STORE_NO_CONNECTION,
    "53": wording.STORE_NO_CONNECTION,
    "57": wording.STORE_NO_CONNECTION,
}
"""By SQLSTATE, or by its class where none of it stands here."""
NOW: Final = "SELECT extract(epoch FROM clock_timestamp())::double precision"
KEYS: Final = "unnest(%s::bigint[], %s::text[]) AS given (job_key, fingerprint)"
SAME: Final = "calls.job_key = given.job_key AND calls.fingerprint = given.fingerprint"

NOT_YET: Final = "not yet"
"""The state of a charge that is about to be written: its id is locked so."""
COUNTS: Final = ("calls", "input", "output", "amount", "lost", "lost_amount", "unpriced")
TOTAL_TYPES: Final = ", ".join(
    ["%s::text[]"] * 6
    + [
        "%s::integer[]",
        *["%s::bigint[]"] * 3,
        "%s::numeric[]",
        "%s::bigint[]",
        "%s::numeric[]",
        "%s::bigint[]",
    ]
)


class PostgresTables:
    """The tables in PostgreSQL; `clock` replaces the server's own, which all workers share."""

    def __init__(
        self,
        url: str,
        *,
        clock: Callable[[], float] | None = None,
        migrations: Sequence[str] = MIGRATIONS,
        least: int = LEAST,
    ) -> None:
        self._url = url
        self._clock = clock
        self._migrations = migrations
        self._least = least
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self._cursor: psycopg.Cursor[tuple[Any, ...]] | None = None
        self._size = 0
        self._size_at: float | None = None

    # Opening and closing

    def open(self) -> str | None:
        """Connect, and bring the tables to this version."""
        self._connect()
        if not self._is_begun() or self._version() < len(self._migrations):
            self._migrate()
        return None

    def open_to_read(self) -> None:
        """Connect without a right to change anything."""
        self._connect()
        self._db.execute("SET default_transaction_read_only = on")
        check_version(self._version() if self._is_begun() else 0, len(self._migrations))

    def _connect(self) -> None:
        try:
            import psycopg
            from psycopg.conninfo import conninfo_to_dict
        except ImportError:
            raise StoreError(wording.STORE_NO_DRIVER()) from None
        try:
            given = conninfo_to_dict(self._url)
        except psycopg.ProgrammingError:
            raise StoreError(wording.STORE_URL()) from None
        # No prepared statements: a pooler in between may not keep a session for them.
        self._connection = psycopg.connect(**{**CONNECTION, **given}, autocommit=True, prepare_threshold=None)
        self._cursor = self._connection.cursor()  # a new one takes as long as most statements
        self._db.execute(f"SET statement_timeout = {STATEMENT_TIMEOUT_MS}")
        # A worker that stands still within a transaction must not hold the rows of all others' budgets.
        self._db.execute(f"SET idle_in_transaction_session_timeout = {IDLE_TIMEOUT_MS}")
        self._size_at = None

    def _is_begun(self) -> bool:
        (is_begun,) = self._row("SELECT to_regclass('openai_connector_version') IS NOT NULL")
        return bool(is_begun)

    def _version(self) -> int:
        row = self._db.execute("SELECT version FROM openai_connector_version").fetchone()
        version = int(row[0]) if row else 0
        if version > len(self._migrations):
            usable_from = self.read_shared(USABLE_FROM, is_to_change=False)
            check_newer(version, len(self._migrations), usable_from)
        return version

    def _migrate(self) -> None:
        with self.transaction():
            self._db.execute("SELECT pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
            self._db.execute(VERSION_TABLE)
            version = self._version()
            if version >= len(self._migrations):
                return  # another worker was faster
            for script in self._migrations[version:]:
                self._db.execute(script.encode())
            self._db.execute("DELETE FROM openai_connector_version")
            self._db.execute("INSERT INTO openai_connector_version VALUES (%s)", (len(self._migrations),))
            self.write_shared(USABLE_FROM, str(self._least), NEVER_OLD)

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.close()

    @property
    def _db(self) -> psycopg.Connection[tuple[Any, ...]]:
        assert self._connection is not None
        return self._connection

    def _row(self, statement: str, parameters: Sequence[object] = ()) -> tuple[Any, ...]:
        row: tuple[Any, ...] | None = self._run(statement, *parameters).fetchone()
        assert row is not None
        return row

    def _run(self, statement: str, *parameters: object) -> psycopg.Cursor[tuple[Any, ...]]:
        """Execute a statement; its rows are there until the next one."""
        assert self._cursor is not None
        return self._cursor.execute(statement.encode(), parameters)

    def explain(self, error: Exception) -> StoreError:
        """Return what is wrong and what to do."""
        state = getattr(error, "sqlstate", None)
        if state:
            cause = CAUSES.get(state) or CAUSES.get(state[:2])
            return StoreError(cause() if cause else wording.STORE_FAILED(kind=f"SQLSTATE {state}"))
        if not type(error).__module__.startswith("psycopg"):
            return StoreError(wording.STORE_BUG(place=place_of(error)))
        if type(error).__name__ == "ProgrammingError":  # without a state: of a parameter
            return StoreError(wording.STORE_URL())
        return StoreError(_refusal(str(error))())

    def is_worth_repeating(self, error: Exception) -> bool:
        """Return whether two transactions have been in each other's way, or the connection has gone."""
        return not self.is_connected or str(getattr(error, "sqlstate", None) or "").startswith("40")

    @property
    def is_connected(self) -> bool:
        """Whether the connection still holds, as far as is known."""
        return self._connection is not None and not self._connection.closed

    def transaction(self) -> AbstractContextManager[object]:
        """Begin a transaction."""
        transaction: AbstractContextManager[object] = self._db.transaction()
        return transaction

    def check(self) -> None:
        """Do nothing: the connection itself tells."""

    def tidy(self) -> None:
        """Do nothing: the server does."""

    def now(self) -> float:
        """Return the server's time."""
        return float(self._row(NOW)[0]) if self._clock is None else self._clock()

    def size(self) -> int:
        """Return the bytes stored: counted now and then, and this worker's own at once."""
        if self._size_at is None or time.monotonic() - self._size_at > SIZE_EVERY:
            (size,) = self._row(
                "SELECT (SELECT coalesce(sum(octet_length(answer)), 0) FROM openai_connector_calls)"
                " + (SELECT coalesce(sum(octet_length(variables)), 0) FROM openai_connector_owed)"
            )
            self._size, self._size_at = int(size), time.monotonic()
        return self._size

    # Calls

    def begin(self, calls: Sequence[Call], owner: str, now: float) -> set[Call]:
        """Write intents where nothing is stored; return those written."""
        rows = self._run(
            f"INSERT INTO openai_connector_calls SELECT job_key, fingerprint, %s, 1, %s, NULL FROM {KEYS} "
            "ON CONFLICT DO NOTHING RETURNING job_key, fingerprint",
            owner,
            now,
            *_columns(calls),
        )
        return {(job_key, fingerprint) for job_key, fingerprint in rows}

    def find(self, calls: Sequence[Call]) -> dict[Call, Found]:
        """Return what is stored, and lock it."""
        rows = self._run(
            "SELECT calls.job_key, calls.fingerprint, calls.owner, attempts, answer "
            f"FROM openai_connector_calls AS calls JOIN {KEYS} ON {SAME} "
            "ORDER BY calls.job_key, calls.fingerprint FOR UPDATE OF calls",
            *_columns(calls),
        ).fetchall()
        signs = self._signs({owner for _, _, owner, _, _ in rows if owner})
        return {
            (job_key, fingerprint): Found(owner, attempts, answer, *signs.get(owner, (None, None)))
            for job_key, fingerprint, owner, attempts, answer in rows
        }

    def _signs(self, owners: set[str]) -> dict[str, tuple[float, str]]:
        """Return the signs of life of owners.

        Not joined to the rows above: where these were waited for, a join pairs the changed row with owners as
        they were before the wait, and a living owner would be missing.
        """
        if not owners:
            return {}
        read = "SELECT owner, beaten_at, process FROM openai_connector_owners WHERE owner = ANY(%s)"
        return {owner: (beaten_at, process) for owner, beaten_at, process in self._run(read, list(owners))}

    def take_over(self, calls: Sequence[Call], owner: str, now: float) -> None:
        """Make calls this owner's, without an answer, and count an attempt."""
        self._run(
            "UPDATE openai_connector_calls AS calls "
            "SET owner = %s, attempts = attempts + 1, updated_at = %s, answer = NULL "
            f"FROM {KEYS} WHERE {SAME}",
            owner,
            now,
            *_columns(calls),
        )

    def keep(self, answers: Sequence[tuple[int, str, bytes]], owner: str, now: float) -> None:
        """Store answers, and end the intents."""
        keys, fingerprints, data = (list(column) for column in zip(*answers, strict=True))
        self._run(
            "INSERT INTO openai_connector_calls AS calls SELECT job_key, fingerprint, NULL, 0, %s, answer "
            "FROM unnest(%b::bigint[], %b::text[], %b::bytea[]) AS given (job_key, fingerprint, answer) "
            "ON CONFLICT (job_key, fingerprint) DO UPDATE SET owner = NULL, answer = excluded.answer, "
            "updated_at = excluded.updated_at, "
            "attempts = calls.attempts - (calls.owner IS NOT DISTINCT FROM %s)::int",
            now,
            keys,
            fingerprints,
            data,
            owner,
        )
        self._size += sum(map(len, data))

    def release(self, calls: Sequence[Call], owner: str) -> None:
        """End intents of this owner that have no answer."""
        ours = f"{SAME} AND owner = %s AND answer IS NULL"
        self._run(
            f"DELETE FROM openai_connector_calls AS calls USING {KEYS} WHERE {ours} AND attempts <= 1",
            *_columns(calls),
            owner,
        )
        self._run(
            "UPDATE openai_connector_calls AS calls SET owner = NULL, attempts = attempts - 1 "
            f"FROM {KEYS} WHERE {ours}",
            *_columns(calls),
            owner,
        )

    # Jobs

    def owe(self, completions: Sequence[tuple[int, bytes]], owner: str, now: float) -> None:
        """Store completions."""
        keys, data = (list(column) for column in zip(*completions, strict=True))
        self._run(
            "INSERT INTO openai_connector_owed SELECT job_key, %s, %s, variables "
            "FROM unnest(%b::bigint[], %b::bytea[]) AS given (job_key, variables) "
            "ON CONFLICT (job_key) DO UPDATE SET owner = excluded.owner, updated_at = excluded.updated_at, "
            "variables = excluded.variables",
            owner,
            now,
            keys,
            data,
        )
        self._size += sum(map(len, data))

    def forget(self, job_keys: Sequence[int]) -> None:
        """Remove all of these jobs."""
        self._run(
            "WITH owed AS (DELETE FROM openai_connector_owed WHERE job_key = ANY(%s)) "
            "DELETE FROM openai_connector_calls WHERE job_key = ANY(%s)",
            list(job_keys),
            list(job_keys),
        )

    def debts(self, owner: str) -> list[Debt]:
        """Return what others owe, the oldest first; what somebody else takes at this moment is left out."""
        rows = self._run(
            "SELECT job_key, octet_length(variables), owner FROM openai_connector_owed WHERE owner <> %s "
            "ORDER BY updated_at FOR UPDATE SKIP LOCKED",
            owner,
        ).fetchall()
        signs = self._signs({owner for _, _, owner in rows})
        return [Debt(job_key, size, *signs.get(owner, (None, None))) for job_key, size, owner in rows]

    def adopt(self, job_keys: Sequence[int], owner: str) -> Mapping[int, bytes]:
        """Make completions this owner's, and return them."""
        rows = self._run(
            "UPDATE openai_connector_owed SET owner = %s WHERE job_key = ANY(%s) "
            "RETURNING job_key, variables",
            owner,
            list(job_keys),
        )
        return {job_key: bytes(variables) for job_key, variables in rows}

    # Owners, age, shared values

    def beat(self, owner: str, process: str, now: float) -> None:
        """Give a sign of life."""
        self._run(
            "INSERT INTO openai_connector_owners VALUES (%s, %s, %s) "
            "ON CONFLICT (owner) DO UPDATE SET beaten_at = excluded.beaten_at",
            owner,
            process,
            now,
        )

    def retire(self, owner: str) -> None:
        """Remove an owner."""
        self._run("DELETE FROM openai_connector_owners WHERE owner = %s", owner)

    def purge(self, before: float, owners_before: float) -> int:
        """Remove what is older; return how many answers went."""
        self._run("DELETE FROM openai_connector_owners WHERE beaten_at < %s", owners_before)
        count: int = self._run(
            "DELETE FROM openai_connector_calls WHERE updated_at < %s AND answer IS NOT NULL", before
        ).rowcount
        self._run(
            "DELETE FROM openai_connector_calls WHERE updated_at < %s AND (owner IS NULL OR owner NOT IN "
            "(SELECT owner FROM openai_connector_owners))",
            before,
        )
        for table in ("owed", "shared"):
            self._run(f"DELETE FROM openai_connector_{table} WHERE updated_at < %s", before)
        return count

    def read_shared(self, name: str, *, is_to_change: bool) -> str | None:
        """Return a shared value; where it is to be changed, lock it."""
        if is_to_change:  # a lock by name: the row may not be there yet
            self._run("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", MIGRATION_LOCK, name)
        row = self._run("SELECT value FROM openai_connector_shared WHERE name = %s", name).fetchone()
        return None if row is None else str(row[0])

    def write_shared(self, name: str, value: str, now: float) -> None:
        """Store a shared value."""
        self._run(
            "INSERT INTO openai_connector_shared VALUES (%s, %s, %s) ON CONFLICT (name) "
            "DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at",
            name,
            value,
            now,
        )

    # Charges, budgets, totals

    def read_charges(self, ids: Sequence[str]) -> dict[str, Row]:
        """Return charges, and lock their ids: also those that are not there yet."""
        self._run(
            "INSERT INTO openai_connector_charges SELECT id, 0, %s, NULL, 0, '' "
            "FROM unnest(%s::text[]) AS id ON CONFLICT DO NOTHING",
            NOT_YET,
            list(ids),
        )
        rows = self._charges("id = ANY(%s) ORDER BY id", list(ids))
        return {row.charge.id: row for row in rows}

    def end_charges(self, job_keys: Sequence[int]) -> list[Row]:
        """Remove the paid charges of jobs that nobody else knows; return their others, and lock them."""
        own = "state = 'paid' AND strpos(id, ' ') = 0"
        rows = self._run(
            f"WITH gone AS (DELETE FROM openai_connector_charges WHERE job_key = ANY(%s) AND {own}) "
            "SELECT data, id, state, owner FROM openai_connector_charges "
            f"WHERE job_key = ANY(%s) AND NOT ({own}) ORDER BY id FOR UPDATE",
            list(job_keys),
            list(job_keys),
        )
        return [read(*row) for row in rows if row[2] != NOT_YET]

    def charges_of_owners(self, owners: Sequence[str], most: int) -> list[Row]:
        """Return open charges of owners, and lock them."""
        return self._charges("owner = ANY(%s) ORDER BY id LIMIT %s", list(owners), most)

    def charges_waiting(self, before: float, most: int) -> list[Row]:
        """Return older open charges that have no owner, and lock them."""
        where = "owner IS NULL AND state = 'open' AND updated_at < %s ORDER BY id LIMIT %s"
        return self._charges(where, before, most)

    def _charges(self, where: str, *parameters: object) -> list[Row]:
        rows = self._run(
            f"SELECT data, id, state, owner FROM openai_connector_charges WHERE {where} FOR UPDATE",
            *parameters,
        )
        return [read(*row) for row in rows if row[2] != NOT_YET]

    def charge_owners(self) -> list[tuple[str, float | None, str | None]]:
        """Return who has open charges."""
        found = self._run("SELECT DISTINCT owner FROM openai_connector_charges WHERE owner IS NOT NULL")
        owners = {owner for (owner,) in found}
        signs = self._signs(owners)
        return [(owner, *signs.get(owner, (None, None))) for owner in sorted(owners)]

    def write_charges(self, rows: Sequence[Row], now: float) -> None:
        """Store charges."""
        self._run(
            "INSERT INTO openai_connector_charges SELECT id, job_key, state, owner, %s, data "
            "FROM unnest(%s::text[], %s::bigint[], %s::text[], %s::text[], %s::text[]) "
            "AS given (id, job_key, state, owner, data) ON CONFLICT (id) DO UPDATE SET "
            "job_key = excluded.job_key, state = excluded.state, owner = excluded.owner, "
            "updated_at = excluded.updated_at, data = excluded.data",
            now,
            [row.charge.id for row in rows],
            [row.charge.job_key for row in rows],
            [str(row.state) for row in rows],
            [row.owner for row in rows],
            [written(row) for row in rows],
        )

    def remove_charges(self, ids: Sequence[str]) -> None:
        """Remove charges."""
        self._run("DELETE FROM openai_connector_charges WHERE id = ANY(%s)", list(ids))

    def read_budgets(self, keys: Sequence[str]) -> dict[str, Decimal]:
        """Return what is spent of budgets, and lock it: also where nothing is yet."""
        self._run(
            "INSERT INTO openai_connector_budgets SELECT key, 0, 0 FROM unnest(%s::text[]) AS key "
            "ON CONFLICT DO NOTHING",
            list(keys),
        )
        lock = "SELECT key, spent FROM openai_connector_budgets WHERE key = ANY(%s) ORDER BY key FOR UPDATE"
        return dict(self._run(lock, list(keys)).fetchall())

    def budgets(self, keys: Sequence[str]) -> dict[str, Decimal]:
        """Return what is spent of budgets."""
        found = "SELECT key, spent FROM openai_connector_budgets WHERE key = ANY(%s)"
        return dict(self._run(found, list(keys)).fetchall())

    def add_to_budgets(self, amounts: Mapping[str, Decimal], now: float) -> None:
        """Add to what is spent of budgets."""
        self._run(
            "UPDATE openai_connector_budgets AS budgets SET spent = spent + given.amount, updated_at = %s "
            "FROM unnest(%s::text[], %s::numeric[]) AS given (key, amount) WHERE budgets.key = given.key",
            now,
            list(amounts),
            list(amounts.values()),
        )

    def add_to_totals(self, changes: Sequence[tuple[Place, Counts]], part: int) -> None:
        """Add to this worker's part of totals: one row that all wrote would have each wait for the others."""
        rows = [(*place, part, *counts.values()) for place, counts in changes]
        self._run(
            f"INSERT INTO openai_connector_totals AS totals SELECT * FROM unnest({TOTAL_TYPES}) "
            "ON CONFLICT (day, process, element, model, tenant, currency, part) DO UPDATE SET "
            + ", ".join(f"{name} = totals.{name} + excluded.{name}" for name in COUNTS),
            *(list(column) for column in zip(*rows, strict=True)),
        )

    def totals(self, since: str) -> list[tuple[Place, Counts]]:
        """Return the totals since a day, in parts."""
        found = f"SELECT day, process, element, model, tenant, currency, {', '.join(COUNTS)} "
        rows = self._run(f"{found} FROM openai_connector_totals WHERE day >= %s", since)
        return [(Place(*row[:6]), Counts(*row[6:])) for row in rows]

    def purge_charges(self, before: float, ended_before: float) -> None:
        """Remove older charges that are counted, and earlier those whose job has ended."""
        self._run("DELETE FROM openai_connector_charges WHERE state <> 'open' AND updated_at < %s", before)
        ended = "job_key = 0 AND state = 'paid' AND updated_at < %s"
        self._run(f"DELETE FROM openai_connector_charges WHERE {ended}", ended_before)

    def purge_totals(self, day: str, before: float) -> None:
        """Remove totals of earlier days, and budgets of earlier times."""
        self._run("DELETE FROM openai_connector_totals WHERE day < %s", day)
        self._run("DELETE FROM openai_connector_budgets WHERE updated_at < %s", before)


def _columns(calls: Sequence[Call]) -> tuple[list[int], list[str]]:
    return [job_key for job_key, _ in calls], [fingerprint for _, fingerprint in calls]


def _refusal(words: str) -> Sentence:
    """Return the sentence for a connection that was refused: the driver has no code for it, only words."""
    found = (sentence for known, sentence in REFUSALS if any(part in words for part in known))
    return next(found, wording.STORE_NO_CONNECTION)
