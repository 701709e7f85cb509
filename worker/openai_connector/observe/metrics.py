"""The worker's metrics, counted from events: the names that Camunda's users have, OpenTelemetry's, our own.

Labels hold names that diagrams give (model, template) and codes, never keys of jobs, values or contents.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from openai_connector import __version__
from openai_connector.contract import OPENAI_HOST, TEMPLATE_ID, TEMPLATE_VERSION
from openai_connector.job import BpmnError, Completed, Failed, Job, Outcome
from openai_connector.observe import events as e
from openai_connector.observe.series import Counter, Gauge, Histogram, Labels, Series, Sets, written

TOKENS: Final = tuple(4**power for power in range(14))
SECONDS: Final = (*(0.01 * 2**power for power in range(14)), 600.0, 3600.0, 7200.0, 28800.0, 86400.0)
"""The bounds that OpenTelemetry's conventions for generative AI advise; then those of answers that wait."""
JOB_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0, 600.0)
UNKNOWN: Final = "unknown"
"""Of a job without the header, as in Camunda's runtime."""
GEN_AI: Final = (
    "gen_ai_operation_name",
    "gen_ai_provider_name",
    "gen_ai_request_model",
    "server_address",
)
ASKER: Final = ("process", "element", "tenant", "gen_ai_request_model")
"""Who has asked, as totals in a store tell it."""
LABELS: Final = ("host", "code", "condition")
"""What diagrams and APIs choose."""
KEY_REFUSED: Final = ("401", "403")
NOT_DELIVERED: Final = ("undelivered", "refused")
"""These stand in the metrics from the start: an alert sees the first of them."""
MOST_SIDES: Final = 100
"""Of models at hosts, and of versions of templates; each of the first has two histograms."""

_Counted = Callable[[Any], None]


def action_of(job: Job, outcome: Outcome) -> str:
    """Return the name that Camunda's runtime counts an outcome under; `given-back` is our own."""
    match outcome:
        case Completed():
            return "completed"
        case BpmnError():
            return "bpmn-error"
        case Failed(retries=retries) if 0 < job.retries <= retries:
            return "given-back"
        case _:
            return "failed"


def provider_of(host: str) -> str:
    """Return the provider of a host by OpenTelemetry's names; `_OTHER` for a server of somebody's own."""
    name = host.partition(":")[0]
    if name == OPENAI_HOST or name.endswith(f".{OPENAI_HOST}"):
        return "openai"
    return "azure.ai.openai" if name.endswith(".openai.azure.com") else "_OTHER"


class Metrics:
    """Counts events; `written` writes what was counted."""

    def __init__(self) -> None:
        self._names = {label: Sets() for label in LABELS}
        self._declare_jobs()
        self._declare_calls()
        self._declare_budgets()
        self._declare_store()
        self._declare_process()
        self._counted: Mapping[type, _Counted] = self._on_jobs() | self._on_calls() | self._on_store()
        self._sides, self._templates = Sets(MOST_SIDES), Sets(MOST_SIDES)
        self._ends = Sets(3 * MOST_SIDES)
        self._askers = Sets(3 * MOST_SIDES)
        self._begin()

    def __call__(self, event: e.Event) -> None:
        """Count an event."""
        counted = self._counted.get(type(event))
        if counted is not None:
            counted(event)

    def serves(self, job_type: str) -> None:
        """Count the incidents of a type from zero on: an alert would not see the first ones otherwise."""
        self.incidents.add((job_type,), 0)

    def _begin(self) -> None:
        for code in KEY_REFUSED:
            self.failed.add(("ApiStatusError", *self._names["code"].of((code,))), 0)
        for delivery in NOT_DELIVERED:
            self.reports.add((delivery,), 0)

    def all(self) -> list[Series]:
        """Return all metrics, in the order in which they are written."""
        return [value for value in vars(self).values() if isinstance(value, Series)]

    def written(self) -> str:
        """Return what Prometheus reads."""
        self.cpu.set(time.process_time())
        self.memory.set(_resident_bytes())
        return written(self.all())

    def _declare_jobs(self) -> None:
        of_job = ("action", "type", TEMPLATE_ID, TEMPLATE_VERSION)
        self.invocations = Counter(
            "camunda_connector_outbound_invocations_total",
            "Jobs by what became of them: activated; completed, failed, bpmn-error and given-back (the job "
            "comes again and lost no retry) as the engine has acknowledged it.",
            of_job,
        )
        self.job_seconds = Histogram(
            "camunda_connector_outbound_execution_time_seconds",
            "From a job's arrival until the engine was told what became of it.",
            JOB_SECONDS,
            ("type",),
        )
        self.incidents = Counter(
            "openai_connector_incidents_total", "Jobs failed without retries left.", ("type",)
        )
        self.reports = Counter(
            "openai_connector_reports_total",
            "Outcomes by what became of telling the engine: done, gone, undelivered, ...",
            ("delivery",),
        )
        self.gone = Counter(
            "openai_connector_jobs_gone_total",
            "Jobs that the engine had no more while they were worked on: nothing was reported.",
        )
        self._declare_engine()

    def _declare_engine(self) -> None:
        self.slots = Gauge("openai_connector_slots", "Slots.", ("type",))
        self.slots_used = Gauge("openai_connector_slots_used", "Slots that jobs take now.", ("type",))
        self.in_work = Gauge(
            "openai_connector_jobs_in_work",
            "Jobs that are worked on now, those that wait for a batch without a slot included.",
            ("type",),
        )
        self.connected = Gauge(
            "openai_connector_engine_connected", "1: the engine answered when it was asked last.", ("type",)
        )
        self.polls = Counter(
            "openai_connector_polls_total",
            "Polls by what they brought: jobs, none, failed.",
            ("type", "result"),
        )
        self.leases = Counter(
            "openai_connector_lease_prolongations_total",
            "Prolongations of leases by what became of them: done, gone, lease lost, undelivered, refused.",
            ("delivery",),
        )

    def _declare_calls(self) -> None:
        self.call_seconds = Histogram(
            "gen_ai_client_operation_duration_seconds",
            "Calls to the API by how long they took (OpenTelemetry: gen_ai.client.operation.duration), an "
            "answer that can wait from its purchase until it was fetched. "
            "error_type: the status, or what was in its place; empty for an answer.",
            SECONDS,
            (*GEN_AI, "error_type"),
        )
        self.tokens = Histogram(
            "gen_ai_client_token_usage",
            "Tokens an answer (OpenTelemetry: gen_ai.client.token.usage), input and output.",
            TOKENS,
            (*GEN_AI, "gen_ai_token_type"),
        )
        self.cost = Counter(
            "openai_connector_cost_total",
            "What answers cost, once each, as far as their prices are known. tier: how they were served: "
            "standard, 2h, 8h, batch, flex, priority.",
            (*GEN_AI, "tier", "currency"),
        )
        self.unpriced = Counter(
            "openai_connector_answers_unpriced_total",
            "Answers whose cost is not known: they are no part of the total.",
            GEN_AI,
        )
        self.process_tokens = Counter(
            "openai_connector_process_tokens_total",
            "Tokens of answers by who asked, input and output. process: the BPMN process id.",
            (*ASKER, "gen_ai_token_type"),
        )
        self.process_cost = Counter(
            "openai_connector_process_cost_total",
            "What answers cost by who asked, once each, as far as their prices are known.",
            (*ASKER, "currency"),
        )
        self._declare_trouble()

    def _declare_trouble(self) -> None:
        self.under_way = Gauge("openai_connector_calls_under_way", "Calls sent and not answered yet.")
        self.failed = Counter(
            "openai_connector_calls_failed_total",
            "Jobs without an answer: their inputs, a secret, the API or the network are to blame.",
            ("error_type", "error_code"),
        )
        self.unexpected = Counter(
            "openai_connector_answers_unexpected_total", "Answers other than asked for.", ("condition",)
        )
        self.held_back = Counter(
            "openai_connector_held_back_total",
            "Jobs given back before a call: limit, host, share, payload, midCall, store.",
            ("reason",),
        )
        self.cut = Counter(
            "openai_connector_calls_cut_total",
            "Calls cut off, possibly paid: the worker stopped or the job ended.",
        )
        self.hosts_down = Gauge(
            "openai_connector_host_down", "1: the host has failed several jobs in a row.", ("server_address",)
        )
        self.awaited = Counter(
            "openai_connector_waits_total",
            "How often jobs went back to the engine because their answer was still being made.",
        )
        self.waiting = Gauge(
            "openai_connector_calls_waiting",
            "Calls whose answer the API still makes, by what it makes: response, batch. Those that this "
            "worker has seen in the last hour.",
            ("kind",),
        )
        self.fetched = Counter(
            "openai_connector_answers_fetched_total", "Answers made meanwhile, and fetched."
        )
        self.abandoned = Counter(
            "openai_connector_calls_abandoned_total",
            "Answers cancelled because nobody waits for them any more.",
        )
        self.batches = Counter("openai_connector_batches_total", "Batches submitted.")
        self.not_removed = Counter(
            "openai_connector_not_removed_total",
            "Answers and files that could not be deleted at the API; those of batches expire by themselves.",
        )
        self.nulls = Counter("openai_connector_nulls_total", "Nulls found in results of expressions.")

    def _declare_budgets(self) -> None:
        of_budget = ("budget", "currency")
        self.budget_amount = Gauge(
            "openai_connector_budget_amount", "What may be spent in the present period.", of_budget
        )
        self.budget_spent = Gauge(
            "openai_connector_budget_spent",
            "What is spent and reserved in the present period: with a store by all its workers.",
            of_budget,
        )
        self.budget_exceeded = Counter(
            "openai_connector_budget_exceeded_total",
            "Calls that were not made because they did not fit into a budget.",
            ("budget",),
        )

    def _budgets_read(self, event: e.BudgetsRead) -> None:
        self.budget_amount.values.clear()  # a budget that is no more in the file goes
        self.budget_spent.values.clear()
        for budget in event.budgets:
            labels = (budget.name, budget.currency)
            self.budget_amount.set(float(budget.amount), labels)
            self.budget_spent.set(float(budget.spent), labels)

    def _declare_store(self) -> None:
        self.reused = Counter(
            "openai_connector_answers_reused_total", "Answers taken from the store instead of bought again."
        )
        self.lost = Counter(
            "openai_connector_calls_lost_total",
            "Calls of workers that ended in mid-call: possibly paid and lost, made again.",
        )
        self.unkept = Counter(
            "openai_connector_answers_not_stored_total", "Paid answers that the store did not take."
        )
        self.store_healthy = Gauge(
            "openai_connector_store_healthy", "1: the store works; no sample without one."
        )
        self.store_full = Gauge(
            "openai_connector_store_full", "1: the store takes no more answers; no sample without one."
        )
        self.store_healthy.values.clear()
        self.store_full.values.clear()
        self.purged = Counter(
            "openai_connector_store_purged_total", "Stored answers removed, too old and never acknowledged."
        )
        self.damaged = Counter(
            "openai_connector_store_damaged_total",
            "Files of the store that were damaged, and set aside: answers in them may be lost.",
        )
        self.unreadable = Counter(
            "openai_connector_store_unreadable_total", "Stored entries that could not be read."
        )

    def _declare_process(self) -> None:
        self.info = Gauge("openai_connector_info", "The worker's version.", ("version",))
        self.info.set(1, (__version__,))
        self.started = Gauge("process_start_time_seconds", "When the worker was started, in Unix time.")
        self.started.set(round(time.time(), 3))
        self.cpu = Counter("process_cpu_seconds_total", "CPU time of the worker.")
        self.memory = Gauge("process_resident_memory_bytes", "Memory of the worker.")

    # What each event counts

    def _on_jobs(self) -> dict[type, _Counted]:
        return {
            e.JobStarted: lambda event: self.invocations.add(self._of_job("activated", event.job)),
            e.JobEnded: self._job_ended,
            e.JobGone: lambda _: self.gone.add(),
            e.NullFound: lambda _: self.nulls.add(),
            e.Polled: lambda event: self.polls.add((event.job_type, "jobs" if event.jobs else "none")),
            e.PollFailed: lambda event: self.polls.add((event.job_type, "failed")),
            e.LeaseAsked: lambda event: self.leases.add((event.delivery,)),
        }

    def _on_calls(self) -> dict[type, _Counted]:
        return {
            e.CallSent: lambda _: self.under_way.add(),
            e.AnswerReceived: self._answered,
            e.CallUnanswered: self._unanswered,
            e.CallCut: self._cut,
            e.CallFailed: lambda event: self.failed.add((event.kind, *self._names["code"].of((event.code,)))),
            e.AnswerUnexpected: lambda event: self.unexpected.add(
                self._names["condition"].of((event.condition,))
            ),
            e.HeldBack: lambda event: self.held_back.add((event.kind,)),
            e.BudgetExceeded: lambda event: self.budget_exceeded.add((event.budget,)),
            e.BudgetsRead: self._budgets_read,
            e.AnswerAwaited: lambda _: self.awaited.add(),
            e.AnswerFetched: self._fetched,
            e.CallAbandoned: lambda _: self.abandoned.add(),
            e.BatchSubmitted: lambda _: self.batches.add(),
            e.BatchOver: lambda event: self.not_removed.add(amount=bool(event.trouble)),
            e.NotRemoved: lambda event: self.not_removed.add(amount=not event.is_tried_again),
            e.HostLost: lambda event: self.hosts_down.set(1, self._names["host"].of((event.host,))),
            e.HostFound: lambda event: self.hosts_down.set(0, self._names["host"].of((event.host,))),
        }

    def _on_store(self) -> dict[type, _Counted]:
        return {
            e.AnswerReused: lambda _: self.reused.add(),
            e.CallLost: lambda _: self.lost.add(),
            e.AnswerUnkept: lambda _: self.unkept.add(),
            e.StorePurged: lambda event: self.purged.add(amount=event.count),
            e.StoreDamaged: lambda _: self.damaged.add(),
            e.EntryUnreadable: lambda _: self.unreadable.add(),
        }

    def _of_job(self, action: str, job: Job) -> Labels:
        headers = job.headers
        template = self._templates.of(
            (headers.get(TEMPLATE_ID) or UNKNOWN, headers.get(TEMPLATE_VERSION) or UNKNOWN)
        )
        return (action, job.type, *template)

    def _job_ended(self, event: e.JobEnded) -> None:
        self.reports.add((event.delivery,))
        if event.delivery != e.DONE:
            return
        self.invocations.add(self._of_job(action_of(event.job, event.outcome), event.job))
        self.job_seconds.observe(event.seconds, (event.job.type,))
        if isinstance(event.outcome, Failed) and not event.outcome.retries:
            self.incidents.add((event.job.type,))

    def _answered(self, event: e.AnswerReceived) -> None:
        if event.is_pending:  # it counts when it is fetched
            self.under_way.add(amount=-1)
            return
        self._ended(event.call, event.seconds, "" if event.status < 400 else str(event.status))
        self._bought(event)

    def _fetched(self, event: e.AnswerFetched) -> None:
        self.fetched.add()
        if not event.is_again:
            self._timed(event.call, event.seconds, "" if event.status < 400 else str(event.status))
            self._bought(event)

    def _bought(self, event: e.AnswerReceived | e.AnswerFetched) -> None:
        side, spent, job = self._side(event.call), event.spent, event.job
        asker = self._askers.of((job.bpmn_process_id, job.element_id, job.tenant_id, event.call.model))
        for kind, tokens in (("input", event.tokens_in), ("output", event.tokens_out)):
            if tokens is not None:
                self.tokens.observe(tokens, (*side, kind))
                self.process_tokens.add((*asker, kind), tokens)
        if spent.amount is not None:
            self.cost.add((*side, spent.tier, spent.currency), float(spent.amount))
            self.process_cost.add((*asker, spent.currency), float(spent.amount))
        elif spent.reason:
            self.unpriced.add(side)

    def _unanswered(self, event: e.CallUnanswered) -> None:
        self._ended(event.call, event.seconds, event.kind)

    def _cut(self, event: e.CallCut) -> None:
        self.cut.add()
        self._ended(event.call, event.seconds, "cut")

    def _ended(self, call: e.Call, seconds: float, error: str) -> None:
        self.under_way.add(amount=-1)
        self._timed(call, seconds, error)

    def _timed(self, call: e.Call, seconds: float, error: str) -> None:
        self.call_seconds.observe(seconds, self._ends.of((*self._side(call), error)))

    def _side(self, call: e.Call) -> Labels:
        operation, model, host = self._sides.of((call.operation, call.model, call.host))
        return (operation, provider_of(host), model, host)


def _resident_bytes() -> int:
    """Return the memory of this process; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
