"""Run it: `python -m benchmarks.peers`."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.bench import BenchmarkError, Run, StandIn, bench, machinery
from benchmarks.peers import __doc__ as about
from benchmarks.peers import pages, paying, speed
from benchmarks.peers.contenders import Contender, all_that_are_here, bare_loop, ours
from openai_connector.tools.demo.engine import Engine, EngineError


def note(text: str) -> None:
    """Tell how far the run is."""
    print(text, flush=True)


def main(arguments: list[str] | None = None, tell: Callable[[str], None] = note) -> int:
    """Run all; the exit status is 0, 1 where a run failed, 130 after Ctrl-C. Missed targets are shown."""
    options = _options(arguments)
    began = time.monotonic()
    try:
        if options.write_docs:
            pages.check_plots()
        contenders = [ours(), bare_loop()] if options.alone else all_that_are_here(tell)
        figures = _measured(contenders, options, tell)
    except KeyboardInterrupt:
        tell("Stopped; nothing is left running.")
        return 130
    except (BenchmarkError, EngineError, pages.NoPlotsError) as error:
        print(error, file=sys.stderr)
        return 1
    tell("\n" + "\n".join(map(str, pages.ratios(figures))))
    if options.write_docs:
        figures.write()
        pages.write(figures)
    tell(f"\n{time.monotonic() - began:.0f} s in all")
    return 0


def _measured(
    contenders: list[Contender], options: argparse.Namespace, tell: Callable[[str], None]
) -> pages.Figures:
    plan = speed.Plan(options.jobs, options.slots, options.delay, options.turns)
    load = os.getloadavg()[0]

    async def fast(parts: tuple[Engine, StandIn, Path]) -> list[Run]:
        async with bench(*parts) as benched:
            return await speed.measure(benched, contenders, plan, tell)

    async def paid(parts: tuple[Engine, StandIn, Path]) -> list[paying.Paid]:
        async with bench(*parts) as benched:
            return await paying.measure(benched, contenders, parts[2], tell)

    with machinery() as parts:
        runs = asyncio.run(fast(parts))
    payments: list[paying.Paid] = []
    if not options.speed_only:
        tell("\nWhat each pays")
        with machinery(records=True) as parts:
            payments = asyncio.run(paid(parts))
    return pages.Figures.of(contenders, runs, payments, load, options.command)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--jobs", type=int, help="jobs of a run (default: 4000; quick: 1000)")
    parser.add_argument("--slots", type=int, default=500, help="besides the defaults of each (default: 500)")
    parser.add_argument(
        "--delay", type=float, nargs="+", default=[0.0, 1.0], help="seconds of the API (default: 0 1)"
    )
    parser.add_argument("--turns", type=int, help="runs of each worker (default: 3; quick: 1)")
    parser.add_argument("--quick", action="store_true", help="fewer jobs, one turn")
    parser.add_argument("--alone", action="store_true", help="without peers: nothing is installed")
    parser.add_argument("--speed-only", action="store_true", help="without what each pays")
    parser.add_argument("--write-docs", action="store_true", help="write table and plot into docs/")
    options = parser.parse_args(arguments)
    given = sys.argv[1:] if arguments is None else arguments
    options.command = " ".join(["python -m benchmarks.peers", *given])
    options.jobs = options.jobs or (1000 if options.quick else 4000)
    options.turns = options.turns or (1 if options.quick else 3)
    if min(options.jobs, options.slots, options.turns) < 1 or min(options.delay) < 0:
        parser.error("jobs, slots and turns must be 1 or more, and the delay 0 or more")
    return options


if __name__ == "__main__":
    sys.exit(main())
