"""What became of a process instance, for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from openai_connector.tools.sandbox import story as told
from openai_connector.tools.sandbox.asked import lines_of
from openai_connector.tools.sandbox.terminal import Terminal, shortened

if TYPE_CHECKING:
    from openai_connector.tools.sandbox.story import Step, Story, Trouble
    from openai_connector.tools.sandbox.trial import Outcome

_RESPONSE = {"status", "headers", "body", "output"}
ADVICE = {
    "CALLED_ELEMENT_ERROR": "give the called process's diagram on the command line too",
    "CONDITION_ERROR": "give the gateway a default flow, or a condition that is true here",
    "EXTRACT_VALUE_ERROR": "correct the expression, or give the variables that it needs (--variables)",
    "IO_MAPPING_ERROR": "correct the mapping, or give the variables that it needs (--variables)",
    "UNHANDLED_ERROR_EVENT": "catch the error with a boundary event of that code, or do not throw it",
    "MESSAGE_SIZE_EXCEEDED": "map less of the result",
}
"""What to do about an incident, by its type."""
JOB_ADVICE = "do what the message says, in the diagram or in the variables, then try again"


def show_step(terminal: Terminal, step: Step) -> None:
    """Show one attempt at a job: what was asked, what came of it."""
    job = "" if step.job_key is None else f"job {step.job_key}"
    if job and step.seconds is not None:
        job += f", {step.seconds:.2f} s"
    terminal.say_parts((f"   {step.name}", "cyan"), (f"  {job}", "dim"))
    if step.asked is not None:
        for name, value in lines_of(step.asked):
            terminal.say_value(name, value)
    elif step.job_key is not None:
        terminal.say_value("job type", step.job_type)
    if step.is_answered:
        terminal.say_value("answered", "by --job; nobody else was asked")
    if step.outcome == told.COMPLETED:
        for name, value in step.variables.items():
            for line in value_lines(name, value):
                terminal.say_value(*line)
    else:
        terminal.say_value(_outcome(step), step.message)


def advice_of(incident: Trouble) -> str:
    """Return what to do about an incident; the messages of this connector's jobs say it themselves."""
    return ADVICE.get(incident.type, JOB_ADVICE)


def _outcome(step: Step) -> str:
    if step.outcome == told.ERROR_THROWN:
        return f"BPMN error {step.error_code}"
    if step.outcome == told.FAILED:
        return f"failed, {step.retries} retries left" if step.retries else "failed, incident"
    return step.outcome


def value_lines(name: str, value: Any) -> list[tuple[str, str]]:
    """Return the lines of a variable; of an API response its most useful parts, named as in a diagram."""
    if not isinstance(value, Mapping) or set(value) != _RESPONSE or not isinstance(value["output"], Mapping):
        return [(name, shortened(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)))]
    output = value["output"]
    lines = [(f"{name}.status", str(value["status"]))]
    if isinstance(output.get("categoryScores"), Mapping):
        lines += _moderation_lines(output)
    else:
        usage = output.get("usage") or {}
        tokens = f"{usage.get('prompt_tokens', '?')} tokens in, {usage.get('completion_tokens', '?')} out"
        lines += [
            ("  .output.text", shortened(output.get("text") or output.get("refusal"))),
            ("  .output.finishReason", str(output.get("finishReason"))),
            ("  .output.usage", tokens),
        ]
    match output.get("cost"):
        case {"amount": int() | float() as amount, "currency": str(currency)}:
            lines.append(("  .output.cost", f"{Decimal(repr(amount)):f} {currency}"))
    return lines


def _moderation_lines(output: Mapping[str, Any]) -> list[tuple[str, str]]:
    lines = [
        ("  .output.flagged", "true" if output["flagged"] else "false"),
        ("  .flaggedCategories", ", ".join(output["flaggedCategories"]) or "none"),
    ]
    if output["categoryScores"]:
        category, score = max(output["categoryScores"].items(), key=lambda item: float(item[1]))
        lines.append(("  .categoryScores", f"{category} {score:.3f} (the highest)"))
    return lines


def show_outcome(terminal: Terminal, outcome: Outcome) -> None:
    """Show how an instance has ended, or why it cannot go on; then its path and its variables."""
    seconds = f"{outcome.seconds:.1f} s"
    if outcome.status == "completed":
        ending = ", ".join(visit.name for visit in outcome.story.endings) or "its end"
        terminal.say_parts(("   Ended at ", "green"), (ending, "bold"), (f" after {seconds}", "green"))
    else:
        terminal.say(f"   {_HEADLINES[outcome.status].format(seconds)}", "red")
    for incident in outcome.incidents:
        where = (
            f"{incident.name!r} ({incident.element_id})"
            if incident.name != incident.element_id
            else incident.name
        )
        terminal.say_value("incident", f"at {where}: {incident.message}")
        terminal.say_value("what to do", advice_of(incident))
    for reason in outcome.reasons if outcome.status != "completed" else ():
        terminal.say_value(reason.kind, reason.message)
        terminal.say_value("what to do", reason.advice)
    terminal.say()
    terminal.say_value("path", path_of(outcome.story))
    terminal.say("   Variables", "bold")
    for name, value in outcome.variables.items():
        for line in value_lines(name, value):
            terminal.say_value(*line)
    if not outcome.variables:
        terminal.say_value("none", "")


_HEADLINES = {
    "terminated": "Terminated after {}",
    "incident": "Stopped at an incident after {}",
    "waiting": "Stopped after {}: what it waits for does not come",
    "timeout": "Stopped by --timeout after {}: raise it, if this is not for ever",
}


def path_of(story: Story) -> str:
    """Return the elements in the order in which they were entered."""
    return " > ".join(visit.element_id for visit in story.path)


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Return the outcome as one document for scripts."""
    story = outcome.story
    return {
        "status": outcome.status,
        "processInstanceKey": story.root,
        "endEvents": [visit.element_id for visit in story.endings],
        "path": [visit.element_id for visit in story.path],
        "flows": story.flows,
        "steps": [_step(step) for step in story.steps],
        "incidents": [
            {
                "type": incident.type,
                "message": incident.message,
                "element": incident.element_id,
                "process": incident.process_id,
                "advice": advice_of(incident),
            }
            for incident in outcome.incidents
        ],
        "waitingFor": [
            {
                "kind": reason.kind,
                "element": reason.element_id,
                "message": reason.message,
                "advice": reason.advice,
            }
            for reason in outcome.reasons
        ],
        "variables": outcome.variables,
        "seconds": round(outcome.seconds, 3),
    }


def _step(step: Step) -> dict[str, Any]:
    asked = step.asked
    request = None if asked is None else {"method": asked.method, "path": asked.path, "body": asked.body}
    return {
        "element": step.element_id,
        "name": step.name,
        "type": step.job_type,
        "outcome": step.outcome,
        "seconds": step.seconds,
        "request": request,
        "variables": step.variables,
        "retries": step.retries,
        "message": step.message or None,
        "errorCode": step.error_code or None,
        "answeredByOption": step.is_answered,
    }
