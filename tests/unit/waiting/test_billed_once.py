"""An answer that is made elsewhere is billed when it is fetched for the first time, and only then."""

from __future__ import annotations

import asyncio

from openai_connector.job import Completed, Failed
from openai_connector.observe.events import AnswerFetched, AnswerReceived
from openai_connector.observe.metrics import Metrics
from openai_connector.tasks.task_type import AnswerNeeded
from tests.simulation import simulate
from tests.unit.waiting.fakes import Engine, Responses, Worker, a_job

USAGE = {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100}
DONE = {"status": "completed", "usage": USAGE}


def test_the_call_that_begins_it_has_no_bill() -> None:
    """Its response is no answer: tokens and duration are told with the one that is fetched."""

    async def story() -> None:
        metrics = Metrics()
        worker = Worker(Responses(seconds=90.0, final=DONE), Engine(a_job()), events=[metrics])
        assert isinstance(await worker.to_the_end(), Completed)
        [received] = [event for event in worker.events if isinstance(event, AnswerReceived)]
        [fetched] = [event for event in worker.events if isinstance(event, AnswerFetched)]
        assert (received.is_pending, received.tokens_in, received.tokens_out) == (True, None, None)
        assert (fetched.tokens_in, fetched.tokens_out) == (1000, 100)
        assert fetched.seconds >= 90.0
        durations = [line for line in metrics.written().splitlines() if "duration_seconds_count" in line]
        assert len(durations) == 1
        assert durations[0].endswith(" 1")
        assert "openai_connector_calls_under_way 0" in metrics.written()

    simulate(story())


def test_one_that_is_fetched_again_is_not_billed_again() -> None:
    """It was too large to be kept at the task, or anywhere: it was bought once all the same."""

    async def story() -> None:
        api = Responses(text="x" * 2_000_000, final=DONE)
        engine = Engine(a_job(resultVariable="", resultExpression="={a: assert(null, false)}"))
        metrics = Metrics()
        first = Worker(api, engine, AnswerNeeded.WITHIN_2H, events=[metrics])
        incident = await first.to_the_end()
        assert isinstance(incident, Failed)
        engine.set("resultExpression", "={b: string length(output.text), c: output.costReason}")
        second = Worker(api, engine, AnswerNeeded.WITHIN_2H, events=[metrics])
        outcome = await second.to_the_end()
        assert isinstance(outcome, Completed)
        assert "llm.example.com" in outcome.variables["c"]
        told = [event for event in (*first.events, *second.events) if isinstance(event, AnswerFetched)]
        assert [(event.is_again, event.tokens_in) for event in told] == [(False, 1000), (True, None)]
        assert metrics.unpriced.total == 1
        await asyncio.sleep(0)

    simulate(story())
