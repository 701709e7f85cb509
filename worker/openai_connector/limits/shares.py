"""Who may take how many of the slots: nobody more than a share while others wait, and so many bytes in all.

Who waits is known only from what is polled. A group counts as waiting where one of its jobs came in lately;
so the first jobs of a group that was not seen before may find all slots taken, until one becomes free.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

LATELY: Final = 30.0
"""Seconds for which a group counts as waiting after a job of it came in."""

Groups = tuple[str, ...]
"""Of one job, in a fixed order: its credential, its process, its model."""


@dataclass(slots=True)
class _Group:
    """What is known of one group."""

    in_use: int = 0
    wanted: int = 0
    """The most slots at once that it had, or asked for, lately."""
    wanted_at: float = 0.0


@dataclass(slots=True)
class Shares:
    """The slots and the bytes in work.

    Args:
        slots: how many there are.
        share: of them that one group may take while others want them; 1 = all.
        most_bytes: of all requests in work; one that is larger alone goes when no other is in work.
    """

    slots: int = 100
    share: float = 0.5
    most_bytes: int = 256_000_000
    _kinds: tuple[dict[str, _Group], ...] = field(default=(), init=False)
    _bytes: int = field(default=0, init=False)

    def admits(self, groups: Groups, now: float) -> bool:
        """Check whether a job of these groups may have a slot; all that come in are noted as wanting one."""
        if len(self._kinds) != len(groups):
            self._kinds = tuple({} for _ in groups)
        is_over = False
        for kind, name in zip(self._kinds, groups, strict=True):
            group = kind.setdefault(name, _Group())
            if now > group.wanted_at + LATELY:
                group.wanted = 0
            if group.in_use + 1 >= group.wanted:
                group.wanted, group.wanted_at = group.in_use + 1, now
            is_over |= group.in_use >= self._allowed(kind, name, now)
        return not is_over

    def has_room(self, size: int) -> bool:
        """Check whether a request of so many bytes may be in work beside the others."""
        return not self._bytes or self._bytes + size <= self.most_bytes

    def take(self, groups: Groups, size: int) -> None:
        """Count a job that has a slot."""
        self._bytes += size
        for kind, name in zip(self._kinds, groups, strict=True):
            kind[name].in_use += 1

    def give_back(self, groups: Groups, size: int, now: float) -> None:
        """Count a slot as free again; forget groups that have not been seen for long."""
        self._bytes -= size
        for kind, name in zip(self._kinds, groups, strict=True):
            kind[name].in_use -= 1
            if len(kind) > 1000:
                for old in [n for n, g in kind.items() if not g.in_use and now > g.wanted_at + LATELY]:
                    del kind[old]

    def _allowed(self, kind: dict[str, _Group], name: str, now: float) -> float:
        """Return the slots that a group may have: its share, and beyond it what others leave."""
        share = max(1.0, self.slots * self.share)
        others = sum(
            min(max(group.wanted, group.in_use), share)
            for other, group in kind.items()
            if other != name and (group.in_use or now <= group.wanted_at + LATELY)
        )
        # Twice what they want: they may want more in a moment, and would find no slot.
        return max(share, self.slots - 2 * others) if others else self.slots
