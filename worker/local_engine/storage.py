"""The engine's data on the disk: one SQLite file, one transaction a commit."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from local_engine.errors import EngineError

FILE_NAME: Final = "engine.db"
APPLICATION_ID: Final = 0x6C6F6361
"""Distinguishes our file from any other SQLite file."""
SCHEMA_VERSION: Final = 1
BUSY_SECONDS: Final = 1.0
"""Seconds to wait for an engine that is just ending and still holds the file."""
CHECKPOINT_PAGES: Final = 4000
"""The write-ahead log stays at about 16 MB."""

_SCHEMA: Final = """
CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE entity(key INTEGER PRIMARY KEY, kind TEXT NOT NULL, document TEXT NOT NULL);
CREATE TABLE variable(
    scope INTEGER, name TEXT, value TEXT NOT NULL, PRIMARY KEY(scope, name)) WITHOUT ROWID;
CREATE TABLE resource(
  key INTEGER PRIMARY KEY, name TEXT NOT NULL, processes TEXT NOT NULL, content BLOB NOT NULL);
CREATE TABLE step(
  number INTEGER PRIMARY KEY, name TEXT NOT NULL, key INTEGER NOT NULL, argument TEXT NOT NULL);
CREATE TABLE record(position INTEGER PRIMARY KEY, line TEXT NOT NULL);
"""


@dataclass(slots=True)
class Resource:
    """A deployed file with the keys and versions of its processes (JSON), in their order."""

    key: int
    name: str
    processes: str
    content: bytes


@dataclass(slots=True)
class Changes:
    """What one commit writes."""

    entities: list[tuple[int, str, str]] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)
    removed_scopes: list[int] = field(default_factory=list)
    variables: list[tuple[int, str, str]] = field(default_factory=list)
    resources: list[Resource] = field(default_factory=list)
    records: list[tuple[int, str]] = field(default_factory=list)
    """Records to export once they are on the disk: position and line."""


class Storage:
    """The data file. It belongs to one engine at a time; without a folder everything is kept in memory."""

    def __init__(self, folder: Path | None) -> None:
        """Open the file, or create it.

        Raises:
            EngineError: the folder cannot be used, the file is damaged or not ours, or another engine has it
                open.
        """
        self._name = str(folder / FILE_NAME) if folder is not None else "the memory"
        self._last_meta: dict[str, int] = {}
        self._steps_written = False
        self._exported = 0
        try:
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
            path = folder / FILE_NAME if folder is not None else ":memory:"
            self._db = sqlite3.connect(path, isolation_level=None, timeout=BUSY_SECONDS)
        except (OSError, sqlite3.Error) as error:
            raise EngineError(
                f"The data folder {folder} cannot be used ({getattr(error, 'strerror', None) or error}): "
                "give another one, or correct its permissions."
            ) from None
        try:
            self._prepare()
        except (sqlite3.Error, EngineError) as error:
            self._db.close()
            raise self._unusable(error) from None

    def _prepare(self) -> None:
        run = self._db.execute
        # Held from the first look on: a second engine on the same file is noticed at once.
        run("PRAGMA locking_mode=EXCLUSIVE")
        tables = run("SELECT count(*) FROM sqlite_master").fetchone()[0]
        (application,) = run("PRAGMA application_id").fetchone()
        (version,) = run("PRAGMA user_version").fetchone()
        if tables and application != APPLICATION_ID:
            raise EngineError(f"The file {self._name} holds no data of this engine: give another folder.")
        if tables and version != SCHEMA_VERSION:
            raise EngineError(
                f"The file {self._name} was written by another version of this engine (schema {version}, "
                f"here {SCHEMA_VERSION}): give another folder, or delete that file if its instances are not "
                "needed."
            )
        run("PRAGMA journal_mode=WAL")
        run("PRAGMA synchronous=NORMAL")
        run(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        run("BEGIN IMMEDIATE")
        if not tables:
            for statement in _SCHEMA.split(";")[:-1]:
                run(statement)
            run(f"PRAGMA application_id={APPLICATION_ID}")
            run(f"PRAGMA user_version={SCHEMA_VERSION}")
        run("COMMIT")

    def _unusable(self, error: Exception) -> EngineError:
        if isinstance(error, EngineError):
            return error
        if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
            return EngineError(
                f"The file {self._name} is in use by another engine: stop that one, or give another folder."
            )
        if isinstance(error, sqlite3.OperationalError) and ("readonly" in str(error) or "open" in str(error)):
            return EngineError(f"The file {self._name} cannot be written ({error}): correct its permissions.")
        return EngineError(
            f"The file {self._name} is damaged ({error}): nothing in it was changed; move it away or give "
            "another folder, then start again."
        )

    def read(self, reader: Callable[[Storage], None]) -> None:
        """Check that everything can be read.

        Raises:
            EngineError: what is stored cannot be understood.
        """
        try:
            reader(self)
        except (sqlite3.Error, ValueError, TypeError, KeyError, UnicodeError) as error:
            raise self._unusable(error) from error

    def meta(self) -> dict[str, int]:
        """Return the counters."""
        self._last_meta = dict(self._db.execute("SELECT name, value FROM meta"))
        return dict(self._last_meta)

    def entities(self) -> Iterable[tuple[int, str, str]]:
        """Yield key, kind and document of all entities."""
        yield from self._db.execute("SELECT key, kind, document FROM entity ORDER BY key")

    def variables(self) -> Iterable[tuple[int, str, str]]:
        """Yield scope, name and JSON of all variables."""
        yield from self._db.execute("SELECT scope, name, value FROM variable")

    def resources(self) -> Iterable[Resource]:
        """Yield the deployed files in the order of their deployment."""
        for row in self._db.execute("SELECT key, name, processes, content FROM resource ORDER BY key"):
            yield Resource(*row)

    def steps(self) -> Iterable[tuple[str, int, str]]:
        """Yield the steps that were left to be done."""
        rows = self._db.execute("SELECT name, key, argument FROM step ORDER BY number").fetchall()
        self._steps_written = bool(rows)
        yield from rows

    def records(self) -> list[tuple[int, str]]:
        """Return the records that may not have been exported yet."""
        return self._db.execute("SELECT position, line FROM record ORDER BY position").fetchall()

    def exported(self, position: int) -> None:
        """Mark records up to a position as exported: the next commit deletes them."""
        self._exported = position

    def write(self, changes: Changes, meta: dict[str, int], steps: list[tuple[str, int, str]]) -> None:
        """Write in one transaction; do nothing if nothing has changed.

        Raises:
            EngineError: the disk is full or fails; nothing is written.
        """
        has_entities = changes.entities or changes.removed or changes.variables
        has_others = changes.resources or changes.records or steps or self._steps_written
        if not has_entities and not has_others and meta == self._last_meta:
            return
        try:
            self._db.execute("BEGIN")
            self._write(changes, meta, steps)
            self._db.execute("COMMIT")
        except (sqlite3.Error, ValueError) as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise EngineError(
                f"The file {self._name} could not be written ({error}): make room on the disk, then start "
                "again; all that was acknowledged is kept."
            ) from error
        self._last_meta = dict(meta)
        self._steps_written = bool(steps)

    def _write(self, changes: Changes, meta: dict[str, int], steps: list[tuple[str, int, str]]) -> None:
        many = self._db.executemany
        if changes.removed:
            many("DELETE FROM entity WHERE key = ?", [(key,) for key in changes.removed])
        if changes.removed_scopes:
            many("DELETE FROM variable WHERE scope = ?", [(key,) for key in changes.removed_scopes])
        if changes.entities:
            many("INSERT OR REPLACE INTO entity VALUES (?,?,?)", changes.entities)
        if changes.variables:
            many("INSERT OR REPLACE INTO variable VALUES (?,?,?)", changes.variables)
        for each in changes.resources:
            row = (each.key, each.name, each.processes, each.content)
            self._db.execute("INSERT INTO resource VALUES (?,?,?,?)", row)
        if self._steps_written:
            self._db.execute("DELETE FROM step")
        if steps:
            many("INSERT INTO step(name, key, argument) VALUES (?,?,?)", steps)
        if self._exported:
            self._db.execute("DELETE FROM record WHERE position <= ?", (self._exported,))
            self._exported = 0
        if changes.records:
            many("INSERT OR REPLACE INTO record VALUES (?,?)", changes.records)
        many("INSERT OR REPLACE INTO meta VALUES (?,?)", [*meta.items()])

    def close(self) -> None:
        """Close the file."""
        self._db.close()
