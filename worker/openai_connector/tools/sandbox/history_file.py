"""The history on the disk: one SQLite file in the engine's folder, one row per instance, for display only."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from openai_connector.tools.sandbox.past import Past, dump, load

log = logging.getLogger(__name__)

FILE_NAME: Final = "history.db"
VERSION: Final = 1
"""Of what the rows hold."""


class HistoryFile:
    """The file; one that cannot be read is renamed, and a new one begun, since no work depends on it."""

    def __init__(self, path: Path) -> None:
        """Open or create the file; if neither is possible, the history is in memory only."""
        self._path = path
        self._has_failed = False
        self._past: list[Past] = []
        self._db = self._open()

    def read(self) -> Sequence[Past]:
        """Return what was kept, the oldest first."""
        found, self._past = self._past, []
        return found

    def write(self, written: Iterable[Past], removed: Iterable[int]) -> bool:
        """Write in one transaction; return False if it must be tried again."""
        if self._db is None:
            return True
        try:
            with self._db:
                self._db.execute("BEGIN")
                self._db.executemany("DELETE FROM past WHERE key = ?", [(key,) for key in removed])
                rows = [(past.key, dump(past)) for past in written]
                self._db.executemany("INSERT OR REPLACE INTO past VALUES (?, ?)", rows)
        except (sqlite3.Error, ValueError) as error:
            if not self._has_failed:
                log.warning(
                    "The page's history %s cannot be written (%s): it is tried again.", self._path, error
                )
            self._has_failed = True
            return False
        self._has_failed = False
        return True

    def close(self) -> None:
        """Close the file."""
        if self._db is not None:
            self._db.close()

    def _open(self) -> sqlite3.Connection | None:
        try:
            return self._opened()
        except (sqlite3.Error, ValueError, TypeError, KeyError, AttributeError) as error:
            problem = error
        try:
            aside = self._set_aside()
            db = self._opened()
        except (sqlite3.Error, OSError) as error:
            log.warning("The page's history %s cannot be used (%s): it is not kept.", self._path, error)
            return None
        log.warning(
            "The page's history %s is damaged (%s): it is now %s, and a new one is begun; the instances "
            "themselves are not touched.",
            *(self._path, problem, aside.name),
        )
        return db

    def _opened(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, isolation_level=None, timeout=0)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
            (version,) = db.execute("PRAGMA user_version").fetchone()
            (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if not tables:
                db.execute("CREATE TABLE past(key INTEGER PRIMARY KEY, document TEXT NOT NULL)")
                db.execute(f"PRAGMA user_version={VERSION}")
            elif version != VERSION:
                raise ValueError(f"it has version {version}, and {VERSION} is known")
            self._past = [load(text) for (text,) in db.execute("SELECT document FROM past ORDER BY key")]
        except BaseException:
            db.close()
            raise
        return db

    def _set_aside(self) -> Path:
        number = 1
        while (aside := self._path.with_name(f"{self._path.name}.damaged-{number}")).exists():
            number += 1
        self._path.rename(aside)
        for suffix in ("-wal", "-shm"):
            companion = self._path.with_name(self._path.name + suffix)
            if companion.exists():
                companion.rename(aside.with_name(aside.name + suffix))
        return aside
