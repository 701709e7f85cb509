"""Budgets: what may be spent in a day or a month, for whom; read from a file, again when it changes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from openai_connector.money.toml_file import amount, check_key, content_of, currency, text_of
from openai_connector.observe.events import BudgetState

DAY: Final = "day"
MONTH: Final = "month"
COUNT: Final = "count"
REFUSE: Final = "refuse"
MARK: Final = "|"
"""In a budget's key between its name and the period."""
_KNOWN: Final = ("name", "amount", "currency", "per", "processes", "credentials", "unpriced")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,59}", re.ASCII)
_CREDENTIAL: Final = re.compile(r"secrets\.\S+|OPENAI_API_KEY")
_MOST: Final = 1_000_000_000
_MOST_BUDGETS: Final = 100


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent."""

    name: str
    amount: Decimal
    currency: str
    per: str
    """`day` or `month`, in UTC."""
    processes: tuple[str, ...] = ()
    """Process ids, with `*` for any characters; none: all."""
    credentials: tuple[str, ...] = ()
    """Names of the secrets that keys come from; none: all."""
    unpriced: str = COUNT
    """What becomes of a call whose price is not known: `count` or `refuse`."""

    def is_for(self, process: str, credentials: Sequence[str]) -> bool:
        """Check whether a call counts on this budget."""
        is_process = not self.processes or any(_is_like(process, pattern) for pattern in self.processes)
        return is_process and (not self.credentials or not set(self.credentials).isdisjoint(credentials))

    def key(self, today: date) -> str:
        """Return the key of the present period."""
        return f"{self.name}{MARK}{today:%Y-%m-%d}" if self.per == DAY else f"{self.name}{MARK}{today:%Y-%m}"


def parts_of(key: str) -> tuple[str, str]:
    """Return the name and the period of a budget's key."""
    name, _, period = key.rpartition(MARK)
    return name, period


def per_of(period: str) -> str:
    """Return how long a period is."""
    return DAY if period.count("-") > 1 else MONTH


def shown(amount: Decimal) -> str:
    """Return an amount for people: cents at least, and no digit of a small amount is lost."""
    text = f"{amount.normalize():f}"
    return f"{amount:.2f}" if "." not in text or len(text.partition(".")[2]) < 3 else text


def end_of(period: str) -> datetime:
    """Return when a period is over."""
    year, month, *days = (int(part) for part in period.split("-"))
    if days:
        return datetime(year, month, days[0], tzinfo=UTC) + timedelta(days=1)
    return datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)


class Budgets:
    """The budgets of a file, as it is now.

    Args:
        path: of the file.

    Raises:
        ValueError: the file cannot be read or is wrong: where, and what to do.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = _state(path)
        self._budgets = read_budgets(text_of(path))

    def __iter__(self) -> Iterator[Budget]:
        return iter(self._budgets)

    def states(self, spent: Mapping[str, Decimal], today: date) -> tuple[BudgetState, ...]:
        """Return how much of each is spent, by the keys of their present periods."""
        return tuple(
            BudgetState(
                budget.name,
                budget.per,
                budget.amount,
                spent.get(key := budget.key(today), Decimal(0)),
                budget.currency,
                f"{end_of(parts_of(key)[1]):%Y-%m-%dT%H:%M:%SZ}",
            )
            for budget in self
        )

    def reload(self) -> bool:
        """Read the file again where it has changed; return whether there are other budgets now.

        Raises:
            ValueError: it is wrong; what was read before stays.
        """
        state = _state(self._path)
        if state == self._seen:
            return False
        self._seen = state
        before, self._budgets = self._budgets, read_budgets(text_of(self._path))
        return before != self._budgets


def _state(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except (OSError, ValueError):  # the latter of a name that no file can have
        return ()
    return found.st_ino, found.st_mtime_ns, found.st_size


def read_budgets(text: str) -> tuple[Budget, ...]:
    """Return the budgets of a file's text.

    Raises:
        ValueError: what is wrong, where, and what to do.
    """
    if not text.strip():  # as while it is being written: a moment without budgets may be dear
        raise ValueError("the file is empty: write budget = [] where there are to be none")
    content = content_of(text)
    for key in content:
        if key != "budget":
            raise ValueError(f"{key[:50]} is not known here: each budget begins with a line [[budget]]")
    given = content.get("budget", [])
    if not isinstance(given, list) or not all(isinstance(one, Mapping) for one in given):
        raise ValueError("budget must be a list: begin each budget with a line [[budget]], in two brackets")
    if len(given) > _MOST_BUDGETS:
        raise ValueError(f"there are more than {_MOST_BUDGETS} budgets: use fewer, with * in processes")
    budgets = tuple(_budget(one, number) for number, one in enumerate(given, 1))
    names = [budget.name for budget in budgets]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"there are two budgets with the name {name}: each needs its own")
    return budgets


def _budget(given: Mapping[str, Any], number: int) -> Budget:
    name = given.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            f"budget {number} needs a name of letters, digits, spaces, dots, - and _, at most 60, such as "
            'name = "team-a"'
        )
    place = f"budget {name}:"
    for key in given:
        check_key(key, _KNOWN, f"{place} {key[:50]}")
    credentials = _texts(given, "credentials", place)
    for credential in credentials:
        if not _CREDENTIAL.fullmatch(credential):
            raise ValueError(
                f"{place} credentials must be names of secrets, such as secrets.OPENAI_KEY, or "
                "OPENAI_API_KEY for the worker's own key; never a key itself"
            )
    return Budget(
        name,
        amount(given.get("amount"), f"{place} amount", most=_MOST, example="25.50"),
        currency(given.get("currency", "USD"), f"{place} currency"),
        _choice(given, "per", (DAY, MONTH), None, place),
        _texts(given, "processes", place),
        credentials,
        _choice(given, "unpriced", (COUNT, REFUSE), COUNT, place),
    )


def _choice(
    given: Mapping[str, Any], key: str, choices: tuple[str, ...], default: str | None, place: str
) -> str:
    value = given.get(key, default)
    if not isinstance(value, str) or value not in choices:
        shown = " or ".join(f'"{choice}"' for choice in choices)
        raise ValueError(f"{place} {key} must be {shown}")
    return value


def _texts(given: Mapping[str, Any], key: str, place: str) -> tuple[str, ...]:
    value = given.get(key)
    if value is None:
        return ()
    if not isinstance(value, list) or not value or not all(isinstance(one, str) and one for one in value):
        raise ValueError(f'{place} {key} must be a list of texts, {key} = ["…"]; leave it out for all')
    return tuple(value)


def _is_like(text: str, pattern: str) -> bool:
    parts = (re.escape(part) for part in pattern.split("*"))
    return re.fullmatch(".*".join(parts), text, re.DOTALL) is not None
