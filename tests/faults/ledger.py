"""What a run came to: what the engine, the API and the workers' logs say, put side by side.

* **bought**: the API has produced the answer to its end, whether or not anybody was there to get it.
* **received**: a worker has read the answer whole and found it good; its log says so before anything else is done.
* **received and bought again**: a purchase whose request reached the API after a worker, no matter which, had
  received an answer to the same job.
* **paid and lost**: a purchase that no worker received: its worker was killed in mid-call, or the call failed for
  it (the API or the wire broke it, or it took too long).
* **lost**: an instance that the engine acknowledged and does not know. **stuck**: one that did not end in time.
* **wrong**: one that ended with anything but its own answer.
* **completed twice**: a job, or an instance, of which the engine has two completions.
* **retries lost**: failures after which a job had fewer retries than before.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from openai_connector.tools.demo.records import Record, Records
from tests.faults.fleet import Life
from tests.faults.seller import Call, answer_to

RECEIVED: Final = "received"
OPEN: Final = "killed in mid-call"
FAILED: Final = "failed for its worker"

TITLES: Final = {
    "seed": "seed",
    "store": "store",
    "jobs": "jobs",
    "completed": "instances completed",
    "lost": "lost",
    "stuck": "stuck",
    "wrong": "wrong",
    "twice": "completed twice",
    "calls": "calls that reached the API",
    "bought": "answers bought",
    "received": "answers received whole",
    "again": "received and bought again",
    "paid_and_lost": "paid and lost",
    "incidents": "incidents",
    "retries": "retries lost",
    "kills": "workers killed",
    "engine_kills": "engine killed",
    "strikes": "other faults of processes and wires",
    "seconds": "wall time in s",
}


@dataclass(slots=True)
class Asked:
    """One call as its worker's log has it."""

    sent: float
    """Seconds since the epoch."""
    fate: str = OPEN
    received: float = 0.0


@dataclass(slots=True)
class Ledger:
    """The figures of one run."""

    seed: int
    store: str
    jobs: int
    completed: int = 0
    lost: int = 0
    stuck: int = 0
    wrong: int = 0
    twice: int = 0
    calls: int = 0
    bought: int = 0
    received: int = 0
    again: int = 0
    paid_and_lost: int = 0
    incidents: int = 0
    retries: int = 0
    kills: int = 0
    engine_kills: int = 0
    strikes: int = 0
    seconds: float = 0
    ends: Counter[str] = field(default_factory=Counter)
    """How often workers ended at which point."""
    again_after: Counter[str] = field(default_factory=Counter)
    """How the workers ended whose answers were bought again."""
    lost_by: Counter[str] = field(default_factory=Counter)
    """Why answers were paid and lost."""
    odd: list[str] = field(default_factory=list)
    """What must not be, named."""

    @property
    def is_sound(self) -> bool:
        """Whether nothing is lost, stuck, wrong or done twice."""
        return not (self.lost or self.stuck or self.wrong or self.twice)

    def count_engine(self, records: Records, created: Mapping[int, str]) -> None:
        """Count what the engine wrote down.

        Args:
            records: of the engine.
            created: the instances that it acknowledged, each with its prompt.
        """
        known = {record["key"] for record in _processes(records, "ELEMENT_ACTIVATED")}
        ended = Counter(record["key"] for record in _processes(records, "ELEMENT_COMPLETED"))
        jobs = Counter(record["key"] for record in records.find("JOB", "COMPLETED"))
        results = {
            record["value"]["processInstanceKey"]: json.loads(record["value"]["value"])
            for record in records.find("VARIABLE", name="answer")
            if record["value"]["scopeKey"] == record["value"]["processInstanceKey"]
        }
        self.completed = len(ended)
        self.twice = sum(count > 1 for count in (*ended.values(), *jobs.values()))
        self.incidents = len(records.find("INCIDENT", "CREATED"))
        self.retries = retries_lost(records.find("JOB"))
        for key, prompt in created.items():
            if key not in known:
                self.lost += 1
                self.odd.append(f"lost: {prompt} ({key})")
            elif key not in ended:
                self.stuck += 1
                self.odd.append(f"stuck: {prompt} ({key})")
            elif results.get(key) != answer_to(prompt):
                self.wrong += 1
                self.odd.append(f"wrong: {prompt} ({key}) has {str(results.get(key))[:60]!r}")

    def count_purchases(self, calls: Iterable[Call], lives: Sequence[Life]) -> None:
        """Count what was bought, and what came of it."""
        asked = [asked_by(life) for life in lives]
        by_job: defaultdict[int, list[Call]] = defaultdict(list)
        for call in calls:
            by_job[call.job_key].append(call)
        for job_key, of_job in by_job.items():
            first, end = min(
                (
                    (one.received, life.end)
                    for life, found in zip(lives, asked, strict=True)
                    for one in found[job_key]
                    if one.fate == RECEIVED
                ),
                default=(float("inf"), ""),
            )
            self.calls += len(of_job)
            for call in reversed(of_job):
                fate = _fate(call, asked[call.life][job_key])
                if call.bought is not None:
                    self._count_purchase(call, fate, is_again=call.arrived > first, end=end)

    def count_ends(self, lives: Iterable[Life]) -> None:
        """Count how the workers ended."""
        self.ends = Counter(life.end for life in lives if life.end != "lived")
        self.kills = self.ends.total() - self.ends["ended"]

    def _count_purchase(self, call: Call, fate: str, *, is_again: bool, end: str) -> None:
        self.bought += 1
        self.received += fate == RECEIVED
        if fate != RECEIVED:
            self.paid_and_lost += 1
            self.lost_by[f"{fate}, {call.way}" if fate == FAILED and call.way else fate] += 1
        if is_again:
            self.again += 1
            self.again_after[end] += 1


def _fate(call: Call, asked: list[Asked]) -> str:
    """Take the latest call of its worker that was sent before it arrived; later ones have been taken already."""
    before = [one for one in asked if one.sent <= call.arrived]
    if not before:
        return FAILED
    asked.remove(before[-1])
    return before[-1].fate


def asked_by(life: Life) -> defaultdict[int, list[Asked]]:
    """Read from a worker's log which calls it made, and what came of them, by job.

    An answer counts as received unless the next line about its job says that it is none.
    """
    asked: defaultdict[int, list[Asked]] = defaultdict(list)
    for key, entry in _lines_of_jobs(life):
        at = datetime.fromisoformat(entry["timestamp"]).timestamp()
        last = asked[key][-1] if asked[key] else None
        if entry["message"].endswith("the API is asked"):
            asked[key].append(Asked(at))
        elif last is None:
            continue
        elif entry.get("status") == 200 and "callSeconds" in entry:
            last.fate, last.received = RECEIVED, at
        elif "errorType" in entry or last.fate == OPEN:
            last.fate = FAILED
    return asked


def _lines_of_jobs(life: Life) -> Iterator[tuple[int, dict[str, Any]]]:
    with life.log.open("rb") as log:
        for line in log:
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # cut off by a kill, or no line of the log's own
            if "jobKey" in entry:
                yield entry["jobKey"], entry


def _processes(records: Records, intent: str) -> list[Record]:
    return records.find("PROCESS_INSTANCE", intent, bpmnElementType="PROCESS")


def retries_lost(jobs: Iterable[Record]) -> int:
    """Count the failures after which a job had fewer retries than before."""
    left: dict[int, int] = {}
    lost = 0
    for record in jobs:
        key, retries = record["key"], record["value"]["retries"]
        lost += record["intent"] == "FAILED" and retries < left.get(key, retries)
        left[key] = retries
    return lost


def table(ledgers: Sequence[Ledger]) -> str:
    """Write ledgers side by side."""
    rows: list[tuple[str, list[Any]]] = [
        (title, [getattr(ledger, name) for ledger in ledgers]) for name, title in TITLES.items()
    ]
    rows += _counted("killed at: ", [ledger.ends for ledger in ledgers])
    rows += _counted("bought again after the end at: ", [ledger.again_after for ledger in ledgers])
    rows += _counted("paid and lost: ", [ledger.lost_by for ledger in ledgers])
    width = max(len(title) for title, _ in rows)
    lines = [
        title.ljust(width) + "".join(f"{_shown(value):>12}" for value in values) for title, values in rows
    ]
    return "\n".join([*lines, *(line for ledger in ledgers for line in ledger.odd[:20])])


def _counted(title: str, counters: Sequence[Counter[str]]) -> list[tuple[str, list[Any]]]:
    names = sorted({name for counter in counters for name in counter})
    return [(title + name, [counter[name] for counter in counters]) for name in names]


def _shown(value: object) -> str:
    return f"{value:.0f}" if isinstance(value, float) else str(value)
