"""The demo's process: a customer's message is moderated and answered, and the answer gets a subject line."""

from __future__ import annotations

import json
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from openai_connector.tools.sandbox.asked import Asked
from openai_connector.tools.sandbox.story import COMPLETED, Step

DIAGRAM = Path(__file__).parents[1] / "demo" / "answer-customer.bpmn"
PROCESS_ID = "answer-customer"
JOB_TYPE = "openai-connector:1"
DEPLOY_TIMEOUT = 30.0
"""Seconds."""
RUN_TIMEOUT = 180.0
"""Seconds for one process instance: three API calls, and retries where they need them."""
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
class Run:
    """A process instance that came to its end on another cluster, which shows its result and nothing else."""

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
            Task(
                task.get("id", ""),
                task.get("name", ""),
                inputs["openai_operation"],
                headers["resultVariable"],
            )
        )
    return tuple(found)


async def deploy(gateway: Any) -> None:
    """Deploy the diagram through a gateway stub."""
    from pyzeebe.proto import gateway_pb2 as pb

    resource = pb.Resource(name=DIAGRAM.name, content=DIAGRAM.read_bytes())
    await gateway.DeployResource(pb.DeployResourceRequest(resources=[resource]), timeout=DEPLOY_TIMEOUT)


async def run(gateway: Any, variables: Mapping[str, Any]) -> Run:
    """Run the process once on another cluster, through a gateway stub on an asyncio channel.

    Args:
        gateway: the stub.
        variables: `message` (text), `model` and `maxTokens` (may be left out).

    Raises:
        ProcessError: the process did not end in time.
        grpc.aio.AioRpcError: the cluster cannot be used.
    """
    import grpc
    from pyzeebe.proto import gateway_pb2 as pb

    create = pb.CreateProcessInstanceRequest(
        bpmnProcessId=PROCESS_ID, version=-1, variables=json.dumps(variables)
    )
    request = pb.CreateProcessInstanceWithResultRequest(
        request=create, requestTimeout=round(RUN_TIMEOUT * 1000)
    )
    started = time.monotonic()
    try:
        answer = await gateway.CreateProcessInstanceWithResult(request, timeout=RUN_TIMEOUT)
    except grpc.aio.AioRpcError as error:
        if error.code() in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED):
            raise ProcessError(
                f"The process did not end within {RUN_TIMEOUT:.0f} s; Operate shows where it waits."
            ) from error
        raise
    seconds = time.monotonic() - started
    result = json.loads(answer.variables)
    done = [task for task in tasks() if task.result_variable in result]
    ending = "Answered" if len(done) == len(tasks()) else "Rejected"
    return Run(ending, [step_of(task, result[task.result_variable]) for task in done], seconds)


def step_of(task: Task, result: Mapping[str, Any]) -> Step:
    """Return what a task did, as far as its result shows it."""
    asked = Asked("POST", "/moderations")
    if task.operation != "moderation":
        history = result["output"]["chatHistory"]
        messages = history[:-1] if history[-1]["role"] == "assistant" else history
        asked = Asked("POST", "/chat/completions", {"messages": messages})
    variables = {task.result_variable: result}
    return Step(task.element_id, task.name, JOB_TYPE, None, COMPLETED, None, asked, variables)
