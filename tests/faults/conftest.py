"""A PostgreSQL that runs for all of these tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.fixture
def database(empty_database: Callable[[], str]) -> str:
    """Give the URL of a database in which nothing is stored: engines begin with the same job keys."""
    return empty_database()
