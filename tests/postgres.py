"""A PostgreSQL of the tests' own, in a folder that goes with it; or one that runs already."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

URL = os.environ.get("TEST_POSTGRES_URL")
"""A running server's database, which the tests fill and empty."""
PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
PASSWORD = "only-for-tests"
USERS = ("postgres", "nobody")
"""Who may run the server where the tests run as root, which it refuses."""


def programs() -> Path:
    """Return the folder of the server's programs; skip the test where it is not installed (never in CI)."""
    found = shutil.which("initdb")
    folder = Path(found).parent if found else (PROGRAMS[-1] if PROGRAMS else None)
    try:
        import psycopg  # noqa: F401
    except ImportError:
        folder = None
    if folder is None:
        message = "needs PostgreSQL (make system-deps) and psycopg"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return folder


class Postgres:
    """A server on a socket in a folder of its own, without a port."""

    def __init__(self) -> None:
        self._programs = programs()
        self._folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))  # a socket's path must be short
        self._as_user: list[str] = []
        if os.getuid() == 0:
            user = next(name for name in USERS if _exists(name))
            shutil.chown(self._folder, user)
            self._as_user = ["runuser", "-u", user, "--"]
        password = self._folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        self._run(
            "initdb", "--pgdata", str(self._data), "--username", "worker", "--auth", "scram-sha-256",
            "--pwfile", str(password), "--no-sync", "--encoding", "UTF8", "--locale", "C",
        )  # fmt: skip
        self.start()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def url(self, *, user: str = "worker", password: str = PASSWORD, database: str = "postgres") -> str:
        """Return the server's URL."""
        return f"postgresql://{user}:{password}@/{database}?host={self._folder}"

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        options = f"-k {self._folder} -c listen_addresses='' -c fsync=off -c max_connections=50"
        log = str(self._folder / "log")
        self._run("pg_ctl", "start", "--wait", "-D", str(self._data), "-l", log, "-o", options)

    def stop(self) -> None:
        """Stop the server at once, as a crash does."""
        self._run("pg_ctl", "stop", "--wait", "-D", str(self._data), "-m", "immediate")

    def close(self) -> None:
        """Stop the server and remove its folder."""
        subprocess.run(
            [
                *self._as_user,
                str(self._programs / "pg_ctl"),
                "stop",
                "-D",
                str(self._data),
                "-m",
                "immediate",
            ],
            capture_output=True,
            check=False,
        )
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        # Not to a pipe: the server would hold it open after pg_ctl's end.
        with open(self._folder / "output", "ab") as output:
            command = [*self._as_user, str(self._programs / program), *arguments]
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/", check=False
            )
        if done.returncode:
            raise RuntimeError(f"{program} failed:\n{(self._folder / 'output').read_text()[-2000:]}")


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
