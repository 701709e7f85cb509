"""One browser for all tests of the templates in the real Modeler front end."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.modeler.front_end import Modeler, UnavailableError, chromium, install, node


@pytest.fixture(scope="session")
def modeler() -> Iterator[Modeler]:
    """Both front ends in one browser. Without Chromium the tests are skipped; in CI they fail."""
    try:
        browser = chromium()
        program, npm = node()
        install(npm, program)
    except UnavailableError as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(str(missing))
        pytest.skip(str(missing))
    with Modeler(program, browser) as modeler:
        yield modeler
