"""How fast the connector is, beside a bare loop that does the least: an engine, a stand-in API, a backlog.

    python -m benchmarks.throughput            about 3 minutes on 2 cores; --quick: under a minute

The engine is the one of our own. Every run creates process instances first and starts a worker then, as a
process of its own. The workers take turns (connector, bare loop, connector, bare loop) after a warm-up. What
the figures mean is told in benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

from benchmarks.bench import BARE_LOOP, CONNECTOR, Bench, BenchmarkError, Run, bench, machinery
from openai_connector.tools.demo.engine import EngineError

JOBS_A_SLOT = 10  # in a run: more would measure the same for longer
MEMORY_DELAY = 8.0  # seconds: long enough for the engine to hand out a job for every slot
STARTS = 5  # start-ups of each worker; quick: 1


@dataclass(frozen=True, slots=True)
class Ratio:
    """The connector's figure over the bare loop's, or a figure of its own, and what it is to be."""

    name: str
    value: float
    target: float | None = None
    at_most: bool = True

    @property
    def verdict(self) -> str:
        """Say whether the target is met; nothing where there is none."""
        if self.target is None:
            return ""
        is_met = self.value <= self.target if self.at_most else self.value >= self.target
        return f"{'<=' if self.at_most else '>='} {self.target:<6g}{'met' if is_met else 'MISSED'}"


async def _measure(benched: Bench, options: argparse.Namespace, note: Callable[[str], None]) -> list[Run]:
    runs: list[Run] = []

    async def turn(what: str, rounds: int, *, slots: int, jobs: int, delay: float) -> None:
        note(f"\n{what}\n{HEADING}")
        for _ in range(rounds):
            for worker in (CONNECTOR, BARE_LOOP):
                run = await benched.run(worker, slots=slots, jobs=jobs, delay=delay)
                runs.append(run)
                note(_line(run))

    most = max(options.slots)
    note(f"\nWarm-up of the engine, not counted\n{HEADING}")
    note(_line(await benched.run(BARE_LOOP, slots=most, jobs=options.instances, delay=options.delay)))
    if not options.quick:
        note(_line(await benched.run(CONNECTOR, slots=most, jobs=options.instances, delay=options.delay)))
    rounds = 1 if options.quick else 2
    for slots in options.slots:
        jobs = min(options.instances, JOBS_A_SLOT * slots // (2 if options.quick else 1))
        await turn(f"Throughput with {slots} slots", rounds, slots=slots, jobs=jobs, delay=options.delay)
    await turn(
        "Start-up: one job waits", 1 if options.quick else STARTS, slots=most, jobs=1, delay=options.delay
    )
    if not options.quick:
        jobs = round(1.2 * most)
        await turn(f"Memory with {most} calls in flight", 1, slots=most, jobs=jobs, delay=MEMORY_DELAY)
    return runs


def ratios(runs: Iterable[Run], delay: float) -> list[Ratio]:
    """Compare the workers: the mean of equal runs, the median of start-ups."""
    runs = list(runs)

    def quotient(figure: str, equal: list[Run]) -> float:
        connector, bare = (
            statistics.mean(getattr(run, figure) for run in equal if run.worker == worker.name)
            for worker in (CONNECTOR, BARE_LOOP)
        )
        return float(connector / bare)

    found: list[Ratio] = []
    for slots in dict.fromkeys(run.slots for run in runs if run.jobs > 1 and run.delay == delay):
        many = [run for run in runs if run.slots == slots and run.delay == delay and run.jobs > 1]
        is_short = any(run.cpu_ms_per_job is None for run in many)
        cpu, speed = (
            ("whole_cpu_ms_per_job", "whole_jobs_per_second")
            if is_short
            else ("cpu_ms_per_job", "jobs_per_second")
        )
        part = " (whole)" if is_short else ""
        found += [
            Ratio(f"CPU a job, {slots} slots{part}", quotient(cpu, many), 1.5, True),
            Ratio(f"jobs/s, {slots} slots{part}", quotient(speed, many), 0.9, False),
        ]
    starts = [
        statistics.median(
            run.first_job_seconds for run in runs if run.worker == worker.name and run.jobs == 1
        )
        for worker in (CONNECTOR, BARE_LOOP)
    ]
    found.append(Ratio("start to first job", starts[0] / starts[1], 1.5, True))
    found.append(Ratio("  the same without the API's delay", (starts[0] - delay) / (starts[1] - delay)))
    for run in runs:
        if run.worker == CONNECTOR.name and run.delay != delay:
            found.append(Ratio(f"RSS in MB, {run.most_in_flight} calls in flight", run.rss_mb, 150, True))
    return found


HEADING = f"  {'worker':<10}{'slots':>6}{'jobs':>6}{'jobs/s':>8}{'(whole)':>9}{'in flight':>11}" + (
    f"{'CPU ms/job':>12}{'(whole)':>9}{'RSS MB':>8}{'first job s':>13}"
)


def _line(run: Run) -> str:
    def shown(value: float | None, digits: int) -> str:
        return "-" if value is None else f"{value:.{digits}f}"

    return (
        f"  {run.worker:<10}{run.slots:>6}{run.jobs:>6}{shown(run.jobs_per_second, 1):>8}"
        f"{run.whole_jobs_per_second:>9.1f}{run.most_in_flight:>11}{shown(run.cpu_ms_per_job, 2):>12}"
        f"{run.whole_cpu_ms_per_job:>9.2f}{run.rss_mb:>8.0f}{run.first_job_seconds:>13.2f}"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.throughput", description=__doc__.split("\n")[0]
    )
    parser.add_argument(
        "--instances", type=int, help="process instances a run, at most (default: 2000; quick: 600)"
    )
    parser.add_argument(
        "--slots", type=int, nargs="+", default=[500, 32], help="jobs in work at once (default: 500 32)"
    )
    parser.add_argument("--delay", type=float, default=1.0, help="seconds that the API takes (default: 1)")
    parser.add_argument("--quick", action="store_true", help="one turn each, fewer instances: under a minute")
    parser.add_argument(
        "--json", action="store_true", help="print the figures as JSON; the table goes to standard error"
    )
    options = parser.parse_args()
    options.instances = options.instances or (600 if options.quick else 2000)
    if options.instances < 1 or min(options.slots) < 1 or options.delay < 0 or options.delay == MEMORY_DELAY:
        parser.error(f"instances and slots must be 1 or more, the delay 0 or more and not {MEMORY_DELAY:g}")
    return options


def main() -> int:
    """Run the benchmark; the exit status is 0, 1 when a run failed, or 130 after Ctrl-C.

    Missed targets are shown.
    """
    options = _options()
    began = time.monotonic()

    def note(text: str) -> None:
        print(text, file=sys.stderr if options.json else sys.stdout, flush=True)

    try:
        with machinery() as (engine, api, folder):
            note(f"Engine of our own, {os.cpu_count()} cores, the API takes {options.delay:g} s")

            async def work() -> list[Run]:
                async with bench(engine, api, folder) as benched:
                    return await _measure(benched, options, note)

            runs = asyncio.run(work())
    except KeyboardInterrupt:
        note("Stopped; nothing is left running.")
        return 130
    except (BenchmarkError, EngineError) as error:
        print(error, file=sys.stderr)
        return 1
    compared = ratios(runs, options.delay)
    note("\nConnector over bare loop")
    for ratio in compared:
        note(f"  {ratio.name:<40}{ratio.value:>8.2f}   {ratio.verdict}")
    note(f"\n{time.monotonic() - began:.0f} s in all")
    if options.json:
        print(
            json.dumps(
                {"runs": [asdict(run) for run in runs], "ratios": [asdict(r) for r in compared]}, indent=2
            )
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
