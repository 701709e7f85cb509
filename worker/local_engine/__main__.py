"""`python -m local_engine`: the engine alone, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
from pathlib import Path

from local_engine.errors import EngineError
from local_engine.server import LocalEngine

GATEWAY_PORT = 26500


def main() -> int:
    """Run the engine; return the exit status: 0 after a stop, 1 after a failure, 2 for wrong arguments."""
    parser = argparse.ArgumentParser(prog="python -m local_engine", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default: %(default)s)")
    parser.add_argument(
        "--port", type=int, default=GATEWAY_PORT, help="of the gateway (default: %(default)s)"
    )
    parser.add_argument("--management-port", type=int, default=0, help="health and clock (default: none)")
    parser.add_argument("--data", type=Path, help="folder that keeps the instances (default: memory alone)")
    parser.add_argument("--records", action="store_true", help="write every record to standard output")
    options = parser.parse_args()
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    engine = LocalEngine(
        options.data,
        host=options.host,
        port=options.port,
        management_port=options.management_port or None,
        records=sys.stdout if options.records else None,
    )
    try:
        asyncio.run(_run(engine))
    except EngineError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


async def _run(engine: LocalEngine) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # Windows
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with engine:
        print(f"The engine listens at {engine.address} (not Zeebe; not for production)", flush=True)
        failed = asyncio.ensure_future(engine.failed())
        stopped = asyncio.ensure_future(stopping.wait())
        await asyncio.wait([failed, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if failed.done():
            raise EngineError(failed.result())
        failed.cancel()


if __name__ == "__main__":
    sys.exit(main())
