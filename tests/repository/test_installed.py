"""The wheel, installed by the Dockerfile's own commands into an empty environment, as the image has it."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from local_engine.server import LocalEngine
from openai_connector import __version__
from tests.repository.test_container_files import commands, copied
from tests.stand_in import StandIn

ROOT = Path(__file__).parents[2]
NOBODY = 65534
PLACE = "/opt/openai-connector"
"""Where the image has it."""


def python_for_all() -> str:
    """Return a Python that another user may run too, where the tests run as root, whose own folder is closed."""
    if os.getuid() != 0:
        return sys.executable
    for found in ("/usr/local/bin/python3", "/usr/bin/python3"):
        told = subprocess.run(
            [found, "-c", "import sys, venv; print(sys.version_info >= (3, 11))"],
            capture_output=True, text=True, check=False,
        ) if Path(found).exists() else None  # fmt: skip
        if told is not None and told.stdout.strip() == "True":
            return found
    pytest.skip("needs a Python 3.11 or newer of the system, which another user may run")


@pytest.fixture(scope="module")
def installed() -> Iterator[Path]:
    """An environment filled by the commands of the Dockerfile, and then written to no more."""
    try:
        socket.create_connection(("pypi.org", 443), timeout=10).close()
    except OSError:
        if os.environ.get("CI"):
            raise
        pytest.skip("needs the package index")
    folder = Path(tempfile.mkdtemp(prefix="image", dir="/tmp"))  # pytest's own is closed to other users
    folder.chmod(0o755)
    source, place = folder / "src", folder / "place"
    for name in copied():
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, target)
    for command in commands():
        words = command.replace(PLACE, str(place))
        words = words.replace("python -m venv", f"{shlex.quote(python_for_all())} -m venv", 1)
        if words.startswith("pip "):
            words = f"{shlex.quote(sys.executable)} -m {words}"
        environment = {"PATH": os.environ["PATH"], "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        done = subprocess.run(
            words, shell=True, cwd=source, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (command, done.stderr[-2000:])
    shutil.rmtree(source)
    for path in (place, *place.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o555)
    yield place
    for path in (place, *place.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755)
    shutil.rmtree(folder)


def command(installed: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    """Run the command as the image does: another user, no home, nothing of the tests' own environment."""
    other = NOBODY if os.getuid() == 0 else None
    return subprocess.Popen(
        [str(installed / "bin" / "openai-connector"), *arguments],
        cwd="/",
        env={"PATH": f"{installed}/bin", "PYTHONDONTWRITEBYTECODE": "1", **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        user=other,
        group=other,
        extra_groups=None if other is None else [],
    )


def test_the_image_has_what_is_needed_and_no_more(installed: Path) -> None:
    """The command starts and knows its version; pip and the build's tools have not come along."""
    done = command(installed, "--version")
    assert done.communicate(timeout=60) == (f"openai-connector {__version__}\n", "")
    assert not {"pip", "hatchling", "pytest"} & {
        path.name for path in installed.glob("lib/*/site-packages/*")
    }


async def test_another_user_works_on_a_tree_that_nobody_may_write(installed: Path) -> None:
    """The worker finds the engine, `check` finds all well, a SIGTERM drains; no file was written."""
    before = sorted(installed.rglob("*"))
    async with LocalEngine() as engine, StandIn() as api:
        variables = {
            "ZEEBE_ADDRESS": engine.address,
            "OPENAI_BASE_URL": api.base_url,
            "OPENAI_API_KEY": "sk-test",
            "CONNECTOR_HTTP_PORT": "0",
        }
        checked = command(installed, "check", "--json", **variables)
        while checked.poll() is None:
            await pause()
        told = json.loads(checked.communicate()[0])
        assert {one["check"]: one["verdict"] for one in told["findings"]}["engine"] == "ok", told
        worker = command(installed, "run", **variables)
        try:
            while "fetching jobs" not in (line := await readline(worker)):
                assert line, worker.poll()
        finally:
            worker.send_signal(signal.SIGTERM)
        while worker.poll() is None:
            await pause()
    assert worker.returncode == 0, worker.communicate()
    assert sorted(installed.rglob("*")) == before


async def pause() -> None:

    await asyncio.sleep(0.05)


async def readline(process: subprocess.Popen[str]) -> str:

    assert process.stderr is not None
    return await asyncio.to_thread(process.stderr.readline)


@pytest.mark.skipif(
    find_spec("openai_connector.commands.health") is None, reason="there is no health command"
)
async def test_the_healthcheck_of_the_image_answers(installed: Path) -> None:
    """The command of HEALTHCHECK fails while there is no worker, and succeeds beside one that has no engine.

    With the address that the image sets.
    """
    with socket.socket() as free, socket.socket() as taken:
        free.bind(("127.0.0.1", 0))
        taken.bind(("127.0.0.1", 0))  # and never listens
        port, nobody = (str(one.getsockname()[1]) for one in (free, taken))
        free.close()
        variables = {
            "ZEEBE_ADDRESS": f"http://127.0.0.1:{nobody}",
            "CONNECTOR_HTTP_PORT": port,
            "CONNECTOR_HTTP_HOST": "*",
        }
        assert await status_of(command(installed, "health", "live", **variables)) == 1
        worker = command(installed, "run", **variables)
        try:
            while "Zeebe gives no jobs" not in (line := await readline(worker)):
                assert line, worker.poll()
            assert await status_of(command(installed, "health", "live", **variables)) == 0
            assert await status_of(command(installed, "health", **variables)) == 1
        finally:
            worker.send_signal(signal.SIGTERM)
        assert await status_of(worker) == 0


async def status_of(process: subprocess.Popen[str]) -> int:
    while process.poll() is None:
        await pause()
    return int(process.returncode)
