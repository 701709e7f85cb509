"""The books: what was received, bought again, paid and lost, from the API's calls and the workers' logs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from openai_connector.contract import WORKER_ENDED
from openai_connector.observe.points import LABELS
from tests.faults.fleet import Life
from tests.faults.ledger import (
    BEFORE,
    FAILED,
    HANDED,
    OFF,
    OPEN,
    STAGES,
    STORED,
    Ledger,
    asked_by,
    retries_lost,
    table,
)
from tests.faults.seller import Call

JOB = 7
ASKED: Mapping[str, Any] = {"message": "Job 7 of element Ask: the API is asked"}
GOT: Mapping[str, Any] = {"message": "answered", "status": 200, "callSeconds": 0.5}
REFUSED: Mapping[str, Any] = {"message": "answered", "status": 429, "callSeconds": 0.1}
KEPT: Mapping[str, Any] = {"message": "Job 7 of element Ask: its answer is stored"}
NAMED: Mapping[str, Any] = {
    "message": "Job 7 of element Ask: a worker ended in mid-call; that call may have been paid for and lost"
}
THREE_TIMES: Mapping[str, Any] = {"message": "x", "errorType": "WorkerEndedError", "errorCode": WORKER_ENDED}
NO_ANSWER: Mapping[str, Any] = {"message": "InvalidResponseError", "errorType": "InvalidResponseError"}
BROKEN: Mapping[str, Any] = {"message": "no whole answer after 1.00 s", "callSeconds": 1.0}
ENDED: Mapping[str, Any] = {"message": "completed", "outcome": "completed"}


class Story:
    """Worker processes with their logs, and what they asked the API for."""

    def __init__(self, folder: Path) -> None:
        self.lives: list[Life] = []
        self.calls: list[Call] = []
        self._folder = folder

    def worker(self, end: str, *lines: tuple[float, Mapping[str, Any]], torn: str = "") -> None:
        """Add a worker that wrote these lines about the job, and ended so."""
        number = len(self.lives)
        life = Life(number, 0, self._folder / f"{number}.log", end)
        text = "".join(
            json.dumps({"timestamp": datetime.fromtimestamp(at, UTC).isoformat(), "jobKey": JOB, **line})
            + "\n"
            for at, line in lines
        )
        life.log.write_text(text + torn)
        self.lives.append(life)

    def bought(self, life: int, arrived: float, way: str = "") -> None:
        """Add a purchase."""
        self.calls.append(Call(life, JOB, "7-3-1", "hash", way, arrived, arrived + 0.1))

    def refused(self, life: int, arrived: float) -> None:
        """Add a call that cost nothing."""
        self.calls.append(Call(life, JOB, "7-3-1", "hash", "429", arrived))

    def ledger(self, store: str = OFF) -> Ledger:
        """Close the books."""
        ledger = Ledger(1, store, 1)
        ledger.count_purchases(self.calls, self.lives)
        assert ledger.bought == ledger.received + ledger.paid_and_lost
        return ledger


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """Nothing has happened yet."""
    return Story(tmp_path)


def test_an_answer_received_and_used_is_bought_once(story: Story) -> None:
    """The ordinary job: one call, one purchase, received."""
    story.worker("lived", (1, ASKED), (2, GOT), (2, ENDED))
    story.bought(0, 1.1)
    ledger = story.ledger()
    assert (ledger.bought, ledger.received, ledger.again, ledger.paid_and_lost) == (1, 1, 0, 0)


def test_an_answer_whose_worker_is_killed_is_bought_again(story: Story) -> None:
    """A purchase after the first answer was received counts, by the end of the worker that had it."""
    story.worker("answer_received", (1, ASKED), (2, GOT), torn='{"timestamp": "20')
    story.worker("lived", (9, ASKED), (10, GOT), (10, ENDED))
    story.bought(0, 1.1)
    story.bought(1, 9.1)
    ledger = story.ledger()
    assert (ledger.bought, ledger.received, ledger.again, ledger.paid_and_lost) == (2, 2, 1, 0)
    assert ledger.again_after == {"answer_received": 1}


def test_a_call_cut_by_a_kill_is_paid_and_lost_and_not_bought_again(story: Story) -> None:
    """Nobody received the first answer: the second purchase is the first that counts as received."""
    story.worker("in_call", (1, ASKED))
    story.worker("lived", (9, ASKED), (10, GOT), (10, ENDED))
    story.bought(0, 1.1)
    story.bought(1, 9.1)
    ledger = story.ledger()
    assert (ledger.received, ledger.again, ledger.paid_and_lost) == (1, 0, 1)
    assert ledger.lost_by == {OPEN: 1}


@pytest.mark.parametrize(
    ("end", "lines", "store", "stage"),
    [
        pytest.param("answer_received", [(2, GOT)], "folder", BEFORE, id="killed before the hand-over"),
        pytest.param("handed_to_store", [(2, GOT)], "folder", HANDED, id="killed while it was written"),
        pytest.param("killed", [(2, GOT)], "folder", HANDED, id="killed from outside"),
        pytest.param("answer_stored", [(2, GOT), (2, KEPT)], "folder", STORED, id="killed after the write"),
        pytest.param("killed", [(2, GOT)], OFF, BEFORE, id="no store"),
    ],
)
def test_how_far_an_answer_had_come_that_is_bought_again(
    story: Story, end: str, lines: list[tuple[float, Mapping[str, Any]]], store: str, stage: str
) -> None:
    """What the store did not have yet, was writing, and had are counted apart."""
    story.worker(end, (1, ASKED), *lines)
    story.worker("lived", (9, ASKED), (10, GOT), (10, KEPT), (10, ENDED))
    story.bought(0, 1.1)
    story.bought(1, 9.1)
    ledger = story.ledger(store)
    assert (ledger.again, ledger.again_at) == (1, {stage: 1})
    assert ledger.is_sound is (stage != STORED)


def test_of_several_answers_the_one_counts_that_came_furthest(story: Story) -> None:
    """An answer that was stored and is bought again is no better for another that was not."""
    story.worker("answer_received", (1, ASKED), (2, GOT))
    story.worker("killed", (3, ASKED), (4, GOT), (4, KEPT))
    story.worker("lived", (9, ASKED), (10, GOT))
    for life, at in enumerate((1.1, 3.1, 9.1)):
        story.bought(life, at)
    assert story.ledger("folder").again_at == {BEFORE: 1, STORED: 1}


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        pytest.param([(9, NAMED), (9, ASKED), (10, GOT)], 1, id="said"),
        pytest.param([(9, THREE_TIMES)], 1, id="an incident"),
        pytest.param([(9, ASKED), (10, GOT)], 0, id="silence"),
    ],
)
def test_calls_cut_by_a_kill_are_to_be_named(
    story: Story, lines: list[tuple[float, Mapping[str, Any]]], named: int
) -> None:
    """Whoever takes the job over says so; one line names one call, paid or not."""
    story.worker("in_call", (1, ASKED))
    story.worker("lived", *lines)
    story.bought(0, 1.1)
    ledger = story.ledger("folder")
    assert (ledger.cut, ledger.cut_named, ledger.lost_named) == (1, named, named)
    assert ledger.is_sound is bool(named)


def test_what_is_done_without_a_store_is_not_held_against_it(story: Story) -> None:
    """A worker that could not reach its store said so: nobody can know then what it does."""
    story.worker("killed", (1, ASKED))
    story.worker("lived", (9, {"message": "The store does not work: it is locked"}), (9, ASKED), (10, GOT))
    story.bought(0, 1.1)
    ledger = story.ledger("folder")
    assert not ledger.is_sound
    ledger.count_failures_of_the_store(story.lives)
    assert (ledger.without, ledger.is_sound) == (1, True)


def test_one_line_names_one_call(story: Story) -> None:
    """Of two calls of a job that kills have cut, one line leaves one unnamed."""
    story.worker("in_call", (1, ASKED))
    story.worker("in_call", (5, NAMED), (5, ASKED))
    story.worker("lived", (9, ASKED), (10, GOT))
    story.bought(0, 1.1)
    story.bought(1, 5.1)
    ledger = story.ledger("folder")
    assert (ledger.cut, ledger.cut_named) == (2, 1)
    assert (ledger.paid_and_lost, ledger.lost_named) == (2, 1)


def test_without_a_store_nobody_can_name_what_is_lost(story: Story) -> None:
    """The run is sound nevertheless: there is nothing that could know."""
    story.worker("in_call", (1, ASKED))
    story.bought(0, 1.1)
    ledger = story.ledger()
    assert (ledger.cut, ledger.cut_named, ledger.is_sound) == (1, 0, True)


def test_an_answer_that_the_wire_broke_is_paid_and_lost(story: Story) -> None:
    """A call that failed for its worker, though the API had produced the answer."""
    story.worker("lived", (1, ASKED), (2, NO_ANSWER), (2, ENDED), (3, ASKED), (4, GOT), (4, ENDED))
    story.bought(0, 1.1, "truncated")
    story.bought(0, 3.1)
    ledger = story.ledger()
    assert (ledger.received, ledger.again, ledger.paid_and_lost) == (1, 0, 1)
    assert ledger.lost_by == {f"{FAILED}, truncated": 1}
    assert (ledger.lost_named, ledger.cut) == (1, 0)


def test_two_workers_that_ask_at_once_buy_twice_and_not_again(story: Story) -> None:
    """Bought again is only what is asked for after an answer was there."""
    story.worker("lived", (1, ASKED), (8, GOT), (8, ENDED))
    story.worker("lived", (6, ASKED), (7, GOT), (7, ENDED))
    story.bought(0, 1.1)
    story.bought(1, 6.1)
    ledger = story.ledger()
    assert (ledger.bought, ledger.received, ledger.again) == (2, 2, 0)


def test_refusals_are_calls_and_no_purchases(story: Story) -> None:
    """What the API refused is matched to its own call, not to a later one that was paid."""
    story.worker("lived", (1, ASKED), (2, REFUSED), (2, NO_ANSWER), (3, ASKED), (4, GOT), (4, ENDED))
    story.refused(0, 1.1)
    story.bought(0, 3.1)
    ledger = story.ledger()
    assert (ledger.calls, ledger.bought, ledger.received, ledger.paid_and_lost) == (2, 1, 1, 0)


def test_a_request_that_never_arrived_is_nobodys_purchase(story: Story) -> None:
    """A call that the wire swallowed on its way to the API costs nothing."""
    story.worker("lived", (1, ASKED), (2, NO_ANSWER), (3, ASKED), (4, GOT))
    story.bought(0, 3.1)
    assert story.ledger().received == 1


@pytest.mark.parametrize(
    ("lines", "fates"),
    [
        ([(1, ASKED), (2, GOT), (2, ENDED)], ["received"]),
        ([(1, ASKED), (2, GOT), (2, NO_ANSWER)], [FAILED]),
        ([(1, ASKED), (2, REFUSED), (2, NO_ANSWER)], [FAILED]),
        ([(1, ASKED)], [OPEN]),
        ([(1, ASKED), (2, BROKEN)], [FAILED]),
        ([(1, ASKED), (2, ENDED)], [FAILED]),
        ([(2, ENDED)], []),
    ],
    ids=[
        "good",
        "no answer after all",
        "refused",
        "cut",
        "broken and not said more of",
        "given back",
        "never asked",
    ],
)
def test_the_fate_of_a_call_is_read_from_its_workers_log(
    story: Story, lines: list[tuple[float, Mapping[str, Any]]], fates: list[str]
) -> None:
    """An answer counts as received unless the worker found that it was none."""
    story.worker("lived", *lines)
    assert [one.fate for one in asked_by(story.lives[0])[JOB]] == fates


def test_only_failures_that_cost_a_retry_count_as_lost_retries() -> None:
    """Waits keep the retries, and what an operator gives is no loss."""
    steps = [
        ("CREATED", 3),
        ("FAILED", 3),
        ("FAILED", 2),
        ("FAILED", 0),
        ("RETRIES_UPDATED", 3),
        ("FAILED", 2),
    ]
    jobs = [{"key": 1, "intent": intent, "value": {"retries": left}} for intent, left in steps]
    assert retries_lost(jobs) == 3


def test_the_table_shows_runs_side_by_side() -> None:
    """Each run is a column; what only one of them has is a zero in the other."""
    one, two = Ledger(1, "off", 10, again=4), Ledger(1, "folder", 10)
    one.ends["killed"] = 3
    one.lost_by["hang"] = 2
    lines = {line.rsplit(maxsplit=2)[0]: line.split()[-2:] for line in table([one, two]).splitlines()}
    assert lines["received and bought again"] == ["4", "0"]
    assert lines["paid and lost: hang"] == ["2", "0"]


def test_the_table_shows_every_point_and_every_stage() -> None:
    """Also where nobody was killed, or nothing bought again: a zero is what it is for."""
    ledger = Ledger(1, "folder", 10)
    ledger.ends["answer_received"], ledger.again_after["answer_received"] = 3, 2
    lines = table([ledger]).splitlines()
    killed = [line.split(": ")[1].split() for line in lines if line.startswith("killed / bought again: ")]
    assert [label for label, *_ in killed] == list(LABELS)
    assert ["answer_received", "3", "/", "2"] in killed
    assert [line.rsplit(maxsplit=1) for line in lines if line.startswith("bought again: ")] == [
        [f"bought again: {stage}", "0"] for stage in STAGES
    ]
