"""The cases of the other modules once more, with a restart after every single step of the engine."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from types import ModuleType

import pytest

from tests.local_engine import (
    test_boundary_events,
    test_event_sub_processes,
    test_gateways,
    test_messages,
    test_multi_instance,
    test_sub_processes,
    test_tasks,
    test_timers,
)
from tests.local_engine.world import World

MODULES = (
    test_boundary_events,
    test_event_sub_processes,
    test_gateways,
    test_messages,
    test_multi_instance,
    test_sub_processes,
    test_tasks,
    test_timers,
)
TOO_LONG = ("thousand", "loop", "long_chain", "deepest")


class Stepped(World):
    """A world that commits after each step, and goes on from the disk."""

    def settle(self) -> None:
        """Do all steps that are waiting, one at a time."""
        is_done = False
        while not is_done:
            is_done = self.engine.run(seconds=-1)
            self.engine.commit()
            self.restart()


def cases() -> Iterator[tuple[ModuleType, Callable[[], None]]]:
    """Yield the cases that need nothing but a world."""
    for module in MODULES:
        for name, case in vars(module).items():
            is_plain = name.startswith("test_") and not inspect.signature(case).parameters
            if is_plain and not any(word in name for word in TOO_LONG):
                yield module, case


CASES = [pytest.param(module, case, id=case.__name__.removeprefix("test_")) for module, case in cases()]


@pytest.mark.parametrize(("module", "case"), CASES)
def test_restart_after_every_step(
    module: ModuleType, case: Callable[[], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit may come between any two steps: whoever goes on from it comes to the same end."""
    folders = (tmp_path / str(number) for number in count())
    monkeypatch.setattr(module, "World", lambda _folder=None: Stepped(next(folders)))
    case()
