"""What calls cost, on the engine with workers that are killed: all books agree, and budgets hold."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from tests.faults.costs import BudgetRun, CostRun, arms
from tests.openai_stand_in.faults import Call, Way


def lost_reply(call: Call) -> Way:
    """Break off each tenth question's first reply, after it was bought."""
    return Way("reset after") if call.nth == 1 and call.prompt.endswith("7") else Way()


async def test_killed_workers_leave_no_call_uncounted(tmp_path: Path) -> None:
    """Totals, engine and API agree to the last digit; what was lost counts with what was reserved."""
    run = CostRun(tmp_path, jobs=100, kills=arms(1, 3), at_once=100, choose=lost_reply)
    books = await run.play()
    figures = await run.accounts()
    assert figures["differences"] == []
    assert (books["completed"], figures["answered calls"]) == (100, 100)
    assert Decimal(figures["of it for lost calls"]) <= Decimal(figures["reserved for them"])
    assert figures["lost calls"] > 0


async def test_three_workers_do_not_overdraw_one_budget(tmp_path: Path) -> None:
    """They use it up to the last call that fits, and not by one call more."""
    amount = Decimal("0.08")
    run = BudgetRun(tmp_path, amount=amount, jobs=50, at_once=50)
    await run.play()
    figures = await run.accounts()
    assert figures["differences"] == []
    assert 0 < figures["answered calls"] < 50
    assert Decimal(figures["charged by the API"]) <= amount
