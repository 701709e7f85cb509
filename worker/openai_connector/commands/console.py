"""What the commands print, on any console."""

from __future__ import annotations

import sys


def say(*lines: str) -> None:
    """Print lines; what the console's encoding lacks is escaped (a redirected one of Windows lacks most alphabets)."""
    encoding = sys.stdout.encoding or "utf-8"
    print("\n".join(lines).encode(encoding, "backslashreplace").decode(encoding))
