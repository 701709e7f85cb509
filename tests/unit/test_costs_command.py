"""`openai-connector costs`: what was spent, as people and programs read it."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from openai_connector.cli import main
from openai_connector.store import open_store
from openai_connector.store.charges import Charge, Lose, Open, Pay
from tests.make import sentences_in

ORDER = Charge("", 1, "order", "Ask", "gpt-6-luna", "<default>", Decimal(1), "USD")
MAIL = replace(ORDER, process="=mail", element="Sort, then ask", model="gpt-6-astra", tenant="south")
UNPRICED = replace(ORDER, model="llama", amount=None, currency="")
SPENT = (
    (ORDER, Decimal("0.000012"), 100, 20),
    (ORDER, Decimal("0.3"), 1000, 200),
    (MAIL, Decimal("12.000000000000000001"), 5000, 700),
    (replace(MAIL, currency="EUR"), Decimal("0.5"), 10, 7),
    (UNPRICED, None, 30, 40),
)

Spent = tuple[Charge, Decimal | None, int, int]


@pytest.fixture
def location(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a store in which there is nothing yet."""
    monkeypatch.setenv("CONNECTOR_STORE", str(tmp_path))
    return tmp_path


def spend(location: Path, spent: Iterable[Spent] = SPENT) -> None:
    """Fill a store: answered calls, and one that was lost."""

    async def fill() -> None:
        store = open_store(str(location))
        await store.start()
        for number, (charge, amount, given, made) in enumerate(spent):
            one = replace(charge, id=str(number), job_key=number)
            await store.enter(number, Open(one))
            await store.enter(number, Pay(replace(one, amount=amount), given, made))
        lost = replace(MAIL, id="lost", job_key=99)
        await store.enter(99, Open(lost))
        await store.enter(99, Lose(lost))
        await store.aclose()

    asyncio.run(fill())


def told(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> str:
    """Return what the command prints."""
    assert main(["costs", *arguments]) == status
    return capsys.readouterr().out


def test_a_table_has_the_dearest_first_and_a_sum_for_each_currency(
    location: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each process has its line; amounts are whole, and calls without a price stand apart."""
    spend(location)
    lines = [line.split() for line in told(capsys, "--by", "process").splitlines()]
    assert lines[1:] == [
        ["=mail", "USD", "1", "5000", "700", "12.000000000000000001", "1", "1", "0"],
        ["=mail", "EUR", "1", "10", "7", "0.5", "0", "0", "0"],
        ["order", "USD", "2", "1100", "220", "0.300012", "0", "0", "0"],
        ["order", "-", "1", "30", "40", "-", "0", "-", "1"],
        [],
        ["in", "all", "-", "1", "30", "40", "-", "0", "-", "1"],
        ["in", "all", "EUR", "1", "10", "7", "0.5", "0", "0", "0"],
        ["in", "all", "USD", "3", "6100", "920", "12.300012000000000001", "1", "1", "0"],
    ]


def test_a_name_is_on_one_line(location: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A variable may choose the model: it cannot make rows of its own, nor steer the terminal."""
    spend(location, [(replace(MAIL, model="a\n\x1b[31mb"), Decimal(1), 1, 1)])
    lines = told(capsys, "--by", "model").splitlines()
    assert lines[1].startswith(r"a\n\x1b[31mb ")
    assert len({line.index(" USD ") for line in lines if " USD " in line}) == 1


@pytest.mark.parametrize(
    ("by", "names"),
    [
        pytest.param("day", {str(datetime.now(UTC).date())}, id="day"),
        pytest.param("process", {"order", "=mail"}, id="process"),
        pytest.param("element", {"order/Ask", "=mail/Sort, then ask"}, id="element"),
        pytest.param("model", {"gpt-6-luna", "gpt-6-astra", "llama"}, id="model"),
        pytest.param("tenant", {"<default>", "south"}, id="tenant"),
    ],
)
def test_it_is_told_by_what_is_asked(
    location: Path, capsys: pytest.CaptureFixture[str], by: str, names: set[str]
) -> None:
    """JSON and CSV have the same lines, whatever they are about, and each adds up to the same."""
    spend(location)
    document = json.loads(told(capsys, "--by", by, "--json"))
    assert {line[by] for line in document["lines"]} == names
    assert [line["amount"] for line in document["inAll"]] == ["0", "0.5", "12.300012000000000001"]
    rows = list(csv.DictReader(io.StringIO(told(capsys, "--by", by, "--csv"))))
    assert [dict(row) for row in rows] == [
        {name: str(value) for name, value in line.items()} for line in document["lines"]
    ]


def test_days_before_are_left_out(location: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Since today there is all, since tomorrow nothing, and that is said."""
    spend(location)
    today = datetime.now(UTC).date()
    assert "12.300012" in told(capsys, "--since", str(today))
    tomorrow = str(today + timedelta(days=1))
    assert sentences_in(told(capsys, "--since", tomorrow)) == {"COSTS_NOTHING_SINCE"}
    assert json.loads(told(capsys, "--since", tomorrow, "--json"))["lines"] == []
    assert told(capsys, "--since", tomorrow, "--csv").count("\n") == 1


class TestRefusals:
    """What cannot be told is said with what to do."""

    def test_no_store_is_set(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Nothing but the store knows."""
        monkeypatch.delenv("CONNECTOR_STORE", raising=False)
        assert sentences_in(told(capsys, status=2)) == {"COSTS_NO_STORE"}

    def test_no_store_is_there(self, location: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A file that is not there is not made: the setting may be another than the worker's."""
        assert sentences_in(told(capsys, status=1)) == {"COSTS_NO_FILE"}
        assert list(location.iterdir()) == []

    def test_the_store_cannot_be_reached(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A database that does not answer is named as the reason, without its password."""
        monkeypatch.setenv("CONNECTOR_STORE", "postgresql://me:hidden@127.0.0.1:1/none")
        said = told(capsys, status=1)
        assert "COSTS_NOT_READ" in sentences_in(said)
        assert "hidden" not in said

    def test_nothing_is_spent_yet(self, location: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A store in which nothing was counted is no error."""

        async def make() -> None:
            store = open_store(str(location))
            await store.start()
            await store.aclose()

        asyncio.run(make())
        assert sentences_in(told(capsys)) == {"COSTS_NOTHING"}

    @pytest.mark.parametrize("day", ["yesterday", "2026-13-01", "1.11.2026"])
    def test_a_day_that_is_none(self, capsys: pytest.CaptureFixture[str], day: str) -> None:
        """It is told how a day is written."""
        with pytest.raises(SystemExit) as ended:
            main(["costs", "--since", day])
        assert ended.value.code == 2
        assert "write it as in 2026-11-01" in capsys.readouterr().err


def test_the_store_of_a_worker_at_work_can_be_read(
    location: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A worker that has the file open is not disturbed, nor is it waited for."""
    spend(location)

    async def beside() -> str:
        store = open_store(str(location))
        await store.start()
        said = await asyncio.to_thread(told, capsys, "--by", "model")
        assert store.is_healthy
        await store.aclose()
        return said

    assert "12.300012" in asyncio.run(beside())
