"""`python -m tests.faults`: the long form; prints the ledger of each run, side by side.

Exit status 0: nothing was lost, stuck, wrong or completed twice; 1: something was.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from tests.faults.ledger import Ledger, table
from tests.faults.run import WORKERS, play
from tests.faults.schedule import Schedule, schedule
from tests.faults.stage import FOLDER, OFF


def main() -> int:
    """Run what the command line asks for; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--seed", type=int, nargs="+", default=[1], help="one run each")
    parser.add_argument("--kills", type=int, default=100, help="of workers")
    parser.add_argument("--engine-kills", type=int, default=10)
    parser.add_argument("--api-faults", type=float, default=0.2, help="share of the calls")
    parser.add_argument(
        "--store",
        nargs="+",
        default=[OFF],
        help=f"CONNECTOR_STORE of the workers, one run each; '{OFF}': none; '{FOLDER}': a fresh folder",
    )
    parser.add_argument("--no-odd-wires", action="store_true", help="leave out answers on malformed wires")
    parser.add_argument("--home", type=Path, help="keeps the logs of workers and engine")
    options = parser.parse_args()
    ledgers: list[Ledger] = []
    for seed in options.seed:
        plan = schedule(
            seed,
            jobs=options.jobs,
            kills=options.kills,
            engine_kills=options.engine_kills,
            api_faults=options.api_faults,
            workers=WORKERS,
            odd_wires=not options.no_odd_wires,
        )
        for store in options.store:
            ledgers.append(asyncio.run(_play(plan, store, options.home)))
            print(table(ledgers[-1:]), end="\n\n", flush=True)
    if len(ledgers) > 1:
        print(table(ledgers))
    return 0 if all(ledger.is_sound for ledger in ledgers) else 1


async def _play(plan: Schedule, store: str, home: Path | None) -> Ledger:
    own = None if home is None else home / f"seed-{plan.seed}-{store.split(':')[0].replace('/', '-')}"
    return await play(plan, store=store, home=own)


if __name__ == "__main__":
    sys.exit(main())
