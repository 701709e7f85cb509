"""A result that the engine refuses, or that cannot be sent: the job fails as its handler says, with what it keeps."""

from __future__ import annotations

import json
from typing import Any

import pytest
from grpc import StatusCode

from openai_connector.job import Completed, ConnectorJob, Failed
from openai_connector.zeebe.commands import Commands, Delivery
from tests.unit.zeebe.fake_gateway import FakeGateway, status


@pytest.mark.parametrize("variables", [{"a": 1}, {"a": float("nan")}], ids=["refused", "unsendable"])
async def test_the_handler_says_how_a_refused_result_fails(
    engine: FakeGateway, commands: Commands, job: ConnectorJob, variables: dict[str, Any]
) -> None:
    """The failure is told why, and its variables reach the task."""
    engine.faults["CompleteJob"].append(status(StatusCode.UNKNOWN, "EXCEEDED_BATCH_RECORD_SIZE"))
    outcome = Completed(variables, if_refused=lambda why: Failed(f"{why}. Kept", 0, variables={"kept": "answer"}))
    assert await commands.report(job, outcome) is Delivery.REFUSED
    (report,) = engine.jobs[100].reports
    assert "result" in report.errorMessage
    assert report.errorMessage.endswith(". Kept")
    assert (report.retries, json.loads(report.variables)) == (0, {"kept": "answer"})
