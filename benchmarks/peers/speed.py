"""How fast the contenders are: each has a backlog, one after the other, in turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

from benchmarks.bench import Bench, BenchmarkError, Run
from benchmarks.peers.contenders import Contender

DEFAULT_JOBS: Final = 300
"""With the slots that a contender has by default: some of them are few."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run."""

    jobs: int
    slots: int
    delays: Sequence[float]
    turns: int


async def measure(
    bench: Bench, contenders: Sequence[Contender], plan: Plan, note: Callable[[str], None]
) -> list[Run]:
    """Run all, and return what was measured; a contender that fails has no row."""
    runs: list[Run] = []
    note(f"Warm-up, not counted: {line(await _one(bench, contenders[0], plan.slots, plan.jobs, 0.0))}")
    for delay, slots in product(plan.delays, (plan.slots, None)):
        note(f"\nThe API takes {delay:g} s, {'default' if slots is None else slots} slots\n{HEADING}")
        jobs = plan.jobs if slots else min(plan.jobs, DEFAULT_JOBS)
        for _ in range(plan.turns):
            for one in contenders:
                if slots is None and not one.is_complete:
                    continue
                try:
                    runs.append(await _one(bench, one, slots, jobs, delay))
                except BenchmarkError as error:
                    note(f"  {one.name:<20}{error}")
                else:
                    note(line(runs[-1]))
    return runs


async def _one(bench: Bench, contender: Contender, slots: int | None, jobs: int, delay: float) -> Run:
    return await bench.run(contender.worker, slots=slots, jobs=jobs, delay=delay)


HEADING: Final = (
    f"  {'worker':<20}{'jobs/s':>8}{'CPU ms/job':>12}{'RSS MB':>8}{'in flight':>11}{'first job s':>13}"
)


def line(run: Run) -> str:
    """Return a line about a run."""
    return (
        f"  {run.worker:<20}{run.working_jobs_per_second:>8.1f}{run.whole_cpu_ms_per_job:>12.2f}"
        f"{run.rss_mb:>8.0f}{run.most_in_flight:>11}{run.first_job_seconds:>13.2f}"
    )
