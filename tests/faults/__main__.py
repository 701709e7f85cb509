"""`python -m tests.faults`: the long form; prints the ledger of each run, side by side.

Exit status 0: nothing was lost, stuck, wrong or completed twice; 1: something was.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.faults.costs import costs
from tests.faults.ledger import OFF, Ledger, table
from tests.faults.run import WORKERS, play
from tests.faults.scenes import SCENES
from tests.faults.schedule import schedule
from tests.faults.stage import FOLDER
from tests.postgres import Postgres

JOBS = 1000
COSTS = "costs"
"""As a scene: what calls cost, by each seed."""
COST_JOBS = 2000
POSTGRES = "postgres"
"""As a store: a server of this run."""


def main() -> int:
    """Run what the command line asks for; return the exit status."""
    options = _options()
    home: Path | None = options.home
    if home is not None:
        return _run(options, home)
    with TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as folder:
        return _run(options, Path(folder))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--jobs", type=int, help=f"default: {JOBS}; a scene has its own")
    parser.add_argument("--seconds", type=float, help="for which the trouble of a scene lasts")
    parser.add_argument("--seed", type=int, nargs="+", default=[1], help="one run each")
    parser.add_argument("--kills", type=int, default=100, help="of workers")
    parser.add_argument("--engine-kills", type=int, default=10)
    parser.add_argument("--api-faults", type=float, default=0.2, help="share of the calls")
    parser.add_argument(
        "--store",
        nargs="+",
        default=[OFF],
        help=f"CONNECTOR_STORE of the workers, one run each; '{OFF}': none; '{FOLDER}': a fresh folder; "
        f"'{POSTGRES}': a fresh server",
    )
    parser.add_argument("--no-odd-wires", action="store_true", help="leave out answers on malformed wires")
    parser.add_argument("--scene", choices=[*SCENES, COSTS], help="one trouble alone, and its figures")
    parser.add_argument("--home", type=Path, help="keeps the logs of workers and engine; must be new")
    return parser.parse_args()


def _run(options: argparse.Namespace, home: Path) -> int:
    if options.scene:
        return _show(options, home)
    ledgers: list[Ledger] = []
    for seed in options.seed:
        plan = schedule(
            seed,
            jobs=options.jobs or JOBS,
            kills=options.kills,
            engine_kills=options.engine_kills,
            api_faults=options.api_faults,
            workers=WORKERS,
            odd_wires=not options.no_odd_wires,
        )
        for store in options.store:
            with _opened(store) as location:
                folder = _folder(home, f"{seed}-{store}")
                ledgers.append(asyncio.run(play(plan, folder, store=location)))
            print(table(ledgers[-1:]), end="\n\n", flush=True)
    if len(ledgers) > 1:
        print(table(ledgers))
    return 0 if all(ledger.is_sound for ledger in ledgers) else 1


def _show_costs(options: argparse.Namespace, home: Path) -> int:
    """Return 0 where all books agree."""
    has_differences = False
    for seed in options.seed:
        for store in [FOLDER] if options.store == [OFF] else options.store:
            with _opened(store) as location:
                folder = _folder(home, f"{COSTS}-{seed}-{store}")
                figures = asyncio.run(costs(folder, location, options.jobs or COST_JOBS, seed=seed))
            has_differences |= bool(figures["differences"])
            print(f"{COSTS}, seed {seed}, store {store}:")
            print("\n".join(f"  {name}: {value}" for name, value in figures.items()), flush=True)
    return int(has_differences)


def _show(options: argparse.Namespace, home: Path) -> int:
    if options.scene == COSTS:
        return _show_costs(options, home)
    scene, jobs, seconds = SCENES[options.scene]
    for store in options.store:
        with _opened(store) as location:
            folder = _folder(home, f"{options.scene}-{store}")
            playing = scene(folder, location, options.jobs or jobs, options.seconds or seconds)
            figures = asyncio.run(playing)
        print(f"{options.scene}, store {store}: " + ", ".join(f"{k} {v}" for k, v in figures.items()))
    return 0


@contextmanager
def _opened(store: str) -> Iterator[str]:
    """Return where the store of one run is: a PostgreSQL of its own, if that is meant."""
    if store != POSTGRES:
        yield store
        return
    running = Postgres()
    try:
        yield running.url()
    finally:
        running.close()


def _folder(home: Path, name: str) -> Path:
    """Make a folder for one run: what is left of an earlier one would be taken for this one's."""
    folder = home / "".join(letter if letter.isalnum() else "-" for letter in name)
    folder.mkdir(parents=True)
    return folder


if __name__ == "__main__":
    sys.exit(main())
