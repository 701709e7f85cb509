"""Wheel and source archive, built as a release builds them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")


def tracked() -> list[str]:
    """Return the files of the checkout."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("this is no git checkout")
    return [name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def built(folder: Path, *, at: float, umask: int) -> dict[str, Path]:
    """Build in a copy of the checkout whose files are of one time; return the files by their names."""
    before = os.umask(umask)
    try:
        for name in tracked():
            target = folder / "src" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target)
            os.utime(target, (at, at))
        subprocess.run(
            [
                UV,
                "build",
                "--quiet",
                "--no-build-isolation",
                "--python",
                sys.executable,
                "--out-dir",
                folder / "dist",
            ],
            cwd=folder / "src",
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "SOURCE_DATE_EPOCH": "1700000000"},
            check=True,
        )
    finally:
        os.umask(before)
    return {path.name: path for path in (folder / "dist").iterdir() if path.suffix in (".whl", ".gz")}


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Path], dict[str, Path]]:
    first = built(tmp_path_factory.mktemp("first"), at=1_600_000_000, umask=0o022)
    return first, built(tmp_path_factory.mktemp("second"), at=1_750_000_000, umask=0o077)


def test_two_builds_are_the_same_to_the_byte(twice: tuple[dict[str, Path], dict[str, Path]]) -> None:
    """Neither the time of the files, nor their folder, nor who builds them leaves a trace."""
    one, other = ({name: digest(path) for name, path in files.items()} for files in twice)
    assert len(one) == 2
    assert one == other


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_both_hold_what_they_should(twice: tuple[dict[str, Path], dict[str, Path]]) -> None:
    """The wheel has the three packages and the licence, no tests; the archive can build it again."""
    wheel = next(path for path in twice[0].values() if path.suffix == ".whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {"openai_connector", "camunda_feel", "local_engine"} == {one for one in tops if "." not in one}
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if "__pycache__" in name or "/tests/" in name]
    archive = next(path for path in twice[0].values() if path.suffix == ".gz")
    with tarfile.open(archive) as opened:
        files = {name.partition("/")[2] for name in opened.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "requirements/worker.txt"} <= files
