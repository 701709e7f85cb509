"""One browser for all tests in it, and one Modeler front end for those of the templates."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.modeler.front_end import Modeler, UnavailableError, chromium, install, node


@pytest.fixture(scope="session")
def browser() -> tuple[Path, str]:
    """Node with the browser's driver, and the browser. Without them the tests are skipped; in CI they fail."""
    try:
        found = chromium()
        program, npm = node()
        install(npm, program)
    except UnavailableError as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(str(missing))
        pytest.skip(str(missing))
    return program, found


@pytest.fixture(scope="session")
def modeler(browser: tuple[Path, str]) -> Iterator[Modeler]:
    """Both front ends in one browser."""
    with Modeler(*browser) as modeler:
        yield modeler
