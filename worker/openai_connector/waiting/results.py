"""What has become of batches: looked at once for all their jobs, their answers handed out one by one."""

from __future__ import annotations

import asyncio
import os
from array import array
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from tempfile import TemporaryFile
from typing import Any, Final

from openai_connector.openai_api import ApiError
from openai_connector.waiting.batch_api import ENDED, Account, BatchApi
from openai_connector.waiting.lines import Splitter, mark, name_in

MOST_OPEN: Final = 32
"""Batches whose answers are at hand; the one that was not asked for longest goes, and is read again."""
MOST_WATCHED: Final = 10_000
AFTER_TROUBLE: Final = 10.0
"""Seconds for which a look that has failed counts for all jobs of its batch."""
_FILES: Final = ("output_file_id", "error_file_id")


class Answers:
    """The lines of a batch that has ended: in a file without a name, which goes with the process."""

    def __init__(self) -> None:
        self._file = TemporaryFile(prefix="openai-connector-")  # noqa: SIM115 - is closed by `close`
        self._places: dict[int, tuple[int, int]] = {}
        self._base = 0

    async def read(self, api: BatchApi, account: Account, file_id: str) -> None:
        """Take in a file of the batch.

        Raises:
            ApiError: it cannot be read.
        """
        self._base = os.fstat(self._file.fileno()).st_size
        splitter = Splitter(self._note)

        def write(chunk: bytes) -> None:
            self._file.write(chunk)
            splitter.write(chunk)

        await api.download(account, file_id, write)
        splitter.close()
        self._file.flush()

    def _note(self, line: bytes, begins: int) -> None:
        if (name := name_in(line)) is not None:
            self._places.setdefault(mark(name), (self._base + begins, len(line)))

    def __len__(self) -> int:
        return len(self._places)

    def line(self, name: str) -> bytes | None:
        """Return the line of a name."""
        place = self._places.get(mark(name))
        return None if place is None else os.pread(self._file.fileno(), place[1], place[0])

    def close(self) -> None:
        """Remove the file."""
        self._file.close()


@dataclass(slots=True, eq=False)
class _Watched:
    """A batch that jobs wait for."""

    account: Account = field(repr=False)
    id: str
    batch: Mapping[str, Any] | None = None
    error: ApiError | None = None
    """Of the last look."""
    until: float = 0.0
    """By the loop's clock: until then the last look counts."""
    looking: asyncio.Task[None] | None = None
    reading: asyncio.Task[Answers] | None = None
    naming: asyncio.Task[array[int]] | None = None


class Results:
    """All batches that jobs of this worker wait for.

    Args:
        api: asks.
        pause: seconds for which a look counts, by the age of the batch.
    """

    def __init__(self, api: BatchApi, pause: Callable[[float], float]) -> None:
        self._api = api
        self._pause = pause
        self._watched: OrderedDict[tuple[Account, str], _Watched] = OrderedDict()

    async def look(self, account: Account, batch_id: str, age: float) -> Mapping[str, Any]:
        """Return a batch as it is, or was a moment ago.

        Raises:
            ApiError: it cannot be told.
        """
        watched = self._of(account, batch_id)
        is_over = watched.batch is not None and watched.batch.get("status") in ENDED
        if not is_over and asyncio.get_running_loop().time() >= watched.until:
            if watched.looking is None:
                watched.looking = asyncio.create_task(self._look(watched, age))
            await asyncio.shield(watched.looking)
        if watched.error is not None:
            raise watched.error
        assert watched.batch is not None
        return watched.batch

    async def answers(self, account: Account, batch: Mapping[str, Any]) -> Answers:
        """Return the answers of a batch that has ended.

        Raises:
            ApiError: they cannot be read.
        """
        watched = self._of(account, str(batch["id"]))
        if watched.reading is None:
            watched.reading = asyncio.create_task(self._read(account, batch))
            self._close_oldest()
        reading = watched.reading
        try:
            return await asyncio.shield(reading)
        except ApiError:
            if watched.reading is reading:
                watched.reading = None
            raise

    async def names(self, account: Account, batch: Mapping[str, Any]) -> array[int]:
        """Return the marks of a batch's lines, in the order of its input file.

        Raises:
            ApiError: they cannot be read.
        """
        watched = self._of(account, str(batch["id"]))
        if watched.naming is None:
            watched.naming = asyncio.create_task(self._api.marks(account, str(batch.get("input_file_id"))))
        naming = watched.naming
        try:
            return await asyncio.shield(naming)
        except ApiError:
            if watched.naming is naming:
                watched.naming = None
            raise

    def aclose(self) -> None:
        """Remove all files."""
        for watched in self._watched.values():
            if watched.looking is not None:
                watched.looking.cancel()
            _close(watched)
        self._watched.clear()

    def _of(self, account: Account, batch_id: str) -> _Watched:
        key = account, batch_id
        watched = self._watched.setdefault(key, _Watched(account, batch_id))
        self._watched.move_to_end(key)
        if len(self._watched) > MOST_WATCHED:
            _close(self._watched.popitem(last=False)[1])
        return watched

    async def _look(self, watched: _Watched, age: float) -> None:
        loop = asyncio.get_running_loop()
        try:
            watched.batch = await self._api.look(watched.account, watched.id)
            watched.error = None
            watched.until = loop.time() + self._pause(age)
        except ApiError as error:
            watched.error = error
            watched.until = loop.time() + min(AFTER_TROUBLE, self._pause(age))
        finally:
            watched.looking = None

    async def _read(self, account: Account, batch: Mapping[str, Any]) -> Answers:
        answers = Answers()
        try:
            for file_id in (batch.get(name) for name in _FILES):
                if isinstance(file_id, str):
                    await answers.read(self._api, account, file_id)
        except BaseException:
            answers.close()
            raise
        return answers

    def _close_oldest(self) -> None:
        open_ = [watched for watched in self._watched.values() if watched.reading is not None]
        for watched in open_[:-MOST_OPEN]:
            _close(watched)


def _close(watched: _Watched) -> None:
    reading, watched.reading = watched.reading, None
    if reading is None:
        return
    if not reading.done():
        reading.cancel()
    elif not reading.cancelled() and reading.exception() is None:
        reading.result().close()
