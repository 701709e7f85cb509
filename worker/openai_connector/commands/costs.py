"""`openai-connector costs`: what was spent, from the store alone."""

from __future__ import annotations

import argparse
import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal, localcontext
from typing import TYPE_CHECKING, Final

from openai_connector import wording
from openai_connector.commands.arguments import read_day
from openai_connector.commands.console import say
from openai_connector.contract import ExitStatus

if TYPE_CHECKING:
    from openai_connector.store.charges import Total

BY: Final[Mapping[str, Callable[[Total], str]]] = {
    "day": lambda total: total.day.isoformat(),
    "process": lambda total: total.process,
    "element": lambda total: f"{total.process}/{total.element}",
    "model": lambda total: total.model,
    "tenant": lambda total: total.tenant,
}
IN_ALL: Final = "in all"
EXACT: Final = Context(prec=100)


@dataclass(slots=True)
class Line:
    """What was spent on something, in one currency."""

    name: str
    currency: str
    """Empty for calls whose price is not known."""
    calls: int = 0
    input: int = 0
    output: int = 0
    amount: Decimal = field(default=Decimal(0))
    lost: int = 0
    lost_amount: Decimal = field(default=Decimal(0))
    unpriced: int = 0

    def add(self, total: Total | Line) -> None:
        """Add what was spent elsewhere in this currency."""
        self.calls += total.calls
        self.input += total.input
        self.output += total.output
        self.lost += total.lost
        self.unpriced += total.unpriced
        with localcontext(EXACT):
            self.amount += total.amount
            self.lost_amount += total.lost_amount

    def values(self) -> dict[str, str | int]:
        """Return what is told, by its names in JSON; amounts as text, so that no digit is lost."""
        return {
            "currency": self.currency,
            "calls": self.calls,
            "inputTokens": self.input,
            "outputTokens": self.output,
            "amount": _plain(self.amount),
            "lost": self.lost,
            "lostAmount": _plain(self.lost_amount),
            "unpriced": self.unpriced,
        }


HEADS: Final = (
    "currency", "calls", "input tokens", "output tokens", "amount", "lost", "lost amount", "price unknown"
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = (
        "Tell what calls cost: from the store (CONNECTOR_STORE), for all workers that share it.\n"
        "No engine and no API is asked, and the store is left as it is. Days are those of UTC."
    )
    parser.epilog = """\
examples:
  openai-connector costs                                 by day, all that is kept (400 days)
  openai-connector costs --by process --since 2026-11-01
  openai-connector costs --by model --json
  openai-connector costs --by element --csv

lost: calls that broke off, or whose worker was killed, and that may have been paid for; lost amount is what
they may have cost at most, and no part of amount. price unknown: calls that are no part of amount either.

exit status: 0 (also where nothing was spent), 1 when the store cannot be read, 2 for a wrong setting or wrong
use."""
    parser.add_argument("--by", choices=sorted(BY), default="day", help="what one line is about [day]")
    parser.add_argument("--since", type=read_day, metavar="DAY", help="from this day on, such as 2026-11-01")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON document, and nothing else")
    form.add_argument("--csv", action="store_true", help="print comma-separated values with a head line")


def run(namespace: argparse.Namespace) -> int:
    """Print what was spent, and return the exit status."""
    from openai_connector import settings
    from openai_connector.store import StoreError, file_of
    from openai_connector.store.reading import read_totals

    try:
        loaded = settings.load()
    except settings.SettingsError as error:
        say(f"openai-connector: {error}")
        return ExitStatus.WRONG_USE
    if loaded.store is None:
        say(wording.COSTS_NO_STORE())
        return ExitStatus.WRONG_USE
    location = loaded.store.get_secret_value()
    file = file_of(location)
    if file is not None and not file.is_file():
        say(wording.COSTS_NO_FILE())
        return ExitStatus.FAILED
    try:
        totals = read_totals(location, namespace.since)
    except StoreError as error:
        say(wording.COSTS_NOT_READ(problem=error))
        return ExitStatus.FAILED
    _show(lines_of(totals, namespace.by), namespace)
    return ExitStatus.ENDED


def lines_of(totals: Iterable[Total], by: str) -> list[Line]:
    """Return a line for each thing and currency: days in their order, of all else the dearest first."""
    found: dict[tuple[str, str], Line] = {}
    for total in totals:
        name = BY[by](total)
        found.setdefault((name, total.currency), Line(name, total.currency)).add(total)
    if by == "day":
        return sorted(found.values(), key=lambda line: (line.name, line.currency))
    return sorted(found.values(), key=lambda line: (-line.amount, -line.calls, line.name, line.currency))


def sums_of(lines: Iterable[Line]) -> list[Line]:
    """Return a line for each currency."""
    sums: dict[str, Line] = {}
    for line in lines:
        sums.setdefault(line.currency, Line(IN_ALL, line.currency)).add(line)
    return sorted(sums.values(), key=lambda line: line.currency)


def _show(lines: Sequence[Line], namespace: argparse.Namespace) -> None:
    if namespace.json:
        document = {
            "by": namespace.by,
            "since": None if namespace.since is None else namespace.since.isoformat(),
            "lines": [{namespace.by: line.name, **line.values()} for line in lines],
            "inAll": [line.values() for line in sums_of(lines)],
        }
        print(json.dumps(document, indent=2))  # in ASCII: what reads it need not know this console's encoding
    elif namespace.csv:
        say(_as_csv(lines, namespace.by))
    elif not lines:
        say(wording.COSTS_NOTHING() if namespace.since is None else wording.COSTS_NOTHING_SINCE())
    else:
        say(*_as_table(lines, namespace.by))


def _as_csv(lines: Sequence[Line], by: str) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([by, *Line("", "").values()])
    writer.writerows([line.name, *line.values().values()] for line in lines)
    return text.getvalue().rstrip("\n")


def _as_table(lines: Sequence[Line], by: str) -> list[str]:
    rows: list[tuple[str, ...]] = [(by, *HEADS)]
    rows += [_cells(line) for line in (*lines, *sums_of(lines))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    written = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows
    ]
    return [*written[: len(lines) + 1], "", *written[len(lines) + 1 :]]


def _cells(line: Line) -> tuple[str, ...]:
    from openai_connector.observe.logs import on_one_line  # as above

    values = line.values() | {"currency": line.currency or "-"}
    if not line.currency:
        values |= {"amount": "-", "lostAmount": "-"}
    return (on_one_line(line.name), *map(str, values.values()))


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize(EXACT):f}" if amount else "0"
