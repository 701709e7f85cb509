"""One process instance as the history keeps it: plain data, to and from JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Final

ACTIVE: Final = "ACTIVE"
COMPLETED: Final = "COMPLETED"
TERMINATED: Final = "TERMINATED"
ENDED: Final = "ENDED"
"""It ended, but how is unknown: the sandbox was killed at that moment."""
LONGEST_VALUE: Final = 100_000
"""Characters of a variable's JSON that are kept."""

Kept = tuple[str, bool]
"""A variable's JSON, and whether it is cut."""


@dataclass(slots=True)
class Counts:
    """How often an element was entered and left."""

    entered: int = 0
    completed: int = 0
    terminated: int = 0

    @property
    def active(self) -> int:
        """How many tokens stand there now."""
        return max(self.entered - self.completed - self.terminated, 0)


@dataclass(slots=True)
class Happened:
    """An incident, resolved or not."""

    key: int
    type: str
    message: str
    element: str
    scope: int
    """Key of the element instance."""
    job: int
    """Its key; 0 for none."""
    created: int
    """Epoch milliseconds, as all times here."""
    resolved: int = 0
    """0 while it is open."""


@dataclass(slots=True)
class Past:
    """What has happened to one process instance."""

    key: int
    process_id: str
    process: int
    """Key of the process definition."""
    version: int
    started: int = 0
    """0: unknown."""
    ended: int = 0
    state: str = ACTIVE
    parent: int = 0
    """Key of the process instance whose call activity has created it; 0 for none."""
    caller: int = 0
    """Key of that call activity's instance."""
    elements: dict[str, Counts] = field(default_factory=dict)
    bodies: dict[str, Counts] = field(default_factory=dict)
    """Of multi-instance activities: the bodies, whose rounds are counted among the elements."""
    flows: dict[str, int] = field(default_factory=dict)
    """How often each sequence flow was taken."""
    incidents: dict[int, Happened] = field(default_factory=dict)
    variables: dict[str, Kept] = field(default_factory=dict)
    """Of the process itself, as they were last."""
    text: int = 0
    """Characters of the variables."""

    @property
    def open_incidents(self) -> list[Happened]:
        """Those that are not resolved."""
        return [each for each in self.incidents.values() if not each.resolved]

    def active(self) -> dict[str, int]:
        """Return where tokens stand, and how many; those of multi-instance activities are their rounds."""
        standing = {element_id: counts.active for element_id, counts in self.bodies.items() if counts.active}
        standing.update(
            {element_id: counts.active for element_id, counts in self.elements.items() if counts.active}
        )
        return standing


def kept(text: str, room: int, *, from_record: bool = False) -> Kept:
    """Return a variable's JSON as it is kept: cut where there is no room for all of it.

    Args:
        text: the JSON.
        room: characters that are left for the instance.
        from_record: whether the engine may have cut it already, and marked that by dots.
    """
    most = min(LONGEST_VALUE, room)
    if len(text) > most:
        return text[:most], True
    return text, from_record and text.endswith("...") and not _is_json(text)


def dump(past: Past) -> str:
    """Return an instance as JSON."""
    return json.dumps(asdict(past), ensure_ascii=False, separators=(",", ":"))


def load(text: str) -> Past:
    """Return an instance from its JSON.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: the text is no instance.
    """
    fields: dict[str, Any] = json.loads(text)
    for name in ("elements", "bodies"):
        fields[name] = {element_id: Counts(**counts) for element_id, counts in fields[name].items()}
    fields["incidents"] = {int(key): Happened(**each) for key, each in fields["incidents"].items()}
    fields["variables"] = {name: (str(text), bool(cut)) for name, (text, cut) in fields["variables"].items()}
    return Past(**fields)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
