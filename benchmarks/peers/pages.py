"""What was measured, as a table and a plot in docs/benchmarks.md."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from benchmarks.bench import BARE_LOOP, Run
from benchmarks.peers.contenders import OURS, Contender
from benchmarks.peers.paying import REFUSED_FOR, Killed, Paid, Refused, Unmapped

ROOT: Final = Path(__file__).parents[2]
FIGURES: Final = Path(__file__).with_name("figures.json")
PAGE: Final = ROOT / "docs" / "benchmarks.md"
PLOT: Final = ROOT / "docs" / "images" / "benchmarks.svg"
BEGIN: Final = "<!-- Figures: python -m benchmarks.peers --write-docs -->"
END: Final = "<!-- End of figures -->"
KINDS: Final = {"refused": Refused, "unmapped": Unmapped, "killed": Killed}
INK: Final = "#7d838c"
"""Can be read on white and on the dark page."""
OUR_COLOUR: Final = "#e8590c"
PANELS: Final = (
    ("jobs_per_second", 0.0, "jobs/s, API 0 s"),
    ("jobs_per_second", 1.0, "jobs/s, API 1 s"),
    ("cpu_ms", 0.0, "CPU ms a job, API 0 s"),
    ("cpu_ms", 1.0, "CPU ms a job, API 1 s"),
    ("rss_mb", 1.0, "memory MB, API 1 s"),
)


class NoPlotsError(RuntimeError):
    """The extra `bench` is not installed."""


@dataclass(frozen=True, slots=True)
class Row:
    """The means of a contender's turns."""

    worker: str
    slots: int | None
    delay: float
    jobs: int
    jobs_per_second: float
    cpu_ms: float
    rss_mb: float
    in_flight: int
    first_job: float

    @classmethod
    def of(cls, runs: Sequence[Run]) -> Row:
        """Return the means of equal runs; the median of the starts, the most of memory and calls."""
        one = runs[0]
        return cls(
            one.worker,
            one.slots,
            one.delay,
            one.jobs,
            round(statistics.mean(run.working_jobs_per_second for run in runs), 1),
            round(statistics.mean(run.whole_cpu_ms_per_job for run in runs), 3),
            round(max(run.rss_mb for run in runs), 1),
            max(run.most_in_flight for run in runs),
            round(statistics.median(run.first_job_seconds for run in runs), 2),
        )


@dataclass(frozen=True, slots=True)
class Figures:
    """All that a run of the benchmark has found."""

    date: str
    machine: str
    command: str
    turns: int
    contenders: dict[str, str]
    """What each is, by name."""
    rows: list[Row]
    paid: list[Paid]

    @classmethod
    def of(
        cls, contenders: Iterable[Contender], runs: Sequence[Run], paid: list[Paid], load: float, command: str
    ) -> Figures:
        """Return what was found, with where and when."""
        equal: dict[tuple[Any, ...], list[Run]] = {}
        for run in runs:
            equal.setdefault((run.delay, run.slots is None, run.worker), []).append(run)
        system = f"{os.cpu_count()} cores, load {load:.1f} before the run, Python {platform.python_version()}"
        return cls(
            datetime.now(UTC).strftime("%-d %B %Y"),
            system,
            command,
            max((len(group) for group in equal.values()), default=0),
            {one.name: one.about for one in contenders},
            [Row.of(group) for group in equal.values()],
            paid,
        )

    def write(self, path: Path = FIGURES) -> None:
        """Write them down, so that page and plot can be made of them again."""
        given = asdict(self)
        given["paid"] = [{"kind": type(one).__name__.lower(), **asdict(one)} for one in self.paid]
        path.write_text(json.dumps(given, indent=1) + "\n", "utf-8")

    @classmethod
    def read(cls, path: Path = FIGURES) -> Figures:
        """Read what was written down."""
        given = json.loads(path.read_text("utf-8"))
        given["rows"] = [Row(**row) for row in given["rows"]]
        given["paid"] = [KINDS[one.pop("kind")](**one) for one in given["paid"]]
        return cls(**given)

    @property
    def slots(self) -> int:
        """The slots besides the defaults."""
        return next((row.slots for row in self.rows if row.slots is not None), 0)

    def row(self, worker: str, delay: float, *, default: bool = False) -> Row | None:
        """Return a contender's row, where it has one."""
        for row in self.rows:
            if (row.worker, row.delay, row.slots is None) == (worker, delay, default):
                return row
        return None


@dataclass(frozen=True, slots=True)
class Ratio:
    """This worker's figure over that of the best peer, and what was wanted."""

    what: str
    delay: float
    peer: str
    value: float
    wanted: float
    is_at_most: bool

    def __str__(self) -> str:
        is_met = self.value <= self.wanted if self.is_at_most else self.value >= self.wanted
        wanted = f"{'at most' if self.is_at_most else 'at least'} {self.wanted:g}"
        return (
            f"API {self.delay:g} s, {self.what} over {self.peer}: {self.value:.2f} "
            f"({wanted}: {'met' if is_met else 'MISSED'})"
        )


def ratios(figures: Figures) -> Iterator[Ratio]:
    """Return how this worker does beside the best peer: the one with the most jobs/s."""
    wanted = {0.0: 1.8, 1.0: 1.15}
    others = set(figures.contenders) - {OURS, BARE_LOOP.name}
    for delay, faster in wanted.items():
        ours = figures.row(OURS, delay)
        peers = [row for name in others if (row := figures.row(name, delay))]
        if ours is None or not peers:
            continue
        best = max(peers, key=lambda row: row.jobs_per_second)
        speed = ours.jobs_per_second / best.jobs_per_second
        yield Ratio("jobs/s", delay, best.worker, speed, faster, False)
        yield Ratio("CPU a job", delay, best.worker, ours.cpu_ms / best.cpu_ms, 0.6, True)
        yield Ratio("memory", delay, best.worker, ours.rss_mb / best.rss_mb, 0.5, True)


def table(figures: Figures) -> str:
    """Return all figures as Markdown."""
    parts = [
        f"{figures.date}, {figures.machine}; means of {figures.turns} turns, the workers one after the other "
        f"in each. Made by `{figures.command}`.",
        "\n".join(
            ["| | |", "|---|---|", *(f"| {name} | {what} |" for name, what in figures.contenders.items())]
        ),
    ]
    found = list(ratios(figures))
    if found:
        parts += [
            f"This worker over the best peer ({figures.slots} slots):",
            "\n".join(
                f"* {one.what} {one.value:.2f}, over {one.peer}, the API takes {one.delay:g} s"
                for one in found
            ),
        ]
    for delay in dict.fromkeys(row.delay for row in figures.rows):
        parts += [f"### The API takes {delay:g} s", _speed(row for row in figures.rows if row.delay == delay)]
    if figures.paid:
        parts += ["### What each pays", *_payments(figures.paid)]
    return "\n\n".join(parts)


def _speed(rows: Iterable[Row]) -> str:
    heading = (
        "",
        "slots",
        "jobs",
        "jobs/s",
        "CPU ms/job",
        "memory MB",
        "most in flight",
        "start to first job",
    )
    return _lines(
        heading,
        [
            (
                row.worker,
                "default" if row.slots is None else row.slots,
                row.jobs,
                f"{row.jobs_per_second:.{0 if row.jobs_per_second >= 20 else 1}f}",
                f"{row.cpu_ms:.2f}",
                f"{row.rss_mb:.0f}",
                row.in_flight,
                f"{row.first_job:.1f} s",
            )
            for row in rows
        ],
    )


def _payments(paid: Sequence[Paid]) -> Iterator[str]:
    refused = [one for one in paid if isinstance(one, Refused)]
    unmapped = [one for one in paid if isinstance(one, Unmapped)]
    killed = [one for one in paid if isinstance(one, Killed)]
    if refused:
        yield f"**The API refuses all calls for {REFUSED_FOR:g} s (429, `Retry-After: 2`):**"
        yield _lines(
            ("", "jobs", "calls", "retries lost", "incidents", "until all is done"),
            [
                (one.worker, one.jobs, one.calls, one.retries_lost, one.incidents, f"{one.seconds:.0f} s")
                for one in refused
            ],
        )
    if unmapped:
        yield (
            "**The answer comes, and is not as expected** (here a result expression gives no context; at the "
            "peers, code after the call fails). Then the mistake is mended and the incidents are resolved:"
        )
        yield _lines(
            ("", "jobs", "calls until the incidents", "calls in all"),
            [(one.worker, one.jobs, one.calls, one.calls_after_mending) for one in unmapped],
        )
    if killed:
        yield "**The worker is killed ten times (SIGKILL), the API takes 1 s, 32 slots each:**"
        yield _lines(
            ("", "jobs", "kills", "calls under way then", "calls", "calls more than jobs"),
            [
                (one.worker, one.jobs, one.kills, one.in_flight, one.calls, one.calls - one.jobs)
                for one in killed
            ],
        )


def _lines(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table; the first cell of a row is a worker's name."""
    lines = [heading, ["---"] * len(heading), *((_name(str(row[0])), *row[1:]) for row in rows)]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _name(worker: str) -> str:
    return f"**{worker}**" if worker.startswith(OURS) else worker


def write(figures: Figures) -> None:
    """Write table and plot into the docs."""
    before, begin, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    PAGE.write_text(f"{before}{begin}\n\n{table(figures)}\n\n{end}{after}", "utf-8")
    plot(figures, PLOT)


def check_plots() -> None:
    """Raise NoPlotsError where the extra `bench` is missing: before anything is measured."""
    if find_spec("matplotlib") is None:
        raise NoPlotsError('The plot needs matplotlib: pip install -e ".[bench]"')


def plot(figures: Figures, path: Path) -> None:
    """Draw bars, the same colours on a light and on a dark page."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    style = {"svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9, "svg.hashsalt": "peers"}
    style |= {"text.color": INK, "axes.labelcolor": INK, "ytick.color": INK, "axes.titlecolor": INK}
    with pyplot.rc_context(style):
        drawn, axes = pyplot.subplots(len(PANELS), 1, figsize=(7.2, 6.4), layout="constrained")
        for axis, (figure, delay, title) in zip(axes, PANELS, strict=True):
            rows = [row for name in figures.contenders if (row := figures.row(name, delay))]
            values = [getattr(row, figure) for row in rows]
            colours = [OUR_COLOUR if row.worker == OURS else INK for row in rows]
            bars = axis.barh([row.worker for row in rows], values, color=colours, height=0.7)
            axis.bar_label(bars, fmt="%.2f" if figure == "cpu_ms" else "%.0f", padding=3)
            axis.set_title(title, loc="left", fontsize=10)
            axis.invert_yaxis()
            axis.set_xlim(0, max(values, default=1) * 1.12)
            axis.set_xticks([])
            axis.tick_params(length=0)
            axis.spines[:].set_visible(False)
        # No date of the making in it: the same figures give the same file.
        drawn.savefig(path, transparent=True, metadata={"Date": None})
        pyplot.close(drawn)
