"""The store in one file of this machine, which several workers on it may share."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any, Final

from openai_connector import wording
from openai_connector.redaction import place_of
from openai_connector.store import StoreError
from openai_connector.store.charges import EXACT, Counts, Place, Row, read, written
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

APPLICATION_ID: Final = 0x4F414953  # so that another program's file is not taken for a store
MIGRATIONS: Final = (
    """
    CREATE TABLE calls (
        job_key INTEGER NOT NULL, fingerprint TEXT NOT NULL, owner TEXT, attempts INTEGER NOT NULL,
        updated_at REAL NOT NULL, answer BLOB, PRIMARY KEY (job_key, fingerprint));
    CREATE TABLE owed (
        job_key INTEGER PRIMARY KEY, owner TEXT NOT NULL, updated_at REAL NOT NULL, variables BLOB NOT NULL);
    CREATE TABLE owners (owner TEXT PRIMARY KEY, process TEXT NOT NULL, beaten_at REAL NOT NULL);
    CREATE TABLE shared (name TEXT PRIMARY KEY, value TEXT NOT NULL, updated_at REAL NOT NULL);
    """,
    """
    CREATE TABLE charges (
        id TEXT PRIMARY KEY, job_key INTEGER NOT NULL, state TEXT NOT NULL, owner TEXT,
        updated_at REAL NOT NULL, data TEXT NOT NULL);
    CREATE INDEX charges_by_job ON charges (job_key);
    CREATE INDEX charges_by_owner ON charges (owner) WHERE owner IS NOT NULL;
    CREATE TABLE budgets (key TEXT PRIMARY KEY, spent TEXT NOT NULL, updated_at REAL NOT NULL);
    CREATE TABLE totals (
        day TEXT NOT NULL, process TEXT NOT NULL, element TEXT NOT NULL, model TEXT NOT NULL,
        tenant TEXT NOT NULL, currency TEXT NOT NULL, calls INTEGER NOT NULL, input INTEGER NOT NULL,
        output INTEGER NOT NULL, amount TEXT NOT NULL, lost INTEGER NOT NULL, lost_amount TEXT NOT NULL,
        unpriced INTEGER NOT NULL, PRIMARY KEY (day, process, element, model, tenant, currency));
    """,
)
"""From each version of the tables to the next. Never change one that is released: add another."""
# Columns are named in every statement: a newer worker may have added some.
TOTALS: Final = (
    "day, process, element, model, tenant, currency, "
    "calls, input, output, amount, lost, lost_amount, unpriced"
)
BUSY_TIMEOUT: Final = 5.0
PRIMARY: Final = 0xFF  # of an error code of SQLite, whose higher bits tell more
PRAGMAS: Final = (
    "PRAGMA auto_vacuum = INCREMENTAL",  # only has an effect before the first table
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # an answer that is kept survives a power cut
    "PRAGMA secure_delete = ON",  # a deleted answer is overwritten
    "PRAGMA temp_store = MEMORY",
)
CAUSES: Final = {
    sqlite3.SQLITE_BUSY: wording.STORE_LOCKED,
    sqlite3.SQLITE_LOCKED: wording.STORE_LOCKED,
    sqlite3.SQLITE_FULL: wording.STORE_DISK_FULL,
    sqlite3.SQLITE_IOERR: wording.STORE_DISK_FAILED,
    sqlite3.SQLITE_CORRUPT: wording.STORE_DAMAGED,
    sqlite3.SQLITE_NOTADB: wording.STORE_DAMAGED,
    sqlite3.SQLITE_CANTOPEN: wording.STORE_NOT_WRITABLE,
    sqlite3.SQLITE_PERM: wording.STORE_NOT_WRITABLE,
    sqlite3.SQLITE_READONLY: wording.STORE_NOT_WRITABLE,
}
BUSY: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
PAUSE: Final = 0.02
WRONG_KIND: Final = (NotADirectoryError, FileExistsError, IsADirectoryError)
"""What opening a file tells of a file or folder that stands in the other's place."""
UNREADABLE: Final = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY)
"""Codes of a file that this user may not read, or beside which SQLite cannot make the files that it needs."""
DAMAGE: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class SqliteTables:
    """The tables in a file; `clock` is the time in seconds that all workers on this machine share."""

    def __init__(
        self,
        file: Path,
        *,
        clock: Callable[[], float] = time.time,
        migrations: Sequence[str] = MIGRATIONS,
        least: int = LEAST,
        busy_timeout: float = BUSY_TIMEOUT,
    ) -> None:
        self._file = file
        self._clock = clock
        self._migrations = migrations
        self._least = least
        self._busy_timeout = busy_timeout
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        self._is_damaged = False
        self._aside: str | None = None

    # Opening and closing

    def open(self) -> str | None:
        """Open the file; a damaged one is moved aside, and a new one begun: return its name now."""
        if self._is_damaged:
            self._move_aside()
        try:
            self._open_patiently()
        except sqlite3.DatabaseError as error:
            if _code(error) not in DAMAGE:
                raise
            self._move_aside()
            self._open_patiently()
        aside, self._aside = self._aside, None
        return aside

    def _open_patiently(self) -> None:
        """Open the file; while others begin it too, try again: SQLite does not wait for its journal."""
        until = time.monotonic() + self._busy_timeout
        while True:
            try:
                return self._open()
            except sqlite3.OperationalError as error:
                if _code(error) not in BUSY or time.monotonic() > until:
                    raise
            self.close()
            time.sleep(PAUSE)

    def _open(self) -> None:
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._inode = os.fstat(descriptor).st_ino
            with contextlib.suppress(OSError, AttributeError):  # another user's file, or Windows
                os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)
        connection = sqlite3.connect(
            self._file,
            timeout=self._busy_timeout,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=64,
        )
        self._connection = connection
        self._check_kind()
        for pragma in PRAGMAS:
            connection.execute(pragma)
        if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            error = sqlite3.DatabaseError("quick_check")
            error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise error
        self._migrate()

    def open_to_read(self) -> None:
        """Open the file without a right to change it."""
        address = f"{self._file.absolute().as_uri()}?mode=ro"
        try:
            self._connection = sqlite3.connect(
                address, uri=True, timeout=self._busy_timeout, isolation_level=None
            )
            self._check_kind()
        except sqlite3.OperationalError as error:
            if _code(error) in UNREADABLE:
                raise StoreError(wording.STORE_NOT_READABLE()) from None
            raise
        check_version(self._version(), len(self._migrations))

    def _check_kind(self) -> None:
        """Raise where the file is a database of something else: it must not be touched."""
        # In this order: another worker may make the tables, and give the file its kind with them, in between.
        is_filled = self._value("SELECT count(*) FROM sqlite_master") > 0
        application = self._value("PRAGMA application_id")
        if application != APPLICATION_ID and (application or is_filled):
            raise StoreError(wording.STORE_OTHER_FILE())
        self._version()

    def _version(self) -> int:
        version = self._value("PRAGMA user_version")
        if version > len(self._migrations):
            usable_from = self.read_shared(USABLE_FROM, is_to_change=False)
            check_newer(version, len(self._migrations), usable_from)
        return version

    def _migrate(self) -> None:
        if self._version() >= len(self._migrations):
            return
        with self.transaction():
            version = self._version()
            if version >= len(self._migrations):
                return  # another worker was faster
            for script in self._migrations[version:]:
                for statement in script.split(";"):
                    self._db.execute(statement)
            self._db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            self._db.execute(f"PRAGMA user_version = {len(self._migrations)}")
            self.write_shared(USABLE_FROM, str(self._least), NEVER_OLD)

    def _value(self, statement: str) -> int:
        (value,) = self._db.execute(statement).fetchone()
        return int(value)

    def _move_aside(self) -> None:
        inode = self._inode
        self.close()
        self._is_damaged = False
        if not self._file.exists() or self._file.stat().st_ino != inode:
            return  # another worker has done it
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        aside = self._file.with_name(f"{self._file.name}.damaged-{stamp}")
        for end in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.replace(f"{self._file}{end}", f"{aside}{end}")
        self._aside = aside.name

    def close(self) -> None:
        """Close the file."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    @property
    def _db(self) -> sqlite3.Connection:
        assert self._connection is not None
        return self._connection

    def explain(self, error: Exception) -> StoreError:
        """Return what is wrong and what to do."""
        if isinstance(error, sqlite3.Error):
            code = _code(error)
            self._is_damaged = self._is_damaged or code in DAMAGE
            if code in CAUSES:
                return StoreError(CAUSES[code]())
        if isinstance(error, WRONG_KIND):
            return StoreError(wording.STORE_WRONG_KIND())
        if isinstance(error, OSError):
            is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            return StoreError((wording.STORE_DISK_FULL if is_full else wording.STORE_NOT_WRITABLE)())
        if isinstance(error, sqlite3.Error):
            return StoreError(wording.STORE_FAILED(kind=type(error).__name__))
        return StoreError(wording.STORE_BUG(place=place_of(error)))

    def is_worth_repeating(self, error: Exception) -> bool:
        """Return False: SQLite waits by itself."""
        return False

    @property
    def is_connected(self) -> bool:
        """Whether the file is open."""
        return self._connection is not None

    def transaction(self) -> AbstractContextManager[object]:
        """Begin a transaction that nobody else writes beside."""
        return _transaction(self._db)

    def check(self) -> None:
        """Raise where another file, or none, has the name now."""
        try:
            is_same = self._file.stat().st_ino == self._inode
        except FileNotFoundError:
            is_same = False
        if not is_same:
            raise StoreError(wording.STORE_REPLACED())

    def tidy(self) -> None:
        """Give free pages back, and what was deleted out of the log."""
        # Without waiting for others, who may read for long: it is done the next time then.
        self._db.execute("PRAGMA busy_timeout = 0").fetchall()
        try:
            self._db.execute("PRAGMA incremental_vacuum(1000)").fetchall()
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.OperationalError as error:
            if _code(error) not in BUSY:
                raise
        finally:
            self._db.execute(f"PRAGMA busy_timeout = {round(self._busy_timeout * 1000)}").fetchall()

    def now(self) -> float:
        """Return the time of this machine."""
        return self._clock()

    def size(self) -> int:
        """Return the bytes of the pages in use."""
        pages = self._value("PRAGMA page_count") - self._value("PRAGMA freelist_count")
        return pages * self._value("PRAGMA page_size")

    # Calls

    def begin(self, calls: Sequence[Call], owner: str, now: float) -> set[Call]:
        """Write intents where nothing is stored; return those written."""
        execute = self._db.execute
        statement = (
            "INSERT OR IGNORE INTO calls (job_key, fingerprint, owner, attempts, updated_at) "
            "VALUES (?, ?, ?, 1, ?)"
        )
        return {call for call in calls if execute(statement, (*call, owner, now)).rowcount}

    def find(self, calls: Sequence[Call]) -> dict[Call, Found]:
        """Return what is stored."""
        found: dict[Call, Found] = {}
        for call in calls:
            row = self._db.execute(
                "SELECT calls.owner, attempts, answer, beaten_at, process FROM calls "
                "LEFT JOIN owners ON owners.owner = calls.owner WHERE job_key = ? AND fingerprint = ?",
                call,
            ).fetchone()
            if row is not None:
                found[call] = Found(*row)
        return found

    def take_over(self, calls: Sequence[Call], owner: str, now: float) -> None:
        """Make calls this owner's, without an answer, and count an attempt."""
        self._db.executemany(
            "UPDATE calls SET owner = ?, attempts = attempts + 1, updated_at = ?, answer = NULL "
            "WHERE job_key = ? AND fingerprint = ?",
            [(owner, now, *call) for call in calls],
        )

    def keep(self, answers: Sequence[tuple[int, str, bytes]], owner: str, now: float) -> None:
        """Store answers, and end the intents."""
        self._db.executemany(
            "INSERT INTO calls (job_key, fingerprint, owner, attempts, updated_at, answer) "
            "VALUES (?, ?, NULL, 0, ?, ?) ON CONFLICT DO UPDATE SET "
            "attempts = attempts - (owner IS ?), owner = NULL, updated_at = excluded.updated_at, "
            "answer = excluded.answer",
            [(job_key, fingerprint, now, data, owner) for job_key, fingerprint, data in answers],
        )

    def release(self, calls: Sequence[Call], owner: str) -> None:
        """End intents of this owner that have no answer."""
        ours = "WHERE job_key = ? AND fingerprint = ? AND owner = ? AND answer IS NULL"
        rows = [(*call, owner) for call in calls]
        self._db.executemany(f"DELETE FROM calls {ours} AND attempts <= 1", rows)
        self._db.executemany(f"UPDATE calls SET owner = NULL, attempts = attempts - 1 {ours}", rows)

    # Jobs

    def owe(self, completions: Sequence[tuple[int, bytes]], owner: str, now: float) -> None:
        """Store completions."""
        self._db.executemany(
            "INSERT OR REPLACE INTO owed (job_key, owner, updated_at, variables) VALUES (?, ?, ?, ?)",
            [(job_key, owner, now, data) for job_key, data in completions],
        )

    def forget(self, job_keys: Sequence[int]) -> None:
        """Remove all of these jobs."""
        rows = [(job_key,) for job_key in job_keys]
        self._db.executemany("DELETE FROM calls WHERE job_key = ?", rows)
        self._db.executemany("DELETE FROM owed WHERE job_key = ?", rows)

    def debts(self, owner: str) -> list[Debt]:
        """Return what others owe, the oldest first."""
        rows = self._db.execute(
            "SELECT job_key, length(variables), beaten_at, process FROM owed "
            "LEFT JOIN owners ON owners.owner = owed.owner WHERE owed.owner <> ? ORDER BY updated_at",
            (owner,),
        )
        return [Debt(*row) for row in rows]

    def adopt(self, job_keys: Sequence[int], owner: str) -> Mapping[int, bytes]:
        """Make completions this owner's, and return them."""
        self._db.executemany(
            "UPDATE owed SET owner = ? WHERE job_key = ?", [(owner, job_key) for job_key in job_keys]
        )
        read = "SELECT variables FROM owed WHERE job_key = ?"
        return {job_key: self._db.execute(read, (job_key,)).fetchone()[0] for job_key in job_keys}

    # Owners, age, shared values

    def beat(self, owner: str, process: str, now: float) -> None:
        """Give a sign of life."""
        self._db.execute(
            "INSERT OR REPLACE INTO owners (owner, process, beaten_at) VALUES (?, ?, ?)",
            (owner, process, now),
        )

    def retire(self, owner: str) -> None:
        """Remove an owner."""
        self._db.execute("DELETE FROM owners WHERE owner = ?", (owner,))

    def purge(self, before: float, owners_before: float) -> int:
        """Remove what is older; return how many answers went."""
        execute = self._db.execute
        execute("DELETE FROM owners WHERE beaten_at < ?", (owners_before,))
        count = execute("DELETE FROM calls WHERE updated_at < ? AND answer IS NOT NULL", (before,)).rowcount
        execute(
            "DELETE FROM calls WHERE updated_at < ? AND (owner IS NULL OR owner NOT IN "
            "(SELECT owner FROM owners))",
            (before,),
        )
        execute("DELETE FROM owed WHERE updated_at < ?", (before,))
        execute("DELETE FROM shared WHERE updated_at < ?", (before,))
        return count

    def read_shared(self, name: str, *, is_to_change: bool) -> str | None:
        """Return a shared value."""
        row = self._db.execute("SELECT value FROM shared WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def write_shared(self, name: str, value: str, now: float) -> None:
        """Store a shared value."""
        self._db.execute(
            "INSERT OR REPLACE INTO shared (name, value, updated_at) VALUES (?, ?, ?)", (name, value, now)
        )

    # Charges, budgets, totals

    def read_charges(self, ids: Sequence[str]) -> dict[str, Row]:
        """Return charges."""
        return {row.charge.id: row for id_ in ids for row in self._charges("id = ?", id_)}

    def end_charges(self, job_keys: Sequence[int]) -> list[Row]:
        """Remove the paid charges of jobs that nobody else knows; return their others."""
        self._db.executemany(
            "DELETE FROM charges WHERE job_key = ? AND state = 'paid' AND instr(id, ' ') = 0",
            [(job_key,) for job_key in job_keys],
        )
        return [row for job_key in job_keys for row in self._charges("job_key = ?", job_key)]

    def charges_of_owners(self, owners: Sequence[str], most: int) -> list[Row]:
        """Return open charges of owners."""
        return [row for owner in owners for row in self._charges("owner = ?", owner, most)][:most]

    def charges_waiting(self, before: float, most: int) -> list[Row]:
        """Return older open charges that have no owner."""
        return self._charges("owner IS NULL AND state = 'open' AND updated_at < ?", before, most)

    def _charges(self, where: str, value: object, most: int = -1) -> list[Row]:
        read_ = f"SELECT data, id, state, owner FROM charges WHERE {where} LIMIT ?"
        return [read(*row) for row in self._db.execute(read_, (value, most))]

    def charge_owners(self) -> list[tuple[str, float | None, str | None]]:
        """Return who has open charges."""
        return self._db.execute(
            "SELECT DISTINCT charges.owner, beaten_at, process FROM charges "
            "LEFT JOIN owners ON owners.owner = charges.owner WHERE charges.owner IS NOT NULL"
        ).fetchall()

    def write_charges(self, rows: Sequence[Row], now: float) -> None:
        """Store charges."""
        self._db.executemany(
            "INSERT OR REPLACE INTO charges (id, job_key, state, owner, updated_at, data) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            [(row.charge.id, row.charge.job_key, row.state, row.owner, now, written(row)) for row in rows],
        )

    def remove_charges(self, ids: Sequence[str]) -> None:
        """Remove charges."""
        self._db.executemany("DELETE FROM charges WHERE id = ?", [(id_,) for id_ in ids])

    def read_budgets(self, keys: Sequence[str]) -> dict[str, Decimal]:
        """Return what is spent of budgets."""
        found = {
            key: self._db.execute("SELECT spent FROM budgets WHERE key = ?", (key,)).fetchone()
            for key in keys
        }
        return {key: Decimal(row[0]) for key, row in found.items() if row is not None}

    def budgets(self, keys: Sequence[str]) -> dict[str, Decimal]:
        """Return what is spent of budgets."""
        return self.read_budgets(keys)

    def add_to_budgets(self, amounts: Mapping[str, Decimal], now: float) -> None:
        """Add to what is spent of budgets."""
        spent = self.read_budgets(list(amounts))
        with localcontext(EXACT):
            rows = [(key, str(spent.get(key, 0) + amount), now) for key, amount in amounts.items()]
        self._db.executemany("INSERT OR REPLACE INTO budgets (key, spent, updated_at) VALUES (?, ?, ?)", rows)

    def add_to_totals(self, changes: Sequence[tuple[Place, Counts]], part: int) -> None:
        """Add to totals."""
        found = (
            f"SELECT {TOTALS} FROM totals WHERE day = ? AND process = ? AND element = ? AND model = ? "
            "AND tenant = ? AND currency = ?"
        )
        for place, counts in changes:
            row = self._db.execute(found, place).fetchone()
            sums = counts if row is None else _total(row)[1].plus(counts)
            values = [str(value) if isinstance(value, Decimal) else value for value in sums.values()]
            self._db.execute(
                f"INSERT OR REPLACE INTO totals ({TOTALS}) VALUES ({', '.join('?' * 13)})", (*place, *values)
            )

    def totals(self, since: str) -> list[tuple[Place, Counts]]:
        """Return the totals since a day."""
        found = f"SELECT {TOTALS} FROM totals WHERE day >= ?"
        return [_total(row) for row in self._db.execute(found, (since,))]

    def purge_charges(self, before: float, ended_before: float) -> None:
        """Remove older charges that are counted, and earlier those whose job has ended."""
        self._db.execute("DELETE FROM charges WHERE state <> 'open' AND updated_at < ?", (before,))
        ended = "DELETE FROM charges WHERE job_key = 0 AND state = 'paid' AND updated_at < ?"
        self._db.execute(ended, (ended_before,))

    def purge_totals(self, day: str, before: float) -> None:
        """Remove totals of earlier days, and budgets of earlier times."""
        self._db.execute("DELETE FROM totals WHERE day < ?", (day,))
        self._db.execute("DELETE FROM budgets WHERE updated_at < ?", (before,))


def _total(row: Sequence[Any]) -> tuple[Place, Counts]:
    place, (calls, given, made, amount, lost, lost_amount, unpriced) = Place(*row[:6]), row[6:]
    return place, Counts(calls, given, made, Decimal(amount), lost, Decimal(lost_amount), unpriced)


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):  # some errors have ended it already
            connection.execute("ROLLBACK")
        raise


def _code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & PRIMARY
