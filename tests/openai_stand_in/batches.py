"""The Batch API: many requests in a file, run within a day, at half the price."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from tests.openai_stand_in import published, rules
from tests.openai_stand_in.embeddings import Embeddings
from tests.openai_stand_in.errors import ApiError, InvalidRequestError, not_found
from tests.openai_stand_in.exchange import Reply
from tests.openai_stand_in.files import Files, Kept, check_seconds
from tests.openai_stand_in.ledger import Buyer, Purchase
from tests.openai_stand_in.lines import BatchWay, Endpoint, Fates
from tests.openai_stand_in.world import DAY, HOUR, World

MOST_LINES: Final = 50_000
MOST_INPUTS: Final = 50_000
MOST_AN_HOUR: Final = 2_000
IN_FLIGHT: Final = 30.0
"""Seconds after a cancellation in which lines that had begun are still finished, and paid."""
KEYS: Final = ("custom_id", "method", "url", "body")
OPEN: Final = frozenset({"validating", "in_progress", "finalizing"})
TIMES: Final = (
    "in_progress_at",
    "finalizing_at",
    "completed_at",
    "failed_at",
    "expired_at",
    "cancelling_at",
    "cancelled_at",
)
EXPIRED: Final = {
    "code": "batch_expired",
    "message": "This request could not be executed before the completion window expired.",
}
CANCELLED: Final = {"code": "batch_cancelled", "message": "This request was not executed."}


@dataclass(slots=True)
class Line:
    """One request of a batch."""

    number: int
    """In its file, from 1."""
    custom_id: str
    body: dict[str, Any]
    done: dict[str, Any] | None = None
    """Its line in one of the files."""
    is_good: bool = False
    """Whether that is the output file."""
    is_missing: bool = False
    purchase: Purchase | None = None

    @property
    def is_done(self) -> bool:
        """Whether it has been run."""
        return self.done is not None or self.is_missing


@dataclass(slots=True)
class Job:
    """One batch."""

    name: str
    body: Mapping[str, Any]
    buyer: Buyer
    created: float
    content: bytes
    way: BatchWay
    status: str = "validating"
    lines: list[Line] = field(default_factory=list)
    times: dict[str, int] = field(default_factory=dict)
    errors: list[dict[str, Any]] = field(default_factory=list)
    output: Kept | None = None
    error: Kept | None = None

    @property
    def expires(self) -> float:
        """When its window is over."""
        return self.created + DAY

    @property
    def purchases(self) -> list[Purchase]:
        """What was bought."""
        return [line.purchase for line in self.lines if line.purchase is not None]


class Batches:
    """The endpoints."""

    def __init__(self, world: World, files: Files, endpoints: Mapping[str, Endpoint], fates: Fates) -> None:
        self._world, self._files, self._endpoints = world, files, endpoints
        self.fates = fates
        self._jobs: dict[str, Job] = {}

    def create(self, body: dict[str, Any], buyer: Buyer) -> Reply:
        """Take one on.

        Raises:
            ApiError: it is refused.
        """
        rules.check_metadata(body.get("metadata"))
        if body["endpoint"] not in self._endpoints:
            raise InvalidRequestError(
                f"This stand-in has no '{body['endpoint']}'.", "endpoint", "invalid_value"
            )
        if expiry := body.get("output_expires_after"):
            check_seconds(expiry["seconds"], "output_expires_after.seconds")
        file = self._files.find(body["input_file_id"], buyer)
        if file.purpose != "batch":
            raise InvalidRequestError("The file's purpose is not 'batch'.", "input_file_id", "invalid_value")
        now = self._world.now
        if sum(job.created > now - HOUR for job in self._jobs.values()) >= MOST_AN_HOUR:
            raise ApiError(429, "Too many batches.", code="rate_limit_exceeded", kind="rate_limit_error")
        way = self.fates.batch(len(self._jobs) + 1)
        job = Job(self._world.new_id("batch_"), body, buyer, now, file.content, way)
        self._jobs[job.name] = job
        self._world.at(now + self._drawn("validating", job), lambda: self._validate(job))
        return self._reply(job)

    def retrieve(self, name: str, buyer: Buyer) -> Reply:
        """Return one, in whatever status."""
        return self._reply(self._find(name, buyer))

    def cancel(self, name: str, buyer: Buyer) -> Reply:
        """Cancel one; what has been run is paid.

        Raises:
            ApiError: it is over, or not there.
        """
        job = self._find(name, buyer)
        if job.status not in OPEN | {"cancelling"}:
            raise ApiError(400, f"Cannot cancel a batch with status '{job.status}'.")
        if job.status != "cancelling":
            self._turn(job, "cancelling")
            self._world.at(self._world.now + self._drawn("cancelling", job), lambda: self._cancelled(job))
        return self._reply(job)

    def listed(self, buyer: Buyer) -> list[dict[str, Any]]:
        """Return all of a project, the newest first."""
        found = (job for job in reversed(self._jobs.values()) if job.buyer.project == buyer.project)
        return [self._object(job) for job in found]

    def sizes(self) -> list[int]:
        """Return how many lines each has, in the order of their making."""
        return [len(job.lines) for job in self._jobs.values()]

    def _find(self, name: str, buyer: Buyer) -> Job:
        job = self._jobs.get(name)
        if job is None or job.buyer.project != buyer.project:
            raise not_found("batch", name)
        return job

    def _drawn(self, what: str, job: Job) -> float:
        return self._world.draw(getattr(self._world.pace, what), what, job.name)

    def _turn(self, job: Job, status: str) -> None:
        job.status = status
        job.times[f"{status}_at"] = int(self._world.now)

    def _validate(self, job: Job) -> None:
        if job.status != "validating":
            return
        job.lines, errors = self._read(job)
        if errors:
            for one in errors:
                self._world.complain(f"batch line {one['line']}", ApiError(400, one["message"]))
        elif job.way == "over the limit":
            errors = [_error("token_limit_exceeded", "Enqueued token limit reached.", None)]
        if errors:
            job.errors, job.lines = errors[:100], []
            self._turn(job, "failed")
            return
        self._turn(job, "in_progress")
        self._schedule(job)

    def _schedule(self, job: Job) -> None:
        """Let each line be run at a time of its own, and the batch end after the last or with its day."""
        now = self._world.now
        dice = self._world.dice("lines", job.name)
        span = 2 * (job.expires - now) if job.way == "expires" else self._drawn("batch", job)
        last = now
        for line in job.lines:
            when = now + dice.uniform(0, span)
            last = max(last, when)
            if when < job.expires:
                self._world.at(when, partial(self._run, job, line))
        if last < job.expires:
            self._world.at(last, lambda: self._finalize(job))
        self._world.at(job.expires, lambda: self._expire(job))

    def _run(self, job: Job, line: Line) -> None:
        """Run one line as the endpoint runs a request."""
        cancelled = job.times.get("cancelling_at")
        is_over = job.status not in ("in_progress", "cancelling")
        if is_over or (cancelled is not None and self._world.now > cancelled + IN_FLIGHT):
            return
        way = self.fates.line(line.custom_id, self._world.nth("line", line.custom_id))
        match way:
            case "":
                status, body, line.purchase = self._answer(job, line)
                line.is_good = status == 200
                line.done = self._line(line, self._response(status, body))
            case "400" | "500":
                error = ApiError(
                    int(way), "No.", kind="server_error" if way == "500" else "invalid_request_error"
                )
                line.done = self._line(line, self._response(error.status, error.body()))
            case "null":
                line.done = self._line(line, error={"code": "server_error", "message": "It was not run."})
            case "zero":
                line.is_good = True
                line.done = self._line(line, {"status_code": 0, "request_id": "", "body": ""})
            case "missing":
                line.is_missing = True

    def _answer(self, job: Job, line: Line) -> tuple[int, dict[str, Any], Purchase | None]:
        endpoint = self._endpoints[job.body["endpoint"]]
        metadata = line.body.get("metadata") or job.buyer.metadata
        buyer = replace(job.buyer, metadata=metadata, custom_id=line.custom_id, batch_id=job.name)
        try:
            published.check_request(endpoint.kind, line.body)
            asked = endpoint.check(line.body, buyer)
            body, purchase = endpoint.answer(line.body, asked, self._world.fate(asked), buyer, "batch")
            published.check_answer(endpoint.answer_kind, body)
            return 200, body, purchase
        except InvalidRequestError as error:
            self._world.complain(f"batch line {line.custom_id}", error)
            return 400, error.body(), None
        except ApiError as error:
            return error.status, error.body(), None

    def _response(self, status: int, body: dict[str, Any]) -> dict[str, Any]:
        return {"status_code": status, "request_id": self._world.new_id("req_"), "body": body}

    def _line(
        self, line: Line, response: dict[str, Any] | None = None, error: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        name = self._world.new_id("batch_req_")
        return {"id": name, "custom_id": line.custom_id, "response": response, "error": error}

    def _finalize(self, job: Job) -> None:
        if job.status == "in_progress":
            self._turn(job, "finalizing")
            self._world.at(self._world.now + self._drawn("finalizing", job), lambda: self._complete(job))

    def _complete(self, job: Job) -> None:
        if job.status == "finalizing":
            self._write(job)
            self._turn(job, "completed")

    def _expire(self, job: Job) -> None:
        if job.status == "in_progress":
            for line in job.lines:
                if not line.is_done:
                    line.done = self._line(line, error=EXPIRED)
            self._write(job)
            self._turn(job, "expired")

    def _cancelled(self, job: Job) -> None:
        """Give what was done; whether the rest is named at all is not to be relied on."""
        if self._world.dice("names", job.name).random() < 0.5:
            for line in job.lines:
                if not line.is_done:
                    line.done = self._line(line, error=CANCELLED)
        self._write(job)
        self._turn(job, "cancelled")

    def _write(self, job: Job) -> None:
        """Write the files, in no order; one that would be empty does not exist."""
        lines = [line for line in job.lines if line.done is not None]
        self._world.dice("shuffled", job.name).shuffle(lines)
        job.output = self._file(job, "output", [line for line in lines if line.is_good])
        job.error = self._file(job, "error", [line for line in lines if not line.is_good])

    def _file(self, job: Job, what: str, lines: list[Line]) -> Kept | None:
        if not lines:
            return None
        content = "".join(json.dumps(line.done, ensure_ascii=False) + "\n" for line in lines).encode()
        expiry = job.body.get("output_expires_after") or {"seconds": 30 * DAY}
        bought = [line.purchase for line in lines if line.purchase is not None]
        name = f"{job.name}_{what}.jsonl"
        return self._files.keep(name, "batch_output", content, job.buyer.project, expiry["seconds"], bought)

    def _reply(self, job: Job) -> Reply:
        return Reply(self._object(job), kind="batch")

    def _object(self, job: Job) -> dict[str, Any]:
        completed = sum(line.is_good for line in job.lines)
        done = sum(line.is_done for line in job.lines)
        return {
            "id": job.name,
            "object": "batch",
            "endpoint": job.body["endpoint"],
            "model": job.lines[0].body.get("model") if job.lines else None,
            "errors": {"object": "list", "data": job.errors} if job.errors else None,
            "input_file_id": job.body["input_file_id"],
            "completion_window": job.body["completion_window"],
            "status": job.status,
            "output_file_id": job.output.name if job.output else None,
            "error_file_id": job.error.name if job.error else None,
            "created_at": int(job.created),
            "expires_at": int(job.expires),
            **{name: job.times.get(name) for name in TIMES},
            "request_counts": {"total": len(job.lines), "completed": completed, "failed": done - completed},
            "metadata": job.body.get("metadata"),
            "usage": _usage(job.purchases) if job.output else None,
        }

    def _read(self, job: Job) -> tuple[list[Line], list[dict[str, Any]]]:
        """Return the lines, and all that is wrong with them."""
        lines: list[Line] = []
        errors: list[dict[str, Any]] = []
        rows = [(number, row) for number, row in enumerate(job.content.split(b"\n"), 1) if row.strip()]
        if not rows:
            errors.append(_error("empty_file", "The input file is empty.", None))
        if len(rows) > MOST_LINES:
            errors.append(_error("too_many_requests", f"More than {MOST_LINES} requests.", None))
        for number, row in rows[:MOST_LINES]:
            try:
                entry = json.loads(row)
            except ValueError:
                errors.append(
                    _error("invalid_json_line", "This line is not parseable as valid JSON.", number)
                )
                continue
            wrong = list(_wrong(entry, job.body["endpoint"], number))
            errors += wrong
            if not wrong:
                lines.append(Line(number, entry["custom_id"], entry["body"]))
        errors += _wrong_together(lines)
        endpoint = self._endpoints[job.body["endpoint"]]
        if isinstance(endpoint, Embeddings) and sum(endpoint.count(one.body) for one in lines) > MOST_INPUTS:
            errors.append(_error("too_many_inputs", f"More than {MOST_INPUTS} inputs.", None))
        return lines, errors


def _wrong(entry: Any, endpoint: str, number: int) -> Iterator[dict[str, Any]]:
    """Return what is wrong with a line by itself."""
    if not isinstance(entry, dict):
        yield _error("invalid_json_line", "This line is no object.", number)
        return
    for name in sorted(set(KEYS) - entry.keys()):
        yield _error("missing_required_parameter", f"Missing required parameter: '{name}'.", number, name)
    for name in sorted(entry.keys() - set(KEYS)):
        yield _error("unknown_parameter", f"Unknown parameter: '{name}'.", number, name)
    if not isinstance(entry.get("custom_id", ""), str):
        yield _error("invalid_type", "The custom id is no string.", number, "custom_id")
    if not isinstance(entry.get("body", {}), dict):
        yield _error("invalid_type", "The body is no object.", number, "body")
    if entry.get("method", "POST") != "POST":
        yield _error("invalid_method", "The method is not POST.", number, "method")
    if entry.get("url", endpoint) != endpoint:
        yield _error("invalid_url", "The URL is not the endpoint of the batch.", number, "url")


def _wrong_together(lines: list[Line]) -> Iterator[dict[str, Any]]:
    seen: set[str] = set()
    for line in lines:
        if line.custom_id in seen:
            yield _error(
                "duplicate_custom_id", f"'{line.custom_id}' is there twice.", line.number, "custom_id"
            )
        seen.add(line.custom_id)
        if line.body.get("model") != lines[0].body.get("model"):
            yield _error("mismatched_model", "A batch has one model.", line.number, "body.model")


def _error(code: str, message: str, line: int | None, param: str | None = None) -> dict[str, Any]:
    return {"code": code, "message": message, "line": line, "param": param}


def _usage(purchases: list[Purchase]) -> dict[str, Any]:
    given = sum(purchase.input_tokens for purchase in purchases)
    made = sum(purchase.output_tokens for purchase in purchases)
    return {
        "input_tokens": given,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": given + made,
    }
