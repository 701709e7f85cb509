"""Who holds an intent: a random id of each worker process, and a mark by which its end is seen at once.

The mark tells a process on this machine (and in this container) from all others. Where it cannot be read,
the end of a process is only known by the signs of life that it no longer gives.
"""

from __future__ import annotations

import os
import secrets


def new_owner() -> str:
    """Return an id that no other worker has."""
    return secrets.token_hex(16)


def process_mark(pid: int | None = None) -> str:
    """Return the mark of a process: machine since its start, name space, number, moment of its start."""
    number = os.getpid() if pid is None else pid
    started = _started(number)
    return f"{_here()} {number} {started}" if started else ""


def has_ended(mark: str) -> bool:
    """Return True only for a process that would be seen from here, if it still ran."""
    here, _, process = mark.rpartition(" ")[0].rpartition(" ")
    if not here or here != _here():
        return False
    number = int(process)
    try:
        os.kill(number, 0)  # sends nothing
    except ProcessLookupError:
        return True
    except PermissionError:
        return False  # it runs, as another user: this one may not be shown more of it
    return process_mark(number) != mark


def _here() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return f"{file.read().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in (b"Z", b"X") else fields[19].decode()  # a zombie does nothing any more
