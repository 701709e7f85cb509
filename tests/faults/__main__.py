"""`python -m tests.faults`: the long form; prints the ledger of each run, side by side.

Exit status 0: nothing was lost, stuck, wrong or completed twice; 1: something was.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.faults.ledger import OFF, Ledger, table
from tests.faults.run import WORKERS, play
from tests.faults.scenes import SCENES
from tests.faults.schedule import schedule
from tests.faults.stage import FOLDER

JOBS, SCENE_JOBS = 1000, 12


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
    parser.add_argument("--jobs", type=int, help=f"default: {JOBS}; of a scene {SCENE_JOBS}")
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
    parser.add_argument("--scene", choices=SCENES, help="one trouble alone, and its figures")
    parser.add_argument("--home", type=Path, help="keeps the logs of workers and engine; must be new")
    return parser.parse_args()


def _run(options: argparse.Namespace, home: Path) -> int:
    if options.scene:
        for store in options.store:
            folder = _folder(home, f"{options.scene}-{store}")
            figures = asyncio.run(SCENES[options.scene](folder, store, options.jobs or SCENE_JOBS))
            print(
                f"{options.scene}, store {store}: " + ", ".join(f"{k} {v}" for k, v in figures.items()),
                flush=True,
            )
        return 0
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
            ledgers.append(asyncio.run(play(plan, _folder(home, f"{seed}-{store}"), store=store)))
            print(table(ledgers[-1:]), end="\n\n", flush=True)
    if len(ledgers) > 1:
        print(table(ledgers))
    return 0 if all(ledger.is_sound for ledger in ledgers) else 1


def _folder(home: Path, name: str) -> Path:
    """Make a folder for one run: what is left of an earlier one would be taken for this one's."""
    folder = home / "".join(letter if letter.isalnum() else "-" for letter in name)
    folder.mkdir(parents=True)
    return folder


if __name__ == "__main__":
    sys.exit(main())
