"""What the commands print, on any console."""

from __future__ import annotations

import sys


def say(*lines: str) -> None:
    """Print lines on a console of any encoding; characters that the encoding lacks are escaped.

    Without that a redirected console of Windows, which lacks most alphabets, would raise an error.
    """
    encoding = sys.stdout.encoding or "utf-8"
    print("\n".join(lines).encode(encoding, "backslashreplace").decode(encoding))
