"""Files of budgets: what is read, what is wrong with them, and what happens when they change."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from openai_connector.money.budgets import Budget, Budgets, end_of, parts_of, read_budgets, shown

GOOD = """
[[budget]]
name = "all"
amount = 100
per = "month"

[[budget]]
name = "orders"
amount = 2.50
currency = "EUR"
per = "day"
processes = ["order-*", "refund"]
credentials = ["secrets.OPENAI_KEY", "OPENAI_API_KEY"]
unpriced = "refuse"
"""


def test_a_whole_file_is_read() -> None:
    """What is left out has its default."""
    everything, orders = read_budgets(GOOD)
    assert everything == Budget("all", Decimal(100), "USD", "month")
    assert orders.amount == Decimal("2.50")
    assert (orders.currency, orders.per, orders.unpriced) == ("EUR", "day", "refuse")


@pytest.mark.parametrize("text", ["# nothing yet", "budget = []"], ids=["comment", "list"])
def test_a_file_may_have_no_budgets(text: str) -> None:
    """It is a way to switch them off for a while."""
    assert read_budgets(text) == ()


@pytest.mark.parametrize(
    ("process", "pattern", "is_for"),
    [
        pytest.param("order", "order", True, id="the same"),
        pytest.param("order-1", "order", False, id="only the beginning"),
        pytest.param("order-1", "order-*", True, id="a star at the end"),
        pytest.param("new-order", "*order", True, id="a star at the beginning"),
        pytest.param("a-b-c", "a*c", True, id="a star in the middle"),
        pytest.param("order", "*", True, id="any"),
        pytest.param("orderX1", "order.1", False, id="a dot is a dot"),
        pytest.param("order", "ORDER", False, id="letters' case counts"),
        pytest.param("order[1]", "order[1]", True, id="brackets are brackets"),
    ],
)
def test_processes_are_told_by_their_ids(process: str, pattern: str, is_for: bool) -> None:
    """A star stands for any characters, nothing else is special."""
    budget = Budget("b", Decimal(1), "USD", "day", (pattern,))
    assert budget.is_for(process, ()) is is_for


def test_credentials_are_told_by_the_names_of_their_secrets() -> None:
    """Where processes are named too, both must fit."""
    budget = Budget("b", Decimal(1), "USD", "day", ("a",), ("secrets.K",))
    assert budget.is_for("a", ("secrets.K",))
    assert not budget.is_for("a", ("secrets.L",))
    assert not budget.is_for("a", ())
    assert not budget.is_for("b", ("secrets.K",))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        pytest.param("amount = '5'", "amount must be a number", id="an amount in quotes"),
        pytest.param('per = "week"', 'per must be "day" or "month"', id="a week"),
        pytest.param('currency = "usd"', "currency must be", id="small letters"),
        pytest.param('processes = "order"', "processes must be a list", id="no list"),
        pytest.param("processes = []", "processes must be a list", id="an empty list"),
        pytest.param("credentials = ['sk-abc']", "never a key itself", id="a key"),
        pytest.param("credentials = ['OPENAI_KEY']", "names of secrets", id="a name without secrets."),
        pytest.param('unpriced = "no"', "unpriced must be", id="another choice"),
        pytest.param("limit = 5", "limit is not known here", id="another key"),
        pytest.param("ammount = 5", "did you mean amount?", id="a misspelt key"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(line: str, told: str) -> None:
    """No value of a secret is shown."""
    given = {"amount": "amount = 1", "per": 'per = "day"'}
    given[line.partition(" ")[0]] = line
    text = "\n".join(["[[budget]]", 'name = "team"', *given.values()])
    with pytest.raises(ValueError, match=r".") as raised:
        read_budgets(text)
    assert told in str(raised.value)
    assert "sk-abc" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("[[budget]]\namount = 1", "budget 1 needs a name", id="no name"),
        pytest.param('[[budget]]\nname = "a|b"', "budget 1 needs a name", id="a mark in the name"),
        pytest.param(GOOD + GOOD, "two budgets with the name", id="a name twice"),
        pytest.param("[budget]\nname = 'a'", "in two brackets", id="one bracket"),
        pytest.param("[[budgets]]\nname = 'a'", "budgets is not known", id="another table"),
        pytest.param('[[budget]]\nname = "a"\nper = "day"', "amount must be", id="no amount"),
        pytest.param('[[budget]]\nname = "a"\namount = 1', "per must be", id="no period"),
    ],
)
def test_what_is_wrong_with_the_whole_is_said(text: str, told: str) -> None:
    """With what to do."""
    with pytest.raises(ValueError, match=told):
        read_budgets(text)


@pytest.mark.parametrize(
    ("per", "day", "key", "end"),
    [
        ("day", date(2026, 2, 28), "b|2026-02-28", datetime(2026, 3, 1, tzinfo=UTC)),
        ("day", date(2026, 12, 31), "b|2026-12-31", datetime(2027, 1, 1, tzinfo=UTC)),
        ("month", date(2026, 12, 31), "b|2026-12", datetime(2027, 1, 1, tzinfo=UTC)),
        ("month", date(2026, 1, 1), "b|2026-01", datetime(2026, 2, 1, tzinfo=UTC)),
    ],
    ids=["end of February", "end of a year", "December", "January"],
)
def test_periods_end_at_midnight_in_utc(per: str, day: date, key: str, end: datetime) -> None:
    """Of a day, or of the last day of a month."""
    budget = Budget("b", Decimal(1), "USD", per)
    assert budget.key(day) == key
    assert end_of(parts_of(key)[1]) == end


@pytest.mark.parametrize(
    ("amount", "text"),
    [("5", "5.00"), ("0.1", "0.10"), ("0.000012", "0.000012"), ("1E+2", "100.00"), ("2.50", "2.50")],
    ids=lambda value: value,
)
def test_amounts_are_shown_whole(amount: str, text: str) -> None:
    """In cents, or with all their digits."""
    assert shown(Decimal(amount)) == text


class TestChanges:
    """A file that changes while the worker runs."""

    def test_another_content_is_read(self, tmp_path: Path) -> None:
        """Also one of the same length, and one that is moved into its place."""
        file = tmp_path / "budgets.toml"
        file.write_text(GOOD)
        budgets = Budgets(file)
        assert not budgets.reload()
        file.write_text(GOOD.replace("100", "200"))
        os.utime(file, ns=(1, 1))
        assert budgets.reload()
        assert next(iter(budgets)).amount == 200
        other = tmp_path / "other"
        other.write_text(GOOD.replace("100", "300"))
        other.rename(file)
        assert budgets.reload()
        assert next(iter(budgets)).amount == 300

    @pytest.mark.parametrize(
        "content", ["[[budget]]", "no toml", " \n", None], ids=["wrong", "no TOML", "empty", "gone"]
    )
    def test_a_wrong_change_is_told_once_and_the_old_one_stays(
        self, tmp_path: Path, content: str | None
    ) -> None:
        """Until it is put right."""
        file = tmp_path / "budgets.toml"
        file.write_text(GOOD)
        budgets = Budgets(file)
        before = list(budgets)
        if content is None:
            file.unlink()
        else:
            file.write_text(content)
        with pytest.raises(ValueError, match=r"the file|needs a name"):
            budgets.reload()
        assert not budgets.reload()
        assert list(budgets) == before
        file.write_text(GOOD.replace("100", "7"))
        assert budgets.reload()
