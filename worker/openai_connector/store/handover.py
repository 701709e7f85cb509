"""Answers on their way into the database's file: a note of each, made before its thread has its turn.

What a process has written to a file outlives the process, though no disk has been waited for. So an answer
that is noted here survives a kill in the moments until its transaction is done; its note is overwritten
then. Notes of workers that are gone are read by the others, and moved into the database.

Each worker has a file of its own, which it keeps locked: whose file is not locked is gone.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from heapq import heappop, heappush
from pathlib import Path
from typing import Any, Final, NamedTuple

from openai_connector.store.tables import Call

with contextlib.suppress(ImportError):
    import fcntl

SLOT: Final = 256 * 1024
"""Bytes from one note to the next; the file has holes. What is longer is not noted."""
MOST: Final = 4096
"""Notes at once."""
EACH: Final = 64
"""What each value of an answer counts as at least, so that also many small ones take little time."""
HEAD: Final = struct.Struct("!4sqHII")
"""Mark, job key, lengths of fingerprint and answer, checksum: the last note may be torn."""
MARK: Final = b"note"
END: Final = ".notes"

Note = tuple[int, int]
"""Which of the files that this worker has had, and the place in it."""

PAID: Final = "\n"
"""In a note between the fingerprint and what the call did cost, where that is noted too."""


class Noted(NamedTuple):
    """What a note says."""

    answer: bytes
    paid: str
    """What the call did cost; empty where nothing is said of it."""


class Handover:
    """The notes of one worker, and those that others have left.

    Args:
        file: beside which the notes lie, the database's where it is one; None: nothing is noted.
        owner: whose they are.
    """

    def __init__(self, file: Path | None, owner: str) -> None:
        # On Windows an answer is safe when its transaction is done.
        self._file = file if os.name == "posix" else None
        self._owner = owner
        self._descriptor: int | None = None
        self._files = 0
        self._lengths: dict[int, int] = {}
        self._free: list[int] = []

    # One's own, by the event loop

    @property
    def is_on(self) -> bool:
        """Whether notes are made."""
        return self._file is not None

    def put(self, call: Call, data: bytes, paid: str = "") -> Note | None:
        """Note an answer, and its cost; return what `clear` wants, or None: it was not noted."""
        note = _note(call, data, paid)
        if self._file is None or len(note) > SLOT or len(self._lengths) >= MOST:
            return None
        try:
            descriptor = self._open(self._file)
            place = heappop(self._free) if self._free else len(self._lengths)
            self._lengths[place] = len(note)
            os.pwrite(descriptor, note, place * SLOT)
        except OSError:
            self.close()  # the database is about to say what is wrong
            return None
        return self._files, place

    def clear(self, note: Note | None) -> None:
        """Overwrite a note: the database has the answer, or nobody will."""
        if note is None or self._descriptor is None or note[0] != self._files:
            return
        place = note[1]
        try:
            os.pwrite(self._descriptor, bytes(self._lengths.pop(place)), place * SLOT)
        except OSError:
            self.close()
        else:
            heappush(self._free, place)

    def close(self) -> None:
        """Remove one's notes; the next one begins a new file."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None or self._file is None:
            return
        for place, length in self._lengths.items():
            with contextlib.suppress(OSError):
                os.pwrite(descriptor, bytes(length), place * SLOT)
        self._lengths, self._free = {}, []
        with contextlib.suppress(OSError):
            os.unlink(_notes(self._file, self._owner))
        os.close(descriptor)

    def _open(self, file: Path) -> int:
        if self._descriptor is None:
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
            self._files += 1
            notes = _notes(file, self._owner)
            begun = notes.with_name(notes.name + ".new")  # others look at it once it is locked
            self._descriptor = os.open(begun, flags, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.rename(begun, notes)
        return self._descriptor

    # Others', by the database's thread

    def find(self, owner: str | None, call: Call) -> bytes | None:
        """Return the answer that an owner who is gone has noted."""
        if owner is None or self._file is None:
            return None
        noted = _read(_notes(self._file, owner)).get(call)
        return None if noted is None else noted.answer

    def abandoned(self) -> Iterator[tuple[str, Mapping[Call, Noted]]]:
        """Return the notes of those who are gone."""
        if self._file is None:
            return
        for path in self._file.parent.glob(f"{self._file.name}-*{END}"):
            owner = path.name[len(self._file.name) + 1 : -len(END)]
            if owner != self._owner and _is_abandoned(path):
                yield owner, _read(path)

    def remove(self, owner: str) -> None:
        """Remove the notes of one who is gone."""
        if self._file is None:
            return
        path = _notes(self._file, owner)
        with contextlib.suppress(OSError), open(path, "r+b") as notes:
            for place, length in _lengths(notes.fileno()):
                os.pwrite(notes.fileno(), bytes(length), place)
            path.unlink()


def is_small(value: Any) -> bool:
    """Check whether an answer may be made into a note without keeping the event loop from its work."""
    left, waiting = SLOT, [value]
    while waiting:
        item = waiting.pop()
        left -= max(EACH, len(item)) if isinstance(item, str) else EACH
        if left < 0:
            return False
        if isinstance(item, Mapping | list):
            if len(item) * EACH > left:
                return False
            waiting.extend(item.values() if isinstance(item, Mapping) else item)
    return True


def _notes(file: Path, owner: str) -> Path:
    return file.with_name(f"{file.name}-{owner}{END}")


def _note(call: Call, data: bytes, paid: str) -> bytes:
    job_key, fingerprint = call[0], (call[1] + PAID + paid if paid else call[1]).encode()
    checksum = zlib.crc32(data, zlib.crc32(fingerprint))
    return HEAD.pack(MARK, job_key, len(fingerprint), len(data), checksum) + fingerprint + data


def _is_abandoned(path: Path) -> bool:
    """Check whether nobody holds a file; one that is empty may be about to be locked."""
    try:
        with open(path, "rb") as notes:
            fcntl.flock(notes, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return os.fstat(notes.fileno()).st_size > 0
    except OSError:
        return False


def _read(path: Path) -> dict[Call, Noted]:
    found: dict[Call, Noted] = {}
    with contextlib.suppress(OSError), open(path, "rb") as notes:
        for place, length in _lengths(notes.fileno()):
            note = os.pread(notes.fileno(), length, place)
            _, job_key, named, size, checksum = HEAD.unpack_from(note)
            rest = note[HEAD.size :]
            if len(rest) == named + size and zlib.crc32(rest) == checksum:
                fingerprint, _, paid = rest[:named].decode().partition(PAID)
                found[(job_key, fingerprint)] = Noted(rest[named:], paid)
    return found


def _lengths(descriptor: int) -> Iterator[tuple[int, int]]:
    """Return where notes begin, and how long each is."""
    for place in range(0, os.fstat(descriptor).st_size, SLOT):
        head = os.pread(descriptor, HEAD.size, place)
        if len(head) == HEAD.size and head.startswith(MARK):
            _, _, named, size, _ = HEAD.unpack(head)
            yield place, HEAD.size + named + size
