"""The disk under the engines of the tests."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest


class Disk:
    """The data bases that a test has opened."""

    def __init__(self) -> None:
        self.opened: list[sqlite3.Connection] = []

    def fill(self) -> None:
        """Leave no room for what is written next."""
        database = self.opened[-1]
        (pages,) = database.execute("PRAGMA page_count").fetchone()
        database.execute(f"PRAGMA max_page_count={pages}")


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """The disk of this test: it has room until the test fills it."""
    disk, connect = Disk(), sqlite3.connect

    def remembered(*arguments: Any, **options: Any) -> sqlite3.Connection:
        disk.opened.append(connect(*arguments, **options))
        return disk.opened[-1]

    monkeypatch.setattr(sqlite3, "connect", remembered)
    return disk
