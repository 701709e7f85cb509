"""Which batches a fleet has submitted: so that nothing is bought again whose batch nobody has noted.

A worker may be killed after it has submitted a batch, and before the engine knows of it. The names of the
lines tell: each is a job's, and stands in the input file, which everybody of the fleet can read.
"""

from __future__ import annotations

import asyncio
import logging
from array import array
from collections.abc import Iterable, Mapping
from typing import Any, Final

from openai_connector.openai_api import ApiError
from openai_connector.waiting.batch_api import Account, BatchApi
from openai_connector.waiting.looks import is_passing
from openai_connector.waiting.response_api import CONNECTOR

log = logging.getLogger(__name__)

AGE: Final = 25 * 3600
"""Seconds: batches that are older than the newest by so much have ended, whoever submitted them."""


class Known:
    """The batches of one account and fleet.

    Args:
        api: asks.
        account: where they are.
        fleet: whose they are.
    """

    def __init__(self, api: BatchApi, account: Account, fleet: str) -> None:
        self._api = api
        self._account = account
        self.metadata = {"connector": CONNECTOR, "fleet": fleet[:512]}
        self.turn = asyncio.Lock()
        """Held by who looks, and then submits: one batch after the other."""
        self._marks: dict[str, array[int]] = {}
        """By batch, of its lines in the file's order."""
        self._created: dict[str, float] = {}
        self._listed: frozenset[str] = frozenset()
        """The newest batches of the last list that was read to its end: what is older was seen then."""

    def add(self, batch: Mapping[str, Any], marks: Iterable[int]) -> None:
        """Note a batch."""
        id_ = str(batch["id"])
        self._marks[id_] = array("Q", marks)
        self._created[id_] = _created(batch)

    async def refresh(self, files: Mapping[str, Iterable[int]] | None = None) -> None:
        """Learn of all batches that were submitted since, by whomever.

        Args:
            files: whose lines are known, by their ids.

        Raises:
            ApiError: it cannot be told.
        """
        newest: list[str] = []
        unknown: list[Mapping[str, Any]] = []
        after: str | None = None
        latest = 0.0
        while True:
            page, has_more = await self._api.page(self._account, after)
            latest = max([latest, *map(_created, page)])
            newest = newest or [batch["id"] for batch in page]
            fresh = [batch for batch in page if _created(batch) >= latest - AGE]
            unknown += [one for one in fresh if self._is_ours(one) and one["id"] not in self._marks]
            is_seen = any(batch["id"] in self._listed for batch in page)
            if is_seen or not has_more or not page or len(fresh) < len(page):
                break
            after = page[-1]["id"]
        for batch in unknown:
            marks = (files or {}).get(str(batch.get("input_file_id")))
            if marks is None:  # what has failed was not run
                marks = [] if batch.get("status") == "failed" else await self.names_of(batch)
            self.add(batch, marks)
        self._listed = frozenset(newest)
        self._forget(latest - AGE)

    async def names_of(self, batch: Mapping[str, Any]) -> array[int]:
        """Return the marks of a batch's lines, in the order of its input file.

        A file that is gone, or is kept from us, has none: where it was deleted, all was delivered.

        Raises:
            ApiError: it cannot be told.
        """
        if (known := self._marks.get(str(batch["id"]))) is not None and len(known):
            return known
        try:
            return await self._api.marks(self._account, str(batch.get("input_file_id")))
        except ApiError as error:
            status = error.response.status if error.response else 0
            if is_passing(error) or not 400 <= status < 500:
                raise
            log.info("Batch %s: its input file cannot be read (status %d)", batch["id"], status)
            return array("Q")

    def find(self, wanted: Iterable[int]) -> dict[int, str]:
        """Return the batch of each mark that stands in one; of several the newest."""
        left, found = set(wanted), dict[int, str]()
        for id_ in sorted(self._marks, key=self._created.__getitem__, reverse=True):
            if hits := left.intersection(self._marks[id_]):
                found |= dict.fromkeys(hits, id_)
                left -= hits
        return found

    def _is_ours(self, batch: Mapping[str, Any]) -> bool:
        metadata = batch.get("metadata")
        return isinstance(metadata, Mapping) and self.metadata.items() <= metadata.items()

    def _forget(self, before: float) -> None:
        for id_ in [id_ for id_, created in self._created.items() if created < before]:
            del self._marks[id_], self._created[id_]


def _created(batch: Mapping[str, Any]) -> float:
    created = batch.get("created_at")
    return float(created) if isinstance(created, int | float) else 0.0
