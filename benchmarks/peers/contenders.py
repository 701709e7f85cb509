"""Who takes part: this worker, the bare loop, and the peers that can be had here."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from benchmarks.bench import BARE_LOOP, CONNECTOR, Worker
from benchmarks.peers.installing import FOLDER, LeftOutError, node_peer, python_peer

OURS: Final = "this worker"
FAILING: Final = {"PEER_MAPPING": "fails"}
"""Setting with which a peer's own code fails after the answer."""
VERSIONS: Final = "from importlib.metadata import version as v; print(v('pyzeebe'), v('openai'))"


@dataclass(frozen=True, slots=True)
class Contender:
    """One that takes part."""

    worker: Worker
    about: str
    """What it is, with its versions."""
    is_peer: bool = False
    """Whether it is what a user might run instead."""
    is_complete: bool = True
    """Whether it is made to be run, so that it has defaults and handles failures."""

    @property
    def name(self) -> str:
        """The name in tables."""
        return self.worker.name

    def with_settings(self, **settings: str) -> Worker:
        """Return the same with further settings."""
        return replace(self.worker, settings={**self.worker.settings, **settings})


def ours() -> Contender:
    """Return this worker."""
    return Contender(replace(CONNECTOR, name=OURS), "`openai-connector run`, without a store")


def with_store(contender: Contender, folder: Path) -> Contender:
    """Return this worker with a store."""
    worker = replace(contender.with_settings(CONNECTOR_STORE=str(folder)), name=f"{contender.name}, store on")
    return replace(contender, worker=worker)


def bare_loop() -> Contender:
    """Return the least that a worker can do."""
    return Contender(BARE_LOOP, "activate, call, complete; without checks and retries", is_complete=False)


def python() -> Contender:
    """Return what a Python user might run."""
    program = python_peer()
    seen = subprocess.run([program, "-c", VERSIONS], capture_output=True, text=True, check=True)
    pyzeebe, openai = seen.stdout.split()
    worker = Worker("pyzeebe + openai", [str(program), str(FOLDER / "python" / "worker.py")])
    return Contender(worker, f"pyzeebe {pyzeebe} with openai {openai}", is_peer=True)


def node() -> Contender:
    """Return what a Node user might run."""
    program, folder = node_peer()
    sdk, openai = (
        json.loads((folder / "node_modules" / package / "package.json").read_text("utf-8"))["version"]
        for package in ("@camunda8/sdk", "openai")
    )
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    worker = Worker("Node SDK + openai", [program, str(folder / "worker.mjs")])
    about = f"@camunda8/sdk {sdk} with openai {openai}, Node {version.strip().removeprefix('v')}"
    return Contender(worker, about, is_peer=True)


def all_that_are_here(note: Callable[[str], None]) -> list[Contender]:
    """Return all that can be had; say of others why they are left out."""
    found = [ours(), bare_loop()]
    for name, make in (("pyzeebe + openai", python), ("Node SDK + openai", node)):
        try:
            found.append(make())
        except LeftOutError as error:
            note(f"Left out: {name}: {error}")
    return found


def peers(contenders: Sequence[Contender]) -> list[Contender]:
    """Return those that a user might run instead."""
    return [one for one in contenders if one.is_peer]
