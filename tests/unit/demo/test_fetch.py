"""Fetching the engine into the user's cache, with a stand-in for the Maven client."""

from __future__ import annotations

import errno
import hashlib
import io
import sys
import tarfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import platformdirs
import pytest

from openai_connector.demo import engine
from openai_connector.demo.engine import EngineError, fetch

VERSION = "0.0.1"


def _archive(name: str = f"camunda-zeebe-{VERSION}/bin/broker") -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        entry = tarfile.TarInfo(name)
        entry.mode, entry.size = 0o755, 5
        tar.addfile(entry, io.BytesIO(b"#!/sh"))
    return content.getvalue()


class Maven:
    """Stands in for `jgo.maven`: `answer` gives the archive's bytes or raises."""

    def __init__(self, answer: Callable[[], bytes]) -> None:
        self.answer = answer
        self.downloads = 0

    def PythonResolver(self, **_options: Any) -> None:  # noqa: N802 - jgo's name
        return None

    def MavenContext(self, *, repo_cache: Path, **_options: Any) -> Any:  # noqa: N802 - jgo's name
        def resolve() -> Path:
            self.downloads += 1
            repo_cache.mkdir(parents=True)
            file = repo_cache / "archive.tar.gz"
            file.write_bytes(b"half of i")
            file.write_bytes(self.answer())
            return file

        artifact = SimpleNamespace(artifact=lambda packaging: SimpleNamespace(resolve=resolve))
        project = SimpleNamespace(at_version=lambda version: artifact)
        return SimpleNamespace(project=lambda group, name: project)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda *_, **__: str(folder))
    return folder


@pytest.fixture
def maven(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Maven:
    stand_in = Maven(_archive)
    monkeypatch.setitem(sys.modules, "jgo.maven", stand_in)
    return stand_in


def _raises(error: BaseException) -> Callable[[], bytes]:
    def answer() -> bytes:
        raise error

    return answer


def _content(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir() if path.suffix != ".lock")


def test_engine_is_downloaded_once(maven: Maven, cache: Path) -> None:
    """The second call finds the unpacked engine, its script executable, and downloads nothing."""
    installation = fetch(VERSION)
    assert fetch(VERSION) == installation
    assert (installation / "bin" / "broker").stat().st_mode & 0o100
    assert maven.downloads == 1
    assert _content(cache) == [installation.name]


def test_old_tarfile_will_do(maven: Maven, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.11 before 3.11.4, as Debian 12 has it, knows no extraction filters, and unpacks the engine too."""
    extract = tarfile.TarFile.extractall
    monkeypatch.delattr(tarfile, "data_filter", raising=False)
    monkeypatch.setattr(tarfile.TarFile, "extractall", lambda tar, path: extract(tar, path))
    assert (fetch(VERSION) / "bin" / "broker").is_file()


def test_nothing_is_unpacked_outside(maven: Maven, cache: Path) -> None:
    """Where Python has its filter, an entry that points out of the folder makes the archive a damaged one."""
    if not hasattr(tarfile, "data_filter"):
        pytest.skip("this Python has no filter")
    maven.answer = lambda: _archive("../../outside")
    with pytest.raises(EngineError, match="is damaged"):
        fetch(VERSION)
    assert _content(cache) == []


def test_concurrent_calls_download_once(maven: Maven) -> None:
    """Four callers at the same time end with one download between them."""
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(fetch, [VERSION] * 4))) == 1
    assert maven.downloads == 1


def test_interrupted_download_leaves_nothing(maven: Maven, cache: Path) -> None:
    """After a Ctrl-C in mid-download the cache is empty and the next call succeeds."""
    maven.answer = _raises(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        fetch(VERSION)
    assert _content(cache) == []
    maven.answer = _archive
    assert fetch(VERSION).is_dir()


def test_leftovers_of_a_killed_process_are_removed(maven: Maven, cache: Path) -> None:
    """A partial folder that a killed process left behind does not end up in the installation."""
    leftover = cache / f"camunda-zeebe-{VERSION}.partial" / "unpacked" / "something-else"
    leftover.mkdir(parents=True)
    installation = fetch(VERSION)
    assert _content(cache) == [installation.name]
    assert [path.name for path in installation.iterdir()] == ["bin"]


@pytest.mark.parametrize("kept", [slice(-4), slice(60), slice(4, None)], ids=["no checksum", "half", "no head"])
def test_damaged_archive_is_refused(maven: Maven, cache: Path, kept: slice) -> None:
    """An archive that is not whole is one clear error, and nothing of it stays."""
    maven.answer = lambda: _archive()[kept]
    with pytest.raises(EngineError, match=r"^The download of Zeebe 0\.0\.1 is damaged \(.*\); run this again\.$"):
        fetch(VERSION)
    assert _content(cache) == []


def test_known_version_is_checked_by_its_hash(maven: Maven, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a version whose hash is known, only the published file is taken."""
    monkeypatch.setitem(engine.SHA256, VERSION, "0" * 64)
    with pytest.raises(EngineError, match="not the published file"):
        fetch(VERSION)
    monkeypatch.setitem(engine.SHA256, VERSION, hashlib.sha256(_archive()).hexdigest())
    assert fetch(VERSION).is_dir()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ConnectionError("long and technical"), "could not be downloaded .ConnectionError.: check the network"),
        (OSError(errno.ENOSPC, "No space left on device"), "could not be stored in .*: No space left on device; make"),
        (RuntimeError("Artifact not found"), "was not found in the Maven repository; use a published version"),
    ],
)
def test_failed_download_is_one_sentence(maven: Maven, error: Exception, message: str) -> None:
    """No network, a full disk and an unknown version each say in one line what to do."""
    maven.answer = _raises(error)
    with pytest.raises(EngineError, match=message) as raised:
        fetch(VERSION)
    assert "\n" not in str(raised.value)


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("module", ["platformdirs", "jgo.maven"])
def test_missing_extra_is_named(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra's packages the message gives the command that installs them."""
    monkeypatch.setitem(sys.modules, module, None)
    package = module.partition(".")[0]
    with pytest.raises(EngineError, match=rf"needs the package {package}, which `make demo` installs; .*pip install"):
        fetch(VERSION)
