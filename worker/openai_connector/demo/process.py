"""The demo's process: a customer's message is moderated, then answered, then the answer gets a subject line."""

from __future__ import annotations

import asyncio
import json
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from openai_connector.demo.records import Records

DIAGRAM = Path(__file__).with_name("answer-customer.bpmn")
PROCESS_ID = "answer-customer"
DEPLOY_TIMEOUT = 30.0
"""Seconds."""
RUN_TIMEOUT = 180.0
"""Seconds for one process instance: three API calls, and retries where they need them."""
RECORDS_TIMEOUT = 5.0
"""Seconds."""
_BPMN = "{http://www.omg.org/spec/BPMN/20100524/MODEL}"
_ZEEBE = "{http://camunda.org/schema/zeebe/1.0}"


class ProcessError(RuntimeError):
    """The process did not reach its end; the message is one sentence that says why."""


@dataclass(frozen=True, slots=True)
class Task:
    """A service task as the diagram has it."""

    element_id: str
    name: str
    operation: str
    result_variable: str


@dataclass(frozen=True, slots=True)
class Step:
    """A task that was done."""

    task: Task
    result: Mapping[str, Any]
    """The result variable: status, headers, body, output."""
    job_key: int | None
    """None where the engine's records cannot be read (another cluster)."""
    seconds: float | None
    """From the job's creation to its completion, in the engine's time; None as above."""


@dataclass(frozen=True, slots=True)
class Run:
    """A process instance that came to its end."""

    key: int
    ending: str
    """Name of the end event."""
    steps: list[Step]
    seconds: float


@cache
def tasks() -> tuple[Task, ...]:
    """Read the service tasks from the diagram, in the order in which they are done."""
    found = []
    for task in ElementTree.parse(DIAGRAM).iter(f"{_BPMN}serviceTask"):
        inputs = {i.get("target"): i.get("source", "") for i in task.iter(f"{_ZEEBE}input")}
        headers = {h.get("key"): h.get("value", "") for h in task.iter(f"{_ZEEBE}header")}
        found.append(
            Task(task.get("id", ""), task.get("name", ""), inputs["openai_operation"], headers["resultVariable"])
        )
    return tuple(found)


async def deploy(gateway: Any) -> None:
    """Deploy the diagram through a gateway stub."""
    from pyzeebe.proto import gateway_pb2 as pb

    resource = pb.Resource(name=DIAGRAM.name, content=DIAGRAM.read_bytes())
    await gateway.DeployResource(pb.DeployResourceRequest(resources=[resource]), timeout=DEPLOY_TIMEOUT)


async def run(
    gateway: Any, variables: Mapping[str, Any], *, records: Records | None, check: Callable[[], None] = lambda: None
) -> Run:
    """Run the process once.

    Args:
        gateway: a gateway stub on an asyncio channel.
        variables: `message` (text), `model` and `maxTokens` (may be left out).
        records: of the engine, if it is ours.
        check: called while waiting; raises to give up.

    Raises:
        ProcessError: the process stopped at an incident or did not end in time.
    """
    import grpc
    from pyzeebe.proto import gateway_pb2 as pb

    create = pb.CreateProcessInstanceRequest(bpmnProcessId=PROCESS_ID, version=-1, variables=json.dumps(variables))
    request = pb.CreateProcessInstanceWithResultRequest(request=create, requestTimeout=round(RUN_TIMEOUT * 1000))
    known = len(_incidents(records))
    started = time.monotonic()
    ended: asyncio.Task[Any] = asyncio.ensure_future(
        _await(gateway.CreateProcessInstanceWithResult(request, timeout=RUN_TIMEOUT))
    )
    try:
        while not (await asyncio.wait([ended], timeout=0.1))[0]:
            check()
            for incident in _incidents(records)[known:]:
                raise ProcessError(
                    f"The process stopped at the task {incident['value']['elementId']} with an incident: "
                    f"{incident['value']['errorMessage']}"
                )
        answer = await ended
    except grpc.aio.AioRpcError as error:
        if error.code() in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED):
            raise ProcessError(
                f"The process did not end within {RUN_TIMEOUT:.0f} s; Operate shows where it waits."
            ) from error
        raise
    finally:
        ended.cancel()
    seconds = time.monotonic() - started
    result = json.loads(answer.variables)
    key = int(answer.processInstanceKey)
    done = [task for task in tasks() if task.result_variable in result]
    steps = [await _step(task, result[task.result_variable], key, records) for task in done]
    return Run(key=key, ending="Answered" if len(done) == len(tasks()) else "Rejected", steps=steps, seconds=seconds)


async def _await(call: Awaitable[Any]) -> Any:
    return await call


def _incidents(records: Records | None) -> list[dict[str, Any]]:
    return records.find("INCIDENT", "CREATED", bpmnProcessId=PROCESS_ID) if records is not None else []


async def _step(task: Task, result: Mapping[str, Any], instance: int, records: Records | None) -> Step:
    deadline = time.monotonic() + RECORDS_TIMEOUT
    # The result comes from the engine's memory, the records a moment later from its log.
    while records is not None and time.monotonic() < deadline:
        events = records.find("JOB", processInstanceKey=instance, elementId=task.element_id)
        for completed in (event for event in events if event["intent"] == "COMPLETED"):
            return Step(task, result, completed["key"], (completed["timestamp"] - events[0]["timestamp"]) / 1000)
        await asyncio.sleep(0.05)
    return Step(task, result, None, None)
