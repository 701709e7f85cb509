"""The state of the worker as data: `/status`, and what the page shows."""

from __future__ import annotations

import os
import socket
from itertools import islice
from typing import Any, Final

from openai_connector import __version__
from openai_connector.job import Job
from openai_connector.observe.events import BudgetState
from openai_connector.status import health
from openai_connector.status.board import Board, Failure, Waiting, Working
from openai_connector.status.history import costs, total
from openai_connector.status.parts import Parts, Stored

BATCH: Final = "batch"
SHOWN_JOBS: Final = 100
"""Jobs in work that are listed, the oldest first; the number of all is told."""
HOUR: Final = (60, 60)
DAY: Final = (24 * 60, 96)
"""Minutes, and in how many parts."""


def report(parts: Parts, board: Board) -> dict[str, Any]:
    """Return all that is shown."""
    is_ready, ready = health.ready(parts, board)
    hour, day = board.history.last(*HOUR), board.history.last(*DAY)
    store, waiting = parts.store, sorted(board.waiting(), key=lambda one: one[0].kind == BATCH)
    return {
        "version": __version__,
        "host": socket.gethostname(),
        "process": os.getpid(),
        "begun": board.begun.isoformat(timespec="seconds"),
        "at": board.at().isoformat(timespec="seconds"),
        "ready": is_ready,
        "down": ready["down"],
        "degraded": ready["degraded"],
        "types": [
            {
                "type": one.job_type,
                "connected": one.connected,
                "inWork": one.running,
                "slotsUsed": one.in_slots,
                "slots": one.max_jobs,
            }
            for one in parts.fetching
        ],
        "jobs": [_job(board, working) for working in islice(board.working.values(), SHOWN_JOBS)],
        "jobsInAll": len(board.working),
        "waiting": [_waiting(one, seconds) for one, seconds in waiting[:SHOWN_JOBS]],
        "waitingInAll": len(waiting),
        "batches": _batches(waiting),
        "limits": [
            {"host": key.host, "model": key.model, "seconds": round(key.seconds, 1)} for key in parts.held()
        ],
        "hostsDown": {host: round(seconds, 1) for host, seconds in board.down().items()},
        "store": None if store is None else _store(store, parts, board),
        "budgets": [_budget(budget) for budget in board.budgets],
        "failures": [_failure(failure) for failure in board.failures],
        "lastHour": {"inAll": total(hour), "cost": costs(hour), "minutes": hour},
        "lastDay": {"inAll": total(day), "cost": costs(day), "quarters": day},
    }


def _place(job: Job) -> dict[str, Any]:
    """Return where an operator finds a job; nothing of its variables."""
    return {
        "jobKey": job.key,
        "processInstanceKey": job.process_instance_key,
        "processId": job.bpmn_process_id,
        "elementId": job.element_id,
    }


def _job(board: Board, working: Working) -> dict[str, Any]:
    return {
        **_place(working.job),
        "type": working.job.type,
        "retries": working.job.retries,
        "state": working.state,
        "model": working.model,
        "seconds": round(board.age(working), 1),
    }


def _waiting(waiting: Waiting, seconds: float) -> dict[str, Any]:
    return {**_place(waiting.job), "kind": waiting.kind, "id": waiting.id, "seconds": round(seconds, 1)}


def _batches(waiting: list[tuple[Waiting, float]]) -> list[dict[str, Any]]:
    """Return the batches that jobs wait for, the oldest first."""
    jobs: dict[str, list[float]] = {}
    for one, seconds in waiting:
        if one.kind == BATCH:
            jobs.setdefault(one.id, []).append(seconds)
    oldest = sorted(jobs.items(), key=lambda item: -max(item[1]))[:SHOWN_JOBS]
    return [{"id": id_, "jobs": len(ages), "seconds": round(max(ages), 1)} for id_, ages in oldest]


def _store(store: Stored, parts: Parts, board: Board) -> dict[str, Any]:
    return {
        "works": store.is_healthy,
        "full": store.is_full,
        "required": parts.is_store_required,
        "problem": health.store_problem(parts, board),
        "answersReused": board.reused,
        "callsLost": board.lost,
        "answersNotStored": board.unkept,
    }


def _budget(budget: BudgetState) -> dict[str, Any]:
    return {
        "name": budget.name,
        "per": budget.per,
        "amount": float(budget.amount),
        "spent": float(budget.spent),
        "currency": budget.currency,
        "until": budget.until,
    }


def _failure(failure: Failure) -> dict[str, Any]:
    return {
        "at": failure.at.isoformat(timespec="seconds"),
        **_place(failure.job),
        "errorType": failure.kind,
        "errorCode": failure.code,
        "incident": failure.is_incident,
        "advice": failure.advice,
    }
