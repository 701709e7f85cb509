"""Relations between points and ranges. Both must be of one type, which must not be string.

Where a function does not take the pair at all, such as two points where it needs a range, the engine fails.
"""

from typing import Any

from camunda_feel.builtins.library import builtin
from camunda_feel.errors import FeelEvaluationError
from camunda_feel.functions import IllegalArgumentError
from camunda_feel.values import RANGE_POINTS, Range, order


def _check(x: Any, y: Any) -> None:
    a, b = (value.start if isinstance(value, Range) else value for value in (x, y))
    if type(a) is not type(b) or type(a) not in RANGE_POINTS:
        raise IllegalArgumentError("points and ranges must be of one type")


def _ranges(x: Any, y: Any) -> bool:
    """Return True for two ranges, False for a point and a range or two points, in any order."""
    _check(x, y)
    return isinstance(x, Range) and isinstance(y, Range)


def _need_ranges(x: Any, y: Any) -> None:
    if not _ranges(x, y):
        raise FeelEvaluationError("both must be ranges")


def _need_range(value: Any, point: Any) -> None:
    _check(value, point)
    if not isinstance(value, Range) or isinstance(point, Range):
        raise FeelEvaluationError("must be a range and a point")


def _less(x: Any, y: Any) -> bool:
    return order(x, y) < 0


def _holds(outer: Range, point: Any) -> bool:
    # As in the engine: a closed end contains its point, whatever the other end is.
    if _less(outer.start, point) and _less(point, outer.end):
        return True
    return bool((outer.start_closed and outer.start == point) or (outer.end_closed and outer.end == point))


def _starts_no_later(x: Range, y: Range) -> bool:
    return _less(x.start, y.start) or (x.start == y.start and (x.start_closed or not y.start_closed))


def _ends_no_earlier(x: Range, y: Range) -> bool:
    return _less(y.end, x.end) or (x.end == y.end and (x.end_closed or not y.end_closed))


def _touch(end: Range, start: Range) -> bool:
    """Return whether the end of one range lies in or after the start of another."""
    return _less(start.start, end.end) or (end.end == start.start and end.end_closed and start.start_closed)


def _same_end(x: Range, y: Range) -> bool:
    return bool(x.end_closed == y.end_closed and x.end == y.end)


def _same_start(x: Range, y: Range) -> bool:
    return bool(x.start_closed == y.start_closed and x.start == y.start)


@builtin(
    "before(point1: any, point2: any)",
    "before(point: any, range: any)",
    "before(range: any, point: any)",
    "before(range1: any, range2: any)",
)
def before(x: Any, y: Any) -> bool:
    """Return whether the first lies wholly before the second."""
    _check(x, y)
    end = x.end if isinstance(x, Range) else x
    start = y.start if isinstance(y, Range) else y
    open_end = isinstance(x, Range) and not x.end_closed
    open_start = isinstance(y, Range) and not y.start_closed
    return _less(end, start) or ((open_end or open_start) and bool(end == start))


@builtin(
    "after(point1: any, point2: any)",
    "after(point: any, range: any)",
    "after(range: any, point: any)",
    "after(range1: any, range2: any)",
)
def after(x: Any, y: Any) -> bool:
    """Return whether the first lies wholly after the second."""
    return before(y, x)


@builtin("meets(range1: any, range2: any)")
def meets(x: Any, y: Any) -> bool:
    """Return whether the first ends where the second starts."""
    _need_ranges(x, y)
    return bool(x.end_closed and y.start_closed and x.end == y.start)


@builtin("met by(range1: any, range2: any)")
def met_by(x: Any, y: Any) -> bool:
    """Return whether the first starts where the second ends."""
    return meets(y, x)


@builtin("overlaps(range1: any, range2: any)")
def overlaps(x: Any, y: Any) -> bool:
    """Return whether they have a point in common."""
    _need_ranges(x, y)
    return _touch(x, y) and _touch(y, x)


@builtin("overlaps before(range1: any, range2: any)")
def overlaps_before(x: Any, y: Any) -> bool:
    """Return whether the first starts earlier and ends inside the second."""
    _need_ranges(x, y)
    starts = _less(x.start, y.start) or (x.start == y.start and x.start_closed and not y.start_closed)
    return starts and _touch(x, y) and _ends_no_earlier(y, x)


@builtin("overlaps after(range1: any, range2: any)")
def overlaps_after(x: Any, y: Any) -> bool:
    """Return whether the first starts inside the second and ends later."""
    return overlaps_before(y, x)


@builtin("finishes(point: any, range: any)", "finishes(range1: any, range2: any)")
def finishes(x: Any, y: Any) -> bool:
    """Return whether they end together and the first starts no earlier."""
    if _ranges(x, y):
        return _same_end(x, y) and _starts_no_later(y, x)
    _need_range(y, x)
    return bool(y.end_closed and y.end == x)


# Declared with the engine's parameter names, which are those of `finishes`.
@builtin("finished by(point: any, range: any)", "finished by(range1: any, range2: any)")
def finished_by(x: Any, y: Any) -> bool:
    """Return whether they end together and the first starts no later."""
    if not _ranges(x, y):
        _need_range(x, y)
    return finishes(y, x)


@builtin("includes(range: any, point: any)", "includes(range1: any, range2: any)")
def includes(x: Any, y: Any) -> bool:
    """Return whether the second lies within the first."""
    if _ranges(x, y):
        return _starts_no_later(x, y) and _ends_no_earlier(x, y)
    _need_range(x, y)
    return _holds(x, y)


@builtin("during(point: any, range: any)", "during(range1: any, range2: any)")
def during(x: Any, y: Any) -> bool:
    """Return whether the first lies within the second."""
    return includes(y, x)


@builtin("starts(point: any, range: any)", "starts(range1: any, range2: any)")
def starts(x: Any, y: Any) -> bool:
    """Return whether they start together and the first ends no later."""
    if _ranges(x, y):
        return _same_start(x, y) and _ends_no_earlier(y, x)
    _need_range(y, x)
    return bool(y.start_closed and y.start == x)


@builtin("started by(range: any, point: any)", "started by(range1: any, range2: any)")
def started_by(x: Any, y: Any) -> bool:
    """Return whether they start together and the first ends no earlier."""
    return starts(y, x)


@builtin("coincides(point1: any, point2: any)", "coincides(range1: any, range2: any)")
def coincides(x: Any, y: Any) -> bool:
    """Return whether they are the same."""
    if _ranges(x, y):
        return _same_start(x, y) and _same_end(x, y)
    if isinstance(x, Range) or isinstance(y, Range):
        return False
    return bool(x == y)
