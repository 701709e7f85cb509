"""FEEL's own wheel: built as its users build it.

And tried where nothing else of this project can be imported.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOREIGN = ("openai_connector", "local_engine", "grpc", "pyzeebe", "pydantic", "httpx", "aiohttp")
TESTS = ("test_api.py", "test_cases.py", "test_own_corpora.py", "test_hostile.py")
ALONE = f"""
import importlib.abc, sys

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {FOREIGN!r}:
            raise ImportError(f"{{name}} is not of this wheel")

sys.meta_path.insert(0, Refuse())
import camunda_feel
assert camunda_feel.__file__.startswith(sys.argv[1]), camunda_feel.__file__
import pytest
sys.exit(pytest.main(["-q", "--no-header", "--noconftest", "-p", "no:cacheprovider", *sys.argv[2:]]))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the package's own folder."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", str(folder), str(ROOT / "worker" / "camunda_feel")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("camunda_feel-*.whl")
    return built


def test_the_wheel_holds_the_package_alone(wheel: Path) -> None:
    """Every module and the marker for types are in it, and neither tests nor project files."""
    names = zipfile.ZipFile(wheel).namelist()
    package = {name for name in names if ".dist-info/" not in name}
    source = ROOT / "worker" / "camunda_feel"
    modules = {f"camunda_feel/{path.relative_to(source).as_posix()}" for path in source.rglob("*.py")}
    assert package == modules | {"camunda_feel/py.typed"}
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_wheel_passes_its_tests_alone(wheel: Path, tmp_path: Path) -> None:
    """FEEL's tests pass on the unpacked wheel while nothing of the connector or the engine can be imported."""
    zipfile.ZipFile(wheel).extractall(tmp_path)
    tests = [str(ROOT / "tests" / "feel" / name) for name in TESTS]
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(tmp_path), *tests],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(tmp_path), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
