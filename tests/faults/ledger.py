"""What a run came to: what the engine, the API and the workers' logs say, put side by side.

* **bought**: the API has produced the answer to its end, whether or not anybody was there to get it.
* **received**: a worker has read the answer whole and found it good; its log says so before anything else is done.
* **received and bought again**: a purchase whose request reached the API after a worker, no matter which, had
  received an answer to the same job; by how far that answer had come: before the store had it, handed to the
  store and not written yet, or stored.
* **paid and lost**: a purchase that no worker received: its worker was killed in mid-call, or the call failed for
  it (the API or the wire broke it, or it took too long).
* **cut by a kill**: a call that its worker was in the middle of when it was killed, paid or not.
* **times without the store**: how often a worker found that its store does not work, and went on without it (one
  that is frozen in the middle of a transaction keeps the file locked): what it does then nobody else can know.
* **named in a log**: some worker has said of the job that a call of it was lost or has failed.
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
from typing import Any, Final, NamedTuple

from openai_connector.contract import WORKER_ENDED
from openai_connector.observe.points import LABELS
from openai_connector.tools.demo.records import Record, Records
from tests.faults.fleet import Life
from tests.faults.seller import Call, answer_to

OFF: Final = "off"
"""As a store: none."""

RECEIVED: Final = "received"
OPEN: Final = "killed in mid-call"
FAILED: Final = "failed for its worker"

BEFORE: Final = "before the store had it"
HANDED: Final = "handed to the store"
STORED: Final = "stored"
STAGES: Final = (BEFORE, HANDED, STORED)
"""How far an answer came that a worker has received."""

ASKS: Final = "the API is asked"
KEEPS: Final = "its answer is stored"
NAMES: Final = "ended in mid-call"
WITHOUT: Final = b"The store does not work"
"""What the lines of a worker's log say."""

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
    "lost_named": "of these named in a log",
    "cut": "calls cut by a kill",
    "cut_named": "of these named in a log",
    "failures": "failures reported",
    "incidents": "incidents",
    "retries": "retries lost",
    "without": "times without the store",
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
    stage: str = HANDED
    """Of an answer that was received: between its arrival and the hand-over nothing is waited for."""
    is_named: bool = False
    """The worker itself has said that it failed."""


class Reception(NamedTuple):
    """An answer that a worker has received; the greater, the further it came."""

    stage: int
    received: float
    end: str
    """How its worker ended."""


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
    lost_named: int = 0
    cut: int = 0
    cut_named: int = 0
    failures: int = 0
    incidents: int = 0
    retries: int = 0
    without: int = 0
    kills: int = 0
    engine_kills: int = 0
    strikes: int = 0
    seconds: float = 0
    ends: Counter[str] = field(default_factory=Counter)
    """How often workers ended at which point."""
    again_after: Counter[str] = field(default_factory=Counter)
    """How the workers ended whose answers were bought again."""
    again_at: Counter[str] = field(default_factory=Counter)
    """How far the answers had come that were bought again."""
    lost_by: Counter[str] = field(default_factory=Counter)
    """Why answers were paid and lost."""
    odd: list[str] = field(default_factory=list)
    """What must not be, named."""

    @property
    def is_sound(self) -> bool:
        """Whether nothing is lost, stuck, wrong or done twice, and the store did what it is for."""
        has_failed = self.lost or self.stuck or self.wrong or self.twice
        had_store_always = self.has_store and not self.without
        return not has_failed and not (
            had_store_always and (self.again_at[STORED] or self.cut_named < self.cut)
        )

    @property
    def has_store(self) -> bool:
        """Whether the workers had one."""
        return self.store != OFF

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
        self.failures = len(records.find("JOB", "FAILED"))
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
        named = names_in(lives)
        by_job: defaultdict[int, list[Call]] = defaultdict(list)
        for call in calls:
            by_job[call.job_key].append(call)
        for job_key in {job_key for found in asked for job_key in found}:
            self._count_cut(zip(lives, (found[job_key] for found in asked), strict=True), named[job_key])
        for job_key, of_job in by_job.items():
            received = list(self._receptions(zip(lives, (found[job_key] for found in asked), strict=True)))
            names = named[job_key]
            self.calls += len(of_job)
            for call in reversed(of_job):
                one = _asked(call, asked[call.life][job_key])
                if call.bought is None:
                    continue
                earlier = [one for one in received if one.received < call.arrived]
                names -= self._count_purchase(call, one, max(earlier, default=None), names)

    def count_ends(self, lives: Iterable[Life]) -> None:
        """Count how the workers ended."""
        self.ends = Counter(life.end for life in lives if life.end != "lived")
        self.kills = self.ends.total() - self.ends["ended"]

    def count_failures_of_the_store(self, lives: Iterable[Life]) -> None:
        """Count how often workers went on without it."""
        self.without = sum(life.log.read_bytes().count(WITHOUT) for life in lives)

    def _count_cut(self, found: Iterable[tuple[Life, list[Asked]]], names: int) -> None:
        cut = sum(one.fate == OPEN for life, asked in found if life.is_killed for one in asked)
        self.cut += cut
        self.cut_named += min(cut, names)

    def _receptions(self, found: Iterable[tuple[Life, list[Asked]]]) -> Iterator[Reception]:
        for life, asked in found:
            for one in asked:
                if one.fate == RECEIVED:
                    stage = one.stage if self.has_store else BEFORE
                    yield Reception(STAGES.index(stage), one.received, life.end)

    def _count_purchase(self, call: Call, one: Asked, earlier: Reception | None, names: int) -> bool:
        """Count a purchase; return whether it takes one of the lines that name lost calls of its job."""
        self.bought += 1
        self.received += one.fate == RECEIVED
        if earlier is not None:
            self.again += 1
            self.again_after[earlier.end] += 1
            self.again_at[STAGES[earlier.stage]] += 1
        if one.fate == RECEIVED:
            return False
        is_named_later = one.fate == OPEN and names > 0
        self.paid_and_lost += 1
        self.lost_named += one.is_named or is_named_later
        self.lost_by[f"{one.fate}, {call.way}" if one.fate == FAILED and call.way else one.fate] += 1
        return is_named_later


def _asked(call: Call, asked: list[Asked]) -> Asked:
    """Take the latest call of its worker that was sent before it arrived; later ones have been taken already."""
    before = [one for one in asked if one.sent <= call.arrived]
    if not before:
        return Asked(call.arrived, FAILED)
    asked.remove(before[-1])
    return before[-1]


def asked_by(life: Life) -> defaultdict[int, list[Asked]]:
    """Read from a worker's log which calls it made, and what came of them, by job.

    An answer counts as received unless the next line about its job says that it is none.
    """
    asked: defaultdict[int, list[Asked]] = defaultdict(list)
    latest: Asked | None = None
    for key, entry in lines_of_jobs(life):
        at = datetime.fromisoformat(entry["timestamp"]).timestamp()
        last = asked[key][-1] if asked[key] else None
        if entry["message"].endswith(ASKS):
            asked[key].append(Asked(at))
        elif last is None:
            continue
        elif entry.get("status") == 200 and "callSeconds" in entry:
            last.fate, last.received, latest = RECEIVED, at, last
        elif entry["message"].endswith(KEEPS):
            last.stage = STORED
        elif "errorType" in entry or last.fate == OPEN:
            last.fate, last.is_named = FAILED, True
    if life.end == "answer_received" and latest is not None:
        latest.stage = BEFORE  # the point lies just before the hand-over
    return asked


def names_in(lives: Iterable[Life]) -> Counter[int]:
    """Count by job how often a worker has said that another one ended in mid-call."""
    return Counter(
        key
        for life in lives
        for key, entry in lines_of_jobs(life)
        if NAMES in entry["message"] or entry.get("errorCode") == WORKER_ENDED
    )


def lines_of_jobs(life: Life) -> Iterator[tuple[int, dict[str, Any]]]:
    """Return the lines of a worker's log that are about a job, with its key."""
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
    stages = [(f"bought again: {stage}", [ledger.again_at[stage] for ledger in ledgers]) for stage in STAGES]
    place = next(index for index, (title, _) in enumerate(rows) if title == TITLES["again"])
    rows[place + 1 : place + 1] = stages
    rows += [
        (f"killed / bought again: {end}", [f"{one.ends[end]} / {one.again_after[end]}" for one in ledgers])
        for end in _ends(ledgers)
    ]
    rows += _counted("paid and lost: ", [ledger.lost_by for ledger in ledgers])
    width = max(len(title) for title, _ in rows)
    lines = [
        title.ljust(width) + "".join(f"{_shown(value):>12}" for value in values) for title, values in rows
    ]
    return "\n".join([*lines, *(line for ledger in ledgers for line in ledger.odd[:20])])


def _ends(ledgers: Iterable[Ledger]) -> list[str]:
    """Return the labelled points in their order, whether or not anybody ended there, and other ends."""
    others = {end for ledger in ledgers for end in (*ledger.ends, *ledger.again_after)} - set(LABELS)
    return [*LABELS, *sorted(others)]


def _counted(title: str, counters: Sequence[Counter[str]]) -> list[tuple[str, list[Any]]]:
    names = sorted({name for counter in counters for name in counter})
    return [(title + name, [counter[name] for counter in counters]) for name in names]


def _shown(value: object) -> str:
    return f"{value:.0f}" if isinstance(value, float) else str(value)
