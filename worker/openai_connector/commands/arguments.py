"""What several commands read from the command line."""

from __future__ import annotations

import argparse
from datetime import date


def read_day(text: str) -> date:
    """Read a day, such as 2026-11-01."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is no day; write it as in 2026-11-01") from None
