"""Counters, gauges and histograms, written as Prometheus reads them (text format 0.0.4).

Own code instead of a client library: all is counted in one thread, so that a count is one addition to a
dictionary, and no name of the library is part of what operators build on.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
MOST_VALUES: Final = 100
"""Different values of one label that people can invent, such as a model; all others count as one."""
LONGEST_VALUE: Final = 100
OTHER: Final = "_OTHER"
"""Stands for them, as in OpenTelemetry's conventions."""

Labels = tuple[str, ...]


class Sets:
    """Sets of label values that diagrams or APIs choose: only so many sets, whatever each value is."""

    def __init__(self, most: int = MOST_VALUES) -> None:
        self._most = most
        self._known: dict[Labels, Labels] = {}

    def of(self, values: Labels) -> Labels:
        """Return values as they are counted."""
        known = self._known.get(values)
        if known is None:
            if len(self._known) >= self._most:
                return (OTHER,) * len(values)
            known = self._known[values] = tuple(value[:LONGEST_VALUE] for value in values)
        return known


@dataclass(slots=True)
class Series:
    """A metric: its name, what it counts, and its labels."""

    name: str
    about: str
    labels: Labels = ()

    kind = "untyped"

    def lines(self) -> Iterator[str]:
        """Return a line for each sample."""
        raise NotImplementedError


class Counter(Series):
    """Counts upwards."""

    kind = "counter"

    def __init__(self, name: str, about: str, labels: Labels = ()) -> None:
        super().__init__(name, about, labels)
        self.values: dict[Labels, float] = {} if labels else {(): 0.0}

    def add(self, labels: Labels = (), amount: float = 1.0) -> None:
        """Count."""
        self.values[labels] = self.values.get(labels, 0.0) + amount

    def set(self, value: float, labels: Labels = ()) -> None:
        """Note what is counted elsewhere."""
        self.values[labels] = value

    @property
    def total(self) -> float:
        """The sum over all labels."""
        return sum(self.values.values())

    def lines(self) -> Iterator[str]:
        """Return a line for each sample."""
        for labels, value in self.values.items():
            yield f"{self.name}{_pairs(self.labels, labels)} {_number(value)}"


class Gauge(Counter):
    """Holds what is now."""

    kind = "gauge"


class Histogram(Series):
    """Counts how often values were how large."""

    kind = "histogram"

    def __init__(self, name: str, about: str, bounds: Sequence[float], labels: Labels = ()) -> None:
        super().__init__(name, about, labels)
        self._bounds = tuple(bounds)
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}

    def observe(self, value: float, labels: Labels = ()) -> None:
        """Count a value."""
        counts = self._counts.get(labels)
        if counts is None:
            counts = self._counts[labels] = [0] * (len(self._bounds) + 1)
            self._sums[labels] = 0.0
        counts[bisect_left(self._bounds, value)] += 1
        self._sums[labels] += value

    def lines(self) -> Iterator[str]:
        """Return the lines of all buckets, then sum and count, for each set of labels."""
        names = (*self.labels, "le")
        for labels, counts in self._counts.items():
            total = 0
            for bound, count in zip((*map(_number, self._bounds), "+Inf"), counts, strict=True):
                total += count
                yield f"{self.name}_bucket{_pairs(names, (*labels, bound))} {total}"
            pairs = _pairs(self.labels, labels)
            yield f"{self.name}_sum{pairs} {_number(self._sums[labels])}"
            yield f"{self.name}_count{pairs} {total}"


def written(all_series: Sequence[Series]) -> str:
    """Write metrics as Prometheus reads them."""
    lines: list[str] = []
    for series in all_series:
        about = series.about.replace("\\", r"\\").replace("\n", r"\n")
        lines += [f"# HELP {series.name} {about}", f"# TYPE {series.name} {series.kind}", *series.lines()]
    return "\n".join(lines) + "\n"


def _pairs(names: Labels, values: Labels) -> str:
    if not names:
        return ""
    pairs = (f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True))
    return "{" + ",".join(pairs) + "}"


def _escaped(value: str) -> str:
    value = value.encode("utf-8", "replace").decode()  # a lone surrogate would make all unreadable
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 2**53 else repr(value)
