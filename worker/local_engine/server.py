"""The whole engine: data, gateway and management port, started and stopped on an event loop."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TextIO

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2
from grpc_health.v1._async import HealthServicer
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server
from pyzeebe.proto.gateway_pb2_grpc import add_GatewayServicer_to_server

from local_engine.clock import Clock
from local_engine.engine import Engine
from local_engine.errors import EngineError
from local_engine.gateway import Gateway
from local_engine.management import Management
from local_engine.records import Listener
from local_engine.runner import Runner
from local_engine.storage import Storage

LARGEST_REQUEST = 4 * 1024 * 1024
"""Bytes of a message, as in the real gateway."""
LARGEST_ANSWER = 64 * 1024 * 1024
STOP_GRACE = 0.5
"""Seconds for calls that are running when the engine stops; long polls end at once for their clients."""


class LocalEngine:
    """An engine with its gateway on this machine, in this process.

    async with LocalEngine() as engine:
        print(engine.address)
    """

    def __init__(
        self,
        data: Path | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        management_port: int | None = None,
        records: TextIO | None = None,
    ) -> None:
        """Describe an engine; nothing is opened yet.

        Args:
            data: folder that keeps the instances; None keeps them in memory.
            host: address to listen at.
            port: of the gateway; 0 takes a free one.
            management_port: of the management port; None means none, 0 takes a free one.
            records: where each record is written as a line, once it is on the disk.
        """
        self._data = data
        self._host = host
        self._port = port
        self._management_port = management_port
        self._records = records
        self._clock = Clock()
        self._storage: Storage | None = None
        self._runner: Runner | None = None
        self._server: grpc.aio.Server | None = None
        self._management: asyncio.Server | None = None
        self.address = ""
        """`host:port` of the gateway, known after the start."""
        self.management_url = ""
        """Known after the start, where there is a management port."""

    @property
    def runner(self) -> Runner:
        """The runner of this process's own commands; see `Runner.execute`."""
        assert self._runner is not None, "the engine is not started"
        return self._runner

    @property
    def engine(self) -> Engine:
        """The engine's core, for reading. After a failure it is another object: do not keep it."""
        return self.runner.engine

    async def start(self) -> None:
        """Open the data and the ports.

        Raises:
            EngineError: the data cannot be used, or a port is taken.
        """
        self._storage = Storage(self._data)
        try:
            self._runner = Runner(self._storage, self._clock, keep_record_lines=self._records is not None)
            self._export_what_is_left()
            await self._open_gateway(self._runner)
            if self._management_port is not None:
                await self._open_management(self._runner, self._management_port)
        except BaseException:
            await self.stop()
            raise
        self._runner.start()

    async def stop(self) -> None:
        """Close the ports and the data; everything that was acknowledged is kept."""
        if self._management is not None:
            self._management.close()
            self._management = None
        if self._server is not None:
            await self._server.stop(STOP_GRACE)
            self._server = None
        if self._runner is not None:
            self._runner.close()
        if self._storage is not None:
            self._storage.close()
            self._storage = None

    async def failed(self) -> str:
        """Wait until the engine cannot go on, and return the reason as a sentence."""
        return await asyncio.shield(self.runner.given_up)

    def subscribe(self, listener: Listener) -> None:
        """Add a listener, which is called with each record once the record is on the disk."""
        self.runner.subscribe(listener)

    def unsubscribe(self, listener: Listener) -> None:
        """Remove a listener."""
        self.runner.unsubscribe(listener)

    async def _open_gateway(self, runner: Runner) -> None:
        gateway = Gateway(runner)
        server = grpc.aio.server(
            options=[
                ("grpc.so_reuseport", 0),  # else two engines share one port in silence
                ("grpc.max_receive_message_length", LARGEST_REQUEST),
                ("grpc.max_send_message_length", LARGEST_ANSWER),
            ]
        )
        add_GatewayServicer_to_server(gateway, server)
        health = HealthServicer()
        add_HealthServicer_to_server(health, server)
        for service in ("", "gateway_protocol.Gateway"):
            await health.set(service, health_pb2.HealthCheckResponse.SERVING)
        try:
            port = server.add_insecure_port(f"{_bracketed(self._host)}:{self._port}")
        except RuntimeError:
            port = 0
        if not port:
            raise EngineError(
                f"The engine cannot listen at {self._host}:{self._port}: another program has the port, or "
                "the address is not this machine's; stop that program or give another port."
            )
        await server.start()
        self._server = server
        gateway.host, gateway.port = self._host, port
        self.address = f"{_bracketed(self._host)}:{port}"

    async def _open_management(self, runner: Runner, port: int) -> None:
        management = Management(runner, self._clock)
        try:
            self._management = await asyncio.start_server(management.handle, self._host, port)
        except OSError as error:
            raise EngineError(
                f"The management port {self._host}:{port} cannot be opened ({error.strerror or error}): give "
                "another one."
            ) from None
        opened = self._management.sockets[0].getsockname()[1]
        self.management_url = f"http://{_bracketed(self._host)}:{opened}"

    # Records as lines

    def _export_what_is_left(self) -> None:
        """Write the last run's records that may not be in the log; readers ignore duplicates by position."""
        if self._records is None or self._storage is None:
            return
        self._write(self._storage.records())
        self.runner.on_commit = self._write

    def _write(self, lines: list[tuple[int, str]]) -> None:
        if not lines or self._records is None or self._storage is None:
            return
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        self._records.write("".join(f"{stamp} INFO local_engine.records - {line}\n" for _, line in lines))
        self._records.flush()
        self._storage.exported(lines[-1][0])

    async def __aenter__(self) -> LocalEngine:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
