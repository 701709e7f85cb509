"""The Files API, as batches need it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.openai_stand_in import published
from tests.openai_stand_in.errors import InvalidRequestError, not_found
from tests.openai_stand_in.exchange import Received, Reply
from tests.openai_stand_in.ledger import Buyer, Purchase
from tests.openai_stand_in.world import DAY, World

MOST_BYTES: Final = 512_000_000
MOST_BATCH_BYTES: Final = 200_000_000
LEAST_SECONDS, MOST_SECONDS = 3_600, 2_592_000
PURPOSES: Final = frozenset({"assistants", "batch", "fine-tune", "vision", "user_data", "evals"})
FIELDS: Final = frozenset({"file", "purpose", "expires_after[anchor]", "expires_after[seconds]"})


@dataclass(frozen=True, slots=True)
class Kept:
    """One file."""

    name: str
    filename: str
    purpose: str
    content: bytes
    project: str
    created: float
    expires: float | None
    purchases: Sequence[Purchase] = ()
    """The answers that stand in it."""

    def body(self) -> dict[str, Any]:
        """Return it as the API shows it."""
        return {
            "id": self.name,
            "object": "file",
            "bytes": len(self.content),
            "created_at": int(self.created),
            "expires_at": None if self.expires is None else int(self.expires),
            "filename": self.filename,
            "purpose": self.purpose,
            "status": "processed",
            "status_details": None,
        }


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a form."""

    content: bytes
    filename: str | None


class Files:
    """The endpoints."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._kept: dict[str, Kept] = {}

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._kept)

    def upload(self, received: Received, buyer: Buyer) -> Reply:
        """Keep a file.

        Raises:
            InvalidRequestError: the form is not as it should be.
        """
        parts = parse_form(received.headers.get("content-type", ""), received.content)
        for name in sorted(parts.keys() - FIELDS):
            raise InvalidRequestError(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
        file, purpose = parts.get("file"), _text(parts, "purpose")
        if file is None or file.filename is None:
            raise InvalidRequestError("'file' is a required property", "file", "missing_required_parameter")
        if purpose not in PURPOSES:
            raise InvalidRequestError(f"'{purpose}' is not one of the purposes.", "purpose", "invalid_value")
        if len(file.content) > (MOST_BATCH_BYTES if purpose == "batch" else MOST_BYTES):
            raise InvalidRequestError("The file is too large.", "file")
        seconds = _expiry(parts) or (30 * DAY if purpose == "batch" else None)
        kept = self.keep(file.filename, purpose, file.content, buyer.project, seconds)
        return Reply(kept.body(), kind="file")

    def keep(
        self,
        filename: str,
        purpose: str,
        content: bytes,
        project: str,
        seconds: float | None,
        purchases: Sequence[Purchase] = (),
    ) -> Kept:
        """Keep a file for so long."""
        now, name = self._world.now, self._world.new_id("file-")
        expires = None if seconds is None else now + seconds
        kept = self._kept[name] = Kept(name, filename, purpose, content, project, now, expires, purchases)
        if expires is not None:
            self._world.at(expires, lambda: self._kept.pop(name, None))
        return kept

    def find(self, name: str, buyer: Buyer) -> Kept:
        """Return a file.

        Raises:
            ApiError: it is not there.
        """
        kept = self._kept.get(name)
        if kept is None or kept.project != buyer.project:
            raise not_found("file", name)
        return kept

    def retrieve(self, name: str, buyer: Buyer) -> Reply:
        """Return what is known of a file."""
        return Reply(self.find(name, buyer).body(), kind="file")

    def content(self, name: str, buyer: Buyer) -> Reply:
        """Return a file's bytes."""
        kept = self.find(name, buyer)
        return Reply(content=kept.content, purchases=kept.purchases)

    def delete(self, name: str, buyer: Buyer) -> Reply:
        """Delete a file."""
        del self._kept[self.find(name, buyer).name]
        return Reply({"id": name, "object": "file", "deleted": True}, kind="file deleted")

    def listed(self, buyer: Buyer, *, purpose: str | None = None) -> list[dict[str, Any]]:
        """Return all files, the newest first."""
        return [
            kept.body()
            for kept in reversed(self._kept.values())
            if kept.project == buyer.project and purpose in (None, kept.purpose)
        ]


def parse_form(content_type: str, content: bytes) -> dict[str, Part]:
    """Return the parts of a form.

    Raises:
        InvalidRequestError: it is none.
    """
    found = re.search(r'boundary="?([^";]+)"?', content_type)
    if not content_type.startswith("multipart/form-data") or found is None:
        raise InvalidRequestError("Expected a multipart/form-data body.")
    fence = b"\r\n--" + found[1].encode()
    whole = b"\r\n" + content
    if not whole.startswith(fence) or fence + b"--" not in whole:
        raise InvalidRequestError("The form is incomplete.")
    parts: dict[str, Part] = {}
    for piece in whole[: whole.rindex(fence + b"--")].split(fence)[1:]:
        head, _, body = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        name = re.search(rb'[; ]name="([^"]*)"', head)
        filename = re.search(rb'filename="([^"]*)"', head)
        if name is None:
            raise InvalidRequestError("A part of the form has no name.")
        parts[name[1].decode()] = Part(body, filename[1].decode() if filename else None)
    return parts


def _text(parts: dict[str, Part], name: str) -> str:
    return parts[name].content.decode() if name in parts else ""


def _expiry(parts: dict[str, Part]) -> float | None:
    anchor, seconds = _text(parts, "expires_after[anchor]"), _text(parts, "expires_after[seconds]")
    if not anchor and not seconds:
        return None
    asked = {"anchor": anchor, "seconds": int(seconds) if seconds.isdecimal() else seconds}
    published.check_request("files", asked)
    check_seconds(int(seconds), "expires_after[seconds]")
    return float(seconds)


def check_seconds(seconds: int, param: str) -> None:
    """Check how long a file is to be kept.

    Raises:
        InvalidRequestError: that is too short or too long.
    """
    if not LEAST_SECONDS <= seconds <= MOST_SECONDS:
        raise InvalidRequestError(
            f"Invalid '{param}': must be between {LEAST_SECONDS} and {MOST_SECONDS}.", param, "invalid_value"
        )
