"""The benchmark beside peers: it runs without them, and its page says what it has measured."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.peers import contenders, installing, pages
from benchmarks.peers.__main__ import main
from benchmarks.peers.contenders import OURS
from benchmarks.peers.pages import Figures, Row
from benchmarks.peers.paying import Killed, Paid, Refused, Unmapped

FOLDER = Path(pages.__file__).parent
SMALL = ["--alone", "--speed-only", "--jobs", "20", "--slots", "20", "--delay", "0", "--turns", "1"]


def row(worker: str, delay: float = 0.0, **figures: float) -> Row:
    """Return a row of a contender, 100 of everything."""
    plain = Row(worker, 500, delay, 4000, 100.0, 100.0, 100.0, 100, 1.0)
    return replace(plain, **figures)  # type: ignore[arg-type]


def figures(*rows: Row) -> Figures:
    """Return what a run has found."""
    names = dict.fromkeys((one.worker for one in rows), "what it is")
    paid: list[Paid] = [
        Refused(OURS, 20, 40, 0, 0, 12.0), Unmapped(OURS, 20, 20, 20), Killed(OURS, 400, 10, 300, 700)
    ]  # fmt: skip
    return Figures("26 November 2026", "2 cores", "python -m benchmarks.peers", 3, names, list(rows), paid)


def test_it_runs_without_peers() -> None:
    """This worker and the bare loop do their jobs, and each has a line."""
    told: list[str] = []
    assert main(SMALL, told.append) == 0
    lines = [line.split() for text in told for line in text.splitlines()]
    assert [line for line in lines if line[:2] == ["bare", "loop"]]
    (ours,) = [line for line in lines if line[:2] == ["this", "worker"] and line[5] != "0"][:1]
    assert all(float(value) > 0 for value in ours[2:])


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [
        pytest.param({"jobs_per_second": 180.0, "cpu_ms": 60.0, "rss_mb": 50.0}, "met", id="just enough"),
        pytest.param({"jobs_per_second": 179.0, "cpu_ms": 61.0, "rss_mb": 51.0}, "MISSED", id="not quite"),
    ],
)
def test_targets_are_against_the_best_peer(ours: dict[str, float], verdict: str) -> None:
    """The peer with the most jobs/s counts; the bare loop does not."""
    rows = [row(OURS, **ours), row("bare loop", jobs_per_second=900.0), row("slow", jobs_per_second=9.0)]
    found = list(map(str, pages.ratios(figures(*rows, row("fast")))))
    assert len(found) == 3
    assert all("over fast" in line and f": {verdict})" in line for line in found)


def test_figures_are_the_same_after_reading(tmp_path: Path) -> None:
    """What is written down is read again as it was."""
    found = figures(row(OURS), row("fast", 1.0))
    found.write(tmp_path / "figures.json")
    assert Figures.read(tmp_path / "figures.json") == found


def test_the_page_has_the_figures_that_were_measured() -> None:
    """The table of the docs is made of the figures beside the benchmark."""
    text = pages.PAGE.read_text("utf-8")
    assert text.partition(pages.BEGIN)[2].partition(pages.END)[0].strip() == pages.table(Figures.read())


def test_the_plot_is_made_of_them_too() -> None:
    """Each bar of the plot has the figure of the table, and its size is kept small."""
    plot = pages.PLOT.read_text("utf-8")
    measured = Figures.read()
    assert len(plot) < 60_000
    for name in measured.contenders:
        found = measured.row(name, 0.0)
        assert found is not None
        assert f">{found.jobs_per_second:.0f}<" in plot


@pytest.fixture
def no_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the packages for development nor the system have Node."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", "")


@pytest.mark.usefixtures("no_node")
def test_a_peer_that_cannot_be_had_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Node its rows are missing, and the run says why."""
    monkeypatch.setattr(contenders, "python", contenders.bare_loop)
    told: list[str] = []
    found = contenders.all_that_are_here(told.append)
    assert [one.name for one in found] == [OURS, "bare loop", "bare loop"]
    (line,) = told
    assert "Node SDK" in line
    assert "not here" in line


@pytest.mark.usefixtures("no_node")
def test_an_old_node_is_no_node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A Node that the package cannot run on is said to be too old."""
    for name in ("node", "npm"):
        (tmp_path / name).write_text("#!/bin/sh\necho v20.1.0\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(installing.LeftOutError, match=r"20\.1\.0"):
        installing.node_peer()


def test_peers_are_locked_by_their_hashes() -> None:
    """Each package has a hash, and no lock names where it was fetched from."""
    python = (FOLDER / "python" / "requirements.txt").read_text("utf-8")
    blocks = re.split(r"\n(?=\S)", python.strip())
    assert blocks
    assert all("==" in block and "--hash=sha256:" in block for block in blocks)
    packages = json.loads((FOLDER / "node" / "package-lock.json").read_text("utf-8"))["packages"]
    named = {name: package for name, package in packages.items() if name}
    assert all(package["integrity"].startswith("sha512-") for package in named.values())
    assert not [name for name, package in named.items() if "resolved" in package]


def test_peers_are_open_source() -> None:
    """Each package of the lock has a licence that is an open-source one."""
    packages = json.loads((FOLDER / "node" / "package-lock.json").read_text("utf-8"))["packages"]
    free = {"MIT", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "0BSD", "(BSD-3-Clause OR GPL-2.0)"}
    assert {package["license"] for package in packages.values()} <= free
