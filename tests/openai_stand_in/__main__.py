"""Run the stand-in as a process: `python -m tests.openai_stand_in --port 8100 --scale 60 --seed 1 --faults 0.2`.

`GET /stand-in/ledger`, `GET /stand-in/complaints` and `POST /stand-in/clock` (`{"advance": seconds}`) are for tests.
"""

from __future__ import annotations

import argparse
import asyncio

from tests.openai_stand_in.api import OpenAI
from tests.openai_stand_in.faults import by_seed, never


async def serve(arguments: argparse.Namespace) -> None:
    """Serve until the process ends."""
    choose = by_seed(arguments.seed, arguments.faults) if arguments.faults else never
    api = OpenAI(seed=arguments.seed, scale=arguments.scale, choose=choose, port=arguments.port)
    async with api:
        print(f"serving at {api.base_url}", flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """Read the command line, and serve."""
    parser = argparse.ArgumentParser(prog="python -m tests.openai_stand_in", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: any")
    parser.add_argument("--scale", type=float, default=1, help="seconds of its time in one of ours")
    parser.add_argument("--seed", type=int, default=0, help="all dice fall by it")
    parser.add_argument("--faults", type=float, default=0, help="the share of the calls that go wrong")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
