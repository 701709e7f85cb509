"""Whether the worker is well: for probes, and for the page."""

from __future__ import annotations

from typing import Any, NamedTuple

from openai_connector import wording
from openai_connector.status.board import Board
from openai_connector.status.parts import Parts


class Problem(NamedTuple):
    """What is not as it should be."""

    name: str
    """For machines: `engine`, `stopping`, `store`, `host:...`."""
    text: str
    is_down: bool
    """The worker takes no jobs because of it."""


def problems(parts: Parts, board: Board) -> list[Problem]:
    """Return what is wrong now, the worst first."""
    found: list[Problem] = []
    if any(fetching.stopping for fetching in parts.fetching):
        found.append(Problem("stopping", wording.STATUS_STOPPING(), is_down=True))
    lost = [fetching.job_type for fetching in parts.fetching if not fetching.connected]
    if lost:
        reason = board.engine_problem or wording.STATUS_NOT_ASKED()
        found.append(
            Problem("engine", wording.STATUS_NO_ENGINE(types=", ".join(lost), reason=reason), is_down=True)
        )
    if (problem := store_problem(parts, board)) is not None:
        end = wording.STORE_WAITS if parts.is_store_required else wording.STORE_GOES_ON
        found.append(Problem("store", wording.STORE_LOST(problem=problem) + end(), parts.is_store_required))
    for host, seconds in board.down().items():
        text = wording.STATUS_HOST_DOWN(host=host, seconds=round(seconds))
        found.append(Problem(f"host:{host}", text, is_down=False))
    return sorted(found, key=lambda problem: not problem.is_down)


def store_problem(parts: Parts, board: Board) -> str | None:
    """Return what is wrong with the store; None: it works, or there is none."""
    store = parts.store
    if store is None or (store.is_healthy and not store.is_full):
        return None
    if store.is_healthy:
        return wording.STORE_FULL()
    return board.store_problem or wording.STORE_OPENS()


def live() -> tuple[bool, dict[str, Any]]:
    """Check that the process answers; that it does is all there is to say."""
    return True, {"status": "UP"}


def ready(parts: Parts, board: Board) -> tuple[bool, dict[str, Any]]:
    """Check that jobs are taken: the engine answers, slots are open, the store is as required."""
    found = problems(parts, board)
    is_up = bool(parts.fetching) and not any(problem.is_down for problem in found)
    return is_up, {
        "status": "UP" if is_up else "DOWN",
        "down": {problem.name: problem.text for problem in found if problem.is_down},
        "degraded": {problem.name: problem.text for problem in found if not problem.is_down},
    }


def startup(parts: Parts) -> tuple[bool, dict[str, Any]]:
    """Check that the worker has begun: its store was tried and its parts are built.

    Whether the engine answers is no part of it: what asks here ends a worker that does not begin, and no new
    start brings an engine back.
    """
    is_up = bool(parts.fetching)
    return is_up, {"status": "UP" if is_up else "DOWN"}
