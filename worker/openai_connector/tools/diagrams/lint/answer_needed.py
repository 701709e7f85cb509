"""Rules for the time at which an answer is needed: what it goes with, and what a timeout means then."""

from __future__ import annotations

from collections.abc import Iterator

from openai_connector.contract import ANSWER_NEEDED, BASE_URL, TIMEOUT
from openai_connector.tasks.allowed_hosts import is_openai
from openai_connector.tasks.openai_task import OpenAiTask
from openai_connector.tasks.operations.chat import NEEDED
from openai_connector.tasks.task_type import AnswerNeeded
from openai_connector.tools.diagrams.lint.subject import Finding, Subject

_LATER = (AnswerNeeded.WITHIN_2H, AnswerNeeded.WITHIN_8H, AnswerNeeded.WITHIN_A_DAY)


def check(subject: Subject, task: OpenAiTask, unknown: frozenset[str]) -> Iterator[Finding]:
    """Check what a task that does not need its answer now says besides.

    Args:
        subject: the task.
        task: the same, as the worker reads it.
        unknown: inputs whose value only the process knows.
    """
    needed = task.operation.needed
    if ANSWER_NEEDED.name in unknown or needed is AnswerNeeded.NOW:
        return
    chosen = NEEDED[needed.value]
    if needed in _LATER and subject.sources.get(TIMEOUT.name, "").strip():
        message = (
            f"{TIMEOUT.label} limits each request alone, not the wait for an answer that is needed "
            f"'{chosen}': empty it"
        )
        yield Finding("answer-needed", "warning", message, subject.line_of(TIMEOUT.name))
    if subject.sources.get(BASE_URL.name, "").strip() and not is_openai(task.request.url):
        message = (
            f"{ANSWER_NEEDED.label} '{chosen}' is something that OpenAI offers, and few other servers do: "
            f"see whether that of {BASE_URL.label} does, or choose Now"
        )
        yield Finding("answer-needed", "warning", message, subject.line_of(ANSWER_NEEDED.name))
