"""Lists: statistics, parts, sets, order."""

from __future__ import annotations

import functools
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from camunda_feel.builtins.library import builtin
from camunda_feel.decimals import (
    MATH,
    from_double,
    maths_of,
    power,
    to_double,
    to_int32,
    unsigned_zero,
    wrap_int32,
)
from camunda_feel.errors import FeelEvaluationError, FeelLimitError
from camunda_feel.functions import IllegalArgumentError
from camunda_feel.values import Function, brief, contains, equals, is_comparable, lift, order

if TYPE_CHECKING:
    from camunda_feel.runtime import Run

Items = list[Any]


@builtin("list contains(list: list, element: any)", takes_run=True)
def list_contains(run: Run, items: Items, element: Any) -> bool:
    """Return whether an item is in the list, as `in` does: by value and type."""
    return contains(items, element, run)


@builtin("count(list: list)")
def count(items: Items) -> int:
    """Return the number of items, nulls included."""
    return len(items)


@builtin("is empty(list: list)")
def is_empty(items: Items) -> bool:
    """Return True for `[]`."""
    return not items


def _extreme(items: Items, sign: int) -> Any:
    if not items:
        return None
    if not is_comparable(items):
        raise IllegalArgumentError(f"the items of a {brief(items)} can't be compared")
    best = items[0]
    for item in items[1:]:
        if order(item, best) == sign:
            best = item
    return best


@builtin("min(list: list...)")
def minimum(items: Items) -> Any:
    """Return the smallest item, null for an empty list; all items must be of one comparable type."""
    return _extreme(items, -1)


@builtin("max(list: list...)")
def maximum(items: Items) -> Any:
    """Return the largest item, null for an empty list; all items must be of one comparable type."""
    return _extreme(items, 1)


def _numbers(items: Items) -> list[Decimal]:
    for item in items:
        if type(item) is not Decimal:
            raise IllegalArgumentError(f"expected number but found {brief(item)}")
    return items


def _sum(numbers: list[Decimal]) -> Decimal:
    return functools.reduce(maths_of(numbers[0]).add, numbers)


@builtin("sum(list: list...)")
def total(items: Items) -> Decimal | None:
    """Return the sum; null for an empty list."""
    return _sum(_numbers(items)) if items else None


@builtin("product(list: list...)")
def product(items: Items) -> Decimal | None:
    """Return the product; null for an empty list."""
    return (
        unsigned_zero(functools.reduce(maths_of(items[0]).multiply, items))
        if items and _numbers(items)
        else None
    )


@builtin("mean(list: list...)")
def mean(items: Items) -> Decimal | None:
    """Return the average; null for an empty list."""
    return maths_of(items[0]).divide(_sum(items), Decimal(len(items))) if items and _numbers(items) else None


@builtin("median(list: list...)")
def median(items: Items) -> Decimal | None:
    """Return the middle item, or the average of the two in the middle."""
    if not items:
        return None
    ordered = sorted(_numbers(items))
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    maths = maths_of(ordered[middle - 1])
    return maths.divide(maths.add(ordered[middle - 1], ordered[middle]), Decimal(2))


@builtin("stddev(list: list...)")
def standard_deviation(items: Items) -> Decimal | None:
    """Return that of a sample. A single number has none: the evaluation fails, as in the engine."""
    if not items:
        return None
    numbers = _numbers(items)
    average = MATH.divide(_sum(numbers), Decimal(len(numbers)))
    squares = _sum([power(MATH.subtract(number, average), Decimal(2)) for number in numbers])
    if len(numbers) == 1:
        raise FeelEvaluationError("division by zero")
    return from_double(math.sqrt(to_double(MATH.divide(squares, Decimal(len(numbers) - 1)))))


@builtin("mode(list: list...)")
def mode(items: Items) -> list[Decimal]:
    """Return the most frequent numbers in ascending order."""
    counts: dict[Decimal, int] = {}
    for number in _numbers(items):
        counts[number] = counts.get(number, 0) + 1
    most = max(counts.values(), default=0)
    return sorted(number for number, times in counts.items() if times == most)


def _three_valued(items: Items, decisive: bool) -> bool | None:
    """Return the decisive value if it occurs; otherwise null if any item is not a boolean."""
    if any(item is decisive for item in items):
        return decisive
    return not decisive if all(type(item) is bool for item in items) else None


@builtin("all(list: list...)", "and(list: list...)")
def conjunction(items: Items) -> bool | None:
    """Return whether all items are true; True for an empty list."""
    return _three_valued(items, decisive=False)


@builtin("any(list: list...)", "or(list: list...)")
def disjunction(items: Items) -> bool | None:
    """Return whether one item is true; False for an empty list."""
    return _three_valued(items, decisive=True)


def _index(items: Items, position: int) -> int:
    """Return the offset for a position from 1, or from -1 backwards; 0 for a position before the list."""
    return position - 1 if position > 0 else max(0, len(items) + position)


def _position(position: Decimal) -> int:
    """Return a position as a Java int.

    Fractions below 1 pass the engine's check for zero, and then mean the position after the last item.
    """
    if not position:
        raise IllegalArgumentError("positions begin at 1")
    return to_int32(position)


@builtin("sublist(list: list, start: number)")
def sublist(items: Items, start: Decimal) -> Items:
    """Return the items from a position to the end."""
    return items[_index(items, _position(start)) :]


@builtin("sublist(list: list, start: number, length: number)")
def sublist_of_length(items: Items, start: Decimal, length: Decimal) -> Items:
    """Return at most `length` items from a position."""
    place = _position(start)
    first = place - 1 if place > 0 else len(items) + place
    return items[max(0, first) : max(0, wrap_int32(first + to_int32(length)))]


@builtin("append(list: list, items: list...)", takes_run=True)
def append(run: Run, items: Items, more: Items) -> Items:
    """Return a longer copy; a list as an item stays one item."""
    run.check_size(len(items) + len(more))
    return [*items, *more]


def _flat_once(items: Items) -> Items:
    return [member for item in items for member in (map(lift, item) if type(item) is list else (item,))]


@builtin("concatenate(lists: list...)", takes_run=True)
def concatenate(run: Run, lists: Items) -> Items:
    """Join all arguments: a list adds its items, any other argument adds itself."""
    run.check_size(sum(len(item) for item in lists if type(item) is list))
    return _flat_once(lists)


@builtin("insert before(list: list, position: number, newItem: any)")
def insert_before(items: Items, position: Decimal, item: Any) -> Items:
    """Return a copy with one more item."""
    place = _index(items, _position(position))
    return [*items[:place], item, *items[place:]]


@builtin("remove(list: list, position: number)")
def remove(items: Items, position: Decimal) -> Items:
    """Return a copy without the item at the position, or an equal list if there is no such item."""
    place = _position(position)
    return items[: _index(items, place)] + items[_index(items, wrap_int32(place + 1)) :]


@builtin("reverse(list: list)")
def reverse(items: Items) -> Items:
    """Return the items from last to first."""
    return items[::-1]


@builtin("index of(list: list, match: any)", takes_run=True)
def index_of(run: Run, items: Items, match: Any) -> list[int]:
    """Return the positions of all equal items."""
    return [number for number, item in enumerate(items, 1) if equals(item, match, run) is True]


_HASHABLE = (str, Decimal, bool, type(None))


class _Distinct:
    """Items seen so far: scalars by hash, everything else one by one (and paid for)."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.scalars: dict[tuple[type, Any], int] = {}
        self.others: list[list[Any]] = []

    def count(self, item: Any) -> int:
        """Return the number of items, nulls included."""
        if type(item) in _HASHABLE:
            key = (type(item), item)
            seen = self.scalars.get(key, 0)
            self.scalars[key] = seen + 1
            return seen
        self.run.charge(len(self.others))
        for entry in self.others:
            if equals(entry[0], item, self.run) is True:
                entry[1] += 1
                return int(entry[1]) - 1
        self.others.append([item, 1])
        return 0


@builtin("distinct values(list: list)", takes_run=True)
def distinct_values(run: Run, items: Items) -> Items:
    """Return each value once, in the order of first appearance."""
    seen = _Distinct(run)
    return [item for item in items if not seen.count(item)]


@builtin("union(lists: list...)", takes_run=True)
def union(run: Run, lists: Items) -> Items:
    """Concatenate lists, and keep each value once."""
    return distinct_values(run, concatenate(run, lists))


@builtin("duplicate values(list: list)", takes_run=True)
def duplicate_values(run: Run, items: Items) -> Items:
    """Return each value that appears more than once, in the order of first appearance."""
    seen = _Distinct(run)
    counts = [seen.count(item) for item in items]
    repeated = _Distinct(run)
    for item, count_before in zip(items, counts, strict=True):
        if count_before == 1:
            repeated.count(item)
    return [
        item
        for item, count_before in zip(items, counts, strict=True)
        if count_before == 0 and repeated.count(item)
    ]


@builtin("flatten(list: list)", takes_run=True)
def flatten(run: Run, items: Items) -> Items:
    """Return all items of nested lists as one list."""
    result: Items = []
    _flatten_into(result, items, run, 0)
    run.check_size(len(result))
    return result


def _flatten_into(result: Items, items: Items, run: Run, depth: int) -> None:
    run.charge(len(items))
    if depth > run.limits.depth:
        raise FeelLimitError(f"data is nested deeper than {run.limits.depth} levels")
    for item in map(lift, items):
        if type(item) is list:
            _flatten_into(result, item, run, depth + 1)
        else:
            result.append(item)


@builtin("sort(list: list, precedes: function)", takes_run=True)
def sort(run: Run, items: Items, precedes: Function) -> Items:
    """Sort in a stable way; `precedes` must return a boolean for every pair of its calls."""
    if len(precedes.parameters) != 2:
        raise IllegalArgumentError("sort takes a function of two parameters")

    def compare(x: Any, y: Any) -> int:
        return -1 if before(x, y) else int(before(y, x))

    def before(x: Any, y: Any) -> bool:
        run.charge(1)
        result = precedes.invoke(run, [x, y])
        if type(result) is not bool:
            raise IllegalArgumentError(f"failed to sort: expected boolean but found {brief(result)}")
        return result

    try:
        return sorted(items, key=functools.cmp_to_key(compare))
    except FeelLimitError:
        raise
    except FeelEvaluationError as error:
        # The engine's sort ignores all errors of its function, except a failed assertion.
        if error.message.startswith("assertion failed"):
            raise
        raise IllegalArgumentError(f"failed to sort: {error.message}") from None


@builtin("partition(list: list, size: number)")
def partition(items: Items, size: Decimal) -> Items:
    """Split into lists of `size` items; the last one may be shorter."""
    width = to_int32(size)
    if width <= 0:
        raise IllegalArgumentError("the size must be greater than zero")
    return [items[start : start + width] for start in range(0, len(items), width)]


def _join(run: Run, items: Items, delimiter: str | None, prefix: str | None, suffix: str | None) -> str:
    for item in items:
        if item is not None and type(item) is not str:
            raise IllegalArgumentError(f"expected a list of strings but found {brief(item)}")
    strings = [item for item in items if item is not None]
    between = delimiter or ""
    run.check_size(sum(map(len, strings)) + len(between) * len(strings))
    return f"{prefix or ''}{between.join(strings)}{suffix or ''}"


@builtin("string join(list: list)", takes_run=True)
def string_join(run: Run, items: Items) -> str:
    """Join strings; nulls are left out."""
    return _join(run, items, None, None, None)


@builtin("string join(list: list, delimiter: string?)", takes_run=True)
def string_join_delimited(run: Run, items: Items, delimiter: str | None) -> str:
    """Join strings with a delimiter; nulls are left out."""
    return _join(run, items, delimiter, None, None)


@builtin("string join(list: list, delimiter: string?, prefix: string?, suffix: string?)", takes_run=True)
def string_join_enclosed(
    run: Run, items: Items, delimiter: str | None, prefix: str | None, suffix: str | None
) -> str:
    """Join strings between a prefix and a suffix; give both or neither."""
    if (prefix is None) != (suffix is None):
        raise IllegalArgumentError("prefix and suffix go together")
    return _join(run, items, delimiter, prefix, suffix)
