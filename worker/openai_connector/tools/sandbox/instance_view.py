"""One process instance for the page: where it stands, what it waits for, its incidents, and the variables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from openai_connector.tools.sandbox.mending import named_in
from openai_connector.tools.sandbox.past import ACTIVE, Counts, Happened, Past

if TYPE_CHECKING:
    from local_engine.engine import Engine
    from local_engine.state import ElementInstance, Job
    from openai_connector.tools.sandbox.history import History

Json = dict[str, Any]

LONGEST_TEXT: Final = 4_000
"""Characters of a variable that are sent at first; the rest is asked for."""
MOST_SCOPES: Final = 100
MOST_WAITS: Final = 200
MOST_VISITED: Final = 20_000
"""Element instances of one process instance that are looked through."""

ADVICE: Final = {
    "JOB_NO_RETRIES": "Do what the message says: set the variables that the task needs, then retry.",
    "UNHANDLED_ERROR_EVENT": "No event in the diagram catches this error. A retry does the task once more.",
    "EXTRACT_VALUE_ERROR": "Set the variables that the expression needs, then retry. An expression itself is "
    "corrected in the diagram, for new instances.",
    "CONDITION_ERROR": "Set the variables that the conditions read, so that one of them is true, then retry.",
    "IO_MAPPING_ERROR": "Set the variables that the mapping reads, then retry. A mapping itself is corrected "
    "in the diagram, for new instances.",
    "CALLED_ELEMENT_ERROR": "Deploy the process that is called, then retry.",
    "MESSAGE_SIZE_EXCEEDED": "Make the variables smaller, then retry.",
}


def name_of(engine: Engine, process_key: int, element_id: str) -> str:
    """Return the name of an element; its id where it has none."""
    process = engine.processes.get(process_key)
    element = process.elements.get(element_id) if process is not None else None
    return (element.name if element is not None else "") or element_id


def incidents_below(engine: Engine) -> dict[int, set[str]]:
    """Return the process instances that called one with an incident, each with its call activities."""
    below: dict[int, set[str]] = {}
    instances = engine.state.instances
    for root_key in {instances[incident.instance].root for incident in engine.state.incidents.values()}:
        root = instances[root_key]
        while root.caller and (caller := instances.get(root.caller)) is not None:
            below.setdefault(caller.root, set()).add(caller.element)
            root = instances[caller.root]
    return below


def describe(engine: Engine, history: History, past: Past) -> Json:
    """Return all that is known of a process instance."""
    root = engine.state.instances.get(past.key)
    visited = [*_visit(engine, root)] if root is not None else []
    process = engine.processes.get(past.process)
    jobs = [job for each in visited if (job := engine.state.jobs.get(each.job)) is not None]
    scopes = [*_scopes(engine, past, visited)]
    return {
        "key": str(past.key),
        "process": str(past.process),
        "processId": past.process_id,
        "name": (process.name if process is not None else "") or past.process_id,
        "version": past.version,
        "state": past.state,
        "started": past.started,
        "ended": past.ended,
        "caller": _caller(history, past),
        "called": _called(engine, history, past),
        "elements": _elements(engine, past),
        "flows": past.flows,
        "names": {
            element: name_of(engine, past.process, element) for element in parents_of(engine, past.process)
        },
        "parents": parents_of(engine, past.process),
        "incidents": [_incident(engine, past, each) for each in _in_order(past.incidents.values())],
        "scopes": scopes[:MOST_SCOPES],
        "moreScopes": max(len(scopes) - MOST_SCOPES, 0),
        "jobs": [_job(engine, job) for job in jobs[:MOST_WAITS]],
        "moreJobs": max(len(jobs) - MOST_WAITS, 0),
        "waits": [*_waits(engine, visited)][:MOST_WAITS],
    }


def _visit(engine: Engine, root: ElementInstance) -> Iterator[ElementInstance]:
    """Yield a process instance and all that runs in it, outer ones first."""
    waiting = [root]
    for _ in range(MOST_VISITED):
        if not waiting:
            return
        instance = waiting.pop()
        yield instance
        waiting += [engine.state.instances[key] for key in reversed(instance.kids)]


def parents_of(engine: Engine, process_key: int) -> dict[str, str]:
    """Return the element around each element: where it is shown if it is in no picture itself."""
    process = engine.processes.get(process_key)
    if process is None:
        return {}
    return {
        element.id: element.scope.id
        if element.scope is not None and element.scope is not process.root
        else ""
        for element in process.elements.values()
        if element is not process.root
    }


def _elements(engine: Engine, past: Past) -> dict[str, Json]:
    standing = past.active() if past.state == ACTIVE else {}
    below = incidents_below(engine).get(past.key, set())
    incidents: dict[str, int] = {}
    for incident in past.open_incidents:
        incidents[incident.element] = incidents.get(incident.element, 0) + 1
    described: dict[str, Json] = {}
    for element in {**past.bodies, **past.elements, **incidents}:
        rounds = past.elements.get(element, Counts())
        body = past.bodies.get(element, Counts())
        described[element] = {
            "active": standing.get(element, 0),
            "completed": rounds.completed or body.completed,
            "terminated": rounds.terminated or body.terminated,
            "incidents": incidents.get(element, 0),
            "below": element in below,
        }
    return described


def _caller(history: History, past: Past) -> Json | None:
    caller = history.get(past.parent)
    if not past.parent:
        return None
    return {"key": str(past.parent), "processId": caller.process_id if caller is not None else ""}


def _called(engine: Engine, history: History, past: Past) -> list[Json]:
    found = [each for each in history.instances.values() if each.parent == past.key]
    below = incidents_below(engine)
    return [
        {
            "key": str(each.key),
            "processId": each.process_id,
            "name": getattr(engine.processes.get(each.process), "name", "") or each.process_id,
            "state": each.state,
            "incidents": len(each.open_incidents) + (each.key in below),
        }
        for each in found[-MOST_WAITS:]
    ]


def _in_order(incidents: Iterable[Happened]) -> list[Happened]:
    """Return the open ones first, of each kind the newest first."""
    return sorted(incidents, key=lambda each: (bool(each.resolved), -each.key))


def _incident(engine: Engine, past: Past, happened: Happened) -> Json:
    job = engine.state.jobs.get(happened.job)
    return {
        "key": str(happened.key),
        "type": happened.type,
        "message": happened.message,
        "element": happened.element,
        "name": name_of(engine, past.process, happened.element),
        "scope": str(happened.scope),
        "job": str(happened.job) if happened.job else "",
        "jobType": job.type if job is not None else "",
        "created": happened.created,
        "resolved": happened.resolved,
        "variables": named_in(happened.message),
        "advice": ADVICE.get(happened.type, "Mend the cause, then retry."),
    }


# Variables


def _scopes(engine: Engine, past: Past, visited: list[ElementInstance]) -> Iterator[Json]:
    """Yield the scopes that have variables, and those at which somebody may want to set one."""
    if not visited:
        yield {
            "key": str(past.key),
            "element": "",
            "name": "Process",
            "depth": 0,
            "live": False,
            "variables": [
                _variable(name, text, is_cut) for name, (text, is_cut) in sorted(past.variables.items())
            ],
        }
    depths: dict[int, int] = {}
    for instance in visited:
        depth = depths[instance.key] = depths.get(instance.parent, -1) + 1
        if instance.parent and not instance.variables and not instance.job and not instance.incidents:
            continue
        name = name_of(engine, past.process, instance.element) if instance.parent else "Process"
        if instance.is_round:
            name += f" (round {instance.index + 1})"
        yield {
            "key": str(instance.key),
            "element": instance.element if instance.parent else "",
            "name": name,
            "depth": depth,
            "live": True,
            "variables": [
                _variable(key, each.text, False) for key, each in sorted(instance.variables.items())
            ],
        }


def _variable(name: str, text: str, is_cut: bool) -> Json:
    """Return a variable; a long one is folded (the page asks for the rest), one that is cut has no rest."""
    is_folded = len(text) > LONGEST_TEXT
    return {
        "name": name,
        "text": text[:LONGEST_TEXT] if is_folded else text,
        "size": len(text),
        "folded": is_folded,
        "cut": is_cut,
    }


# What it waits for


def _job(engine: Engine, job: Job) -> Json:
    return {
        "key": str(job.key),
        "type": job.type,
        "retries": job.retries,
        "worker": job.worker,
        "deadline": job.deadline,
        "state": job.state,
        "element": job.element,
        "name": name_of(engine, job.process, job.element),
        "message": job.message,
    }


def _waits(engine: Engine, visited: list[ElementInstance]) -> Iterator[Json]:
    """Yield the timers and messages that are waited for."""
    state = engine.state
    for instance in visited:
        for key in instance.waits:
            timer, subscription = state.timers.get(key), state.subscriptions.get(key)
            if timer is not None:
                yield _wait(engine, instance, timer.target, kind="timer", due=timer.due)
            elif subscription is not None:
                yield _wait(
                    engine,
                    instance,
                    subscription.target,
                    kind="message",
                    message=subscription.name,
                    correlationKey=subscription.correlation_key,
                )


def _wait(engine: Engine, instance: ElementInstance, target: str, **what: Any) -> Json:
    return {
        "element": target,
        "name": name_of(engine, instance.process, target),
        "at": instance.element if instance.parent else "",
        **what,
    }
