"""What is said of an exception that nobody expected."""

from __future__ import annotations

import traceback


def place_of(error: BaseException) -> str:
    """Say what was raised and where, without the exception's text: it may hold anybody's data."""
    frames = traceback.extract_tb(error.__traceback__, limit=-1)
    where = f" at {frames[0].filename.rsplit('/', 1)[-1]}:{frames[0].lineno}" if frames else ""
    return type(error).__name__ + where
