"""Runs of what calls cost: the store's totals, the engine's records and the API's books say the same.

The API is the stand-in that keeps its books in money. Each answer that a worker has received is in the totals
with exactly what the API charged for it; each call that was lost by a kill, or by the wire, with what had been
reserved for it, which is never less.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from openai_connector.observe.points import LABELS
from openai_connector.store import StoreOptions, open_store
from openai_connector.store.charges import Row, State
from openai_connector.store.postgres import PostgresTables
from openai_connector.store.reading import read_totals
from openai_connector.store.sqlite import SqliteTables
from tests.diagrams import process, task
from tests.engine.zeebe_client import ZeebeClient
from tests.faults.day import PACE as PACE_OF_A_DAY
from tests.faults.day import SETTINGS as OF_A_DAY
from tests.faults.day import arms as arms_of_a_day
from tests.faults.kept import PROCESS_ID, Figures, KeptRun
from tests.faults.kept import arms as arms_of_waiting
from tests.faults.schedule import Arm
from tests.faults.stage import FOLDER, NO_SETTINGS
from tests.openai_stand_in.faults import Choose, by_seed, never
from tests.openai_stand_in.prices import FACTORS, PRICES
from tests.openai_stand_in.world import Pace

MOST_TOKENS: Final = 400
IN_MID_CALL: Final = ("in_call", "handed_to_store", "before_send", "answer_received")
"""Points at which a call may be lost: they come first."""
PACE: Final = Pace(work=(0.05, 0.3))
QUICK: Final = {"CONNECTOR_JOB_LEASE": "PT3S", "CONNECTOR_LOG_LEVEL": "INFO"}


def price_file() -> str:
    """Return the stand-in's own prices as a file of the worker's."""
    tiers = ", ".join(f'"{tier}" = {share}' for tier, share in FACTORS.items() if tier != "standard")
    models = "".join(
        f'[hosts."127.0.0.1".models."{model}"]\ninput = {price.input}\noutput = {price.output}\n'
        f"cached = {price.input}\ncache_write = {price.input}\n"
        for model, price in PRICES.items()
    )
    return f'currency = "USD"\ndate = 2026-11-01\n[hosts."127.0.0.1"]\ntiers = {{ {tiers} }}\n{models}'


def diagram(needed: str) -> str:
    """Make a process of one chat task whose result has its cost."""
    asked = {
        "openai_operation": "chat",
        "openai_apiKey": "{{secrets.KEY}}",
        "openai_model": "gpt-6-astra",
        "openai_prompt": "=question",
        "openai_answerNeeded": needed,
        "openai_maxTokens": f"={MOST_TOKENS}",
    }
    headers = {"resultExpression": "={answer: output.text, cost: output.cost.amount}", "retryBackoff": "PT1S"}
    return process(PROCESS_ID, task(values=asked, headers=headers))


def arms(seed: int, kills: int) -> list[Arm]:
    """Return points at which workers kill themselves, by turns."""
    dice = random.Random(f"costs {seed}")
    labels = (*IN_MID_CALL, *(label for label in LABELS if label not in IN_MID_CALL))
    return [Arm(labels[number % len(labels)], dice.randint(2, 5)) for number in range(kills)]


class CostRun(KeptRun):
    """One run, whose workers know what the stand-in charges."""

    diagram = staticmethod(diagram)

    def __init__(
        self,
        home: Path,
        *,
        jobs: int,
        seed: int = 1,
        store: str = FOLDER,
        kills: Sequence[Arm] = (),
        choose: Choose = never,
        needed: str = "now",
        settings: Mapping[str, str] = NO_SETTINGS,
        at_once: int = 24,
    ) -> None:
        prices = home / "prices.toml"
        prices.write_text(price_file())
        super().__init__(
            home,
            jobs=jobs,
            seed=seed,
            store=store,
            kills=kills,
            choose=choose,
            needed=needed,
            pace=PACE,
            settings={**QUICK, "CONNECTOR_PRICES": str(prices), **settings},
            at_once=at_once,
        )
        self._engine_kills = 0
        self.differences: list[str] = []
        """What does not agree."""

    @property
    def _location(self) -> str:
        return str(self._home / "store") if self._store == FOLDER else self._store

    async def accounts(self) -> Figures:
        """Put the books side by side, once all workers have ended."""
        store = open_store(self._location, StoreOptions())
        await store.start()  # its first sign of life finds what the last workers have lost
        await store.aclose()
        totals = await asyncio.to_thread(read_totals, self._location)
        rows = self._rows()
        figures = self._agreed(totals, rows)
        return {**figures, "differences": self.differences}

    def _agreed(self, totals: Sequence[Any], rows: Sequence[Row]) -> Figures:
        calls = sum(total.calls for total in totals)
        lost = sum(total.lost for total in totals)
        amount = sum((total.amount for total in totals), Decimal(0))
        lost_amount = sum((total.lost_amount for total in totals), Decimal(0))
        engine = self._costs_in_engine()
        bought = {key: self.api.ledger.of_prompt(prompt) for key, prompt in self._created.items()}
        jobs = self._jobs_of_instances()
        lost_by_job: defaultdict[int, list[Decimal]] = defaultdict(list)
        for row in rows:
            if row.state is State.LOST:
                lost_by_job[row.charge.job_key].append(row.charge.amount or Decimal(0))
        charged = sum((purchase.cost for group in bought.values() for purchase in group), Decimal(0))
        self._check("answered calls, in the totals and in the engine", calls, len(engine))
        self._check("their amount, in the totals and in the engine", amount, sum(engine.values(), Decimal(0)))
        self._check("lost calls, in the totals and one by one", lost, sum(map(len, lost_by_job.values())))
        self._check("their amount", lost_amount, sum(map(sum, lost_by_job.values()), Decimal(0)))
        self._check("open charges", [row for row in rows if row.state is State.OPEN], [])
        for instance, purchases in bought.items():
            self._check_job(instance, purchases, engine, lost_by_job[jobs.get(instance, 0)])
        return {
            "answered calls": calls,
            "their amount": str(amount),
            "lost calls": lost,
            "reserved for them": str(lost_amount),
            "charged by the API": str(charged),
            "of it for lost calls": str(charged - amount),
        }

    def _check_job(
        self, instance: int, purchases: Sequence[Any], engine: Mapping[int, Decimal], lost: Sequence[Decimal]
    ) -> None:
        """Check that each purchase is either the one that the job has, or one that counts as lost."""
        left = sorted(purchase.cost for purchase in purchases)
        if instance in engine:
            if engine[instance] not in left:
                self.differences.append(f"{instance}: {engine[instance]} is none of {left}")
                return
            left.remove(engine[instance])
        if len(left) > len(lost) or any(cost > max(lost) for cost in left):
            self.differences.append(f"{instance}: bought and lost {left}, counted {lost}")

    def _check(self, what: str, one: object, other: object) -> None:
        if one != other:
            self.differences.append(f"{what}: {one} is not {other}")

    def _rows(self) -> list[Row]:
        keys = sorted(set(self._jobs_of_instances().values()))
        tables = (
            PostgresTables(self._store)
            if "://" in self._store
            else SqliteTables(self._home / "store" / "store.sqlite3")
        )
        tables.open()
        with tables.transaction():
            rows = tables.end_charges(keys)  # all that are not simply paid
        tables.close()
        return rows

    def _jobs_of_instances(self) -> dict[int, int]:
        return {
            record["value"]["processInstanceKey"]: record["key"]
            for record in self.records.find("JOB", "CREATED")
        }

    def _costs_in_engine(self) -> dict[int, Decimal]:
        return {
            record["value"]["processInstanceKey"]: Decimal(record["value"]["value"])
            for record in self.records.find("VARIABLE", name="cost")
            if record["value"]["scopeKey"] == record["value"]["processInstanceKey"]
        }


class BudgetRun(CostRun):
    """One run of more jobs than a budget allows; its incidents are left."""

    def __init__(self, home: Path, *, amount: Decimal, **more: Any) -> None:
        budgets = home / "budgets.toml"
        budgets.write_text(f'[[budget]]\nname = "all"\namount = {amount:f}\nper = "month"\n')
        super().__init__(home, settings={"CONNECTOR_BUDGETS": str(budgets)}, **more)

    @property
    def done(self) -> int:
        """How many instances have ended, or wait for a person."""
        return len(self._ended()) + len(self.records.find("INCIDENT", "CREATED"))

    async def _operate(self, zeebe: ZeebeClient) -> None:
        await asyncio.Event().wait()


async def costs(home: Path, store: str, jobs: int, *, seed: int = 1) -> Figures:
    """Kill workers at every labelled point, while some calls go wrong at the API: three kinds of answers."""
    figures: Figures = {"differences": []}
    for needed, part in ("now", jobs), ("nowKept", jobs // 4), ("day", jobs // 4):
        folder = home / needed
        folder.mkdir()
        run = _run(folder, _own_place(store, needed), max(part, 1), needed, seed)
        books = await run.play()
        more = {**await run.accounts(), **{name: books[name] for name in ("completed", "workers killed")}}
        figures["differences"] += more.pop("differences")
        figures |= {f"{name} ({needed})": value for name, value in more.items()}
    return figures


def _own_place(store: str, name: str) -> str:
    """Return a place of its own in a database that several runs share."""
    if "://" not in store:
        return store
    import psycopg

    schema = f"costs_{name}".lower()
    with psycopg.connect(store, autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE".encode())
        connection.execute(f"CREATE SCHEMA {schema}".encode())
    return f"{store}{'&' if '?' in store else '?'}options={quote(f'-csearch_path={schema}')}"


def _run(home: Path, store: str, jobs: int, needed: str, seed: int) -> CostRun:
    kills = max(jobs // 20, 4)
    if needed != "day":
        of_kind = arms if needed == "now" else arms_of_waiting
        choose = by_seed(seed, 0.1)
        return CostRun(
            home, jobs=jobs, seed=seed, store=store, kills=of_kind(seed, kills), choose=choose, needed=needed
        )
    size = max(jobs // 5, 1)
    settings = {**OF_A_DAY, "CONNECTOR_BATCH_SIZE": str(size)}
    deaths = arms_of_a_day(seed, min(kills, 20), size)
    run = CostRun(
        home, jobs=jobs, seed=seed, store=store, kills=deaths, needed=needed, settings=settings, at_once=jobs
    )
    run.api.world.pace = PACE_OF_A_DAY
    return run
