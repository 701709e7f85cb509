"""`openai-connector try`: one process instance, step by step, to its end or to what stops it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openai_connector.duration import parse_duration
from openai_connector.tools.sandbox import api, diagrams, report, signals
from openai_connector.tools.sandbox.given import Answers, WrongUseError, json_object
from openai_connector.tools.sandbox.terminal import Terminal

if TYPE_CHECKING:
    from openai_connector.tools.sandbox.trial import Outcome

DEFAULT_TIMEOUT = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Given:
    """What is to be tried, read and checked."""

    found: diagrams.Diagrams
    process_id: str
    variables: dict[str, Any]
    answers: Answers
    timeout: timedelta


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `openai-connector try`."""
    parser.description = (
        "Run one instance of a process to its end on an engine of our own in this process, and show\n"
        "each step: job, request, result variables, path taken. The worker's settings and secrets come\n"
        "from the environment, as for `run`; without OPENAI_API_KEY, SECRET_OPENAI_API_KEY and\n"
        "OPENAI_BASE_URL a small model on this machine answers."
    )
    parser.epilog = """\
examples:
  openai-connector try order.bpmn --variables '{"message": "Where is my parcel?"}'
  openai-connector try order.bpmn pay.bpmn --variables @order.json --job pay='{"paid": true}' --json

exit status: 0 ended, 1 stopped (an incident, or something that does not come: the message says what to do),
2 nothing was run (wrong use, a diagram that the engine refuses)."""
    _add_run(parser)
    api.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document, and nothing else")


def _add_run(parser: argparse.ArgumentParser) -> None:
    """Add what is run, and with what."""
    parser.add_argument(
        "diagrams",
        type=Path,
        nargs="+",
        metavar="DIAGRAM.bpmn",
        help="the first is run; others may be called by it",
    )
    parser.add_argument(
        "--variables", default="{}", metavar="JSON|@FILE", help="to start with; @- is standard input"
    )
    parser.add_argument("--process", metavar="ID", help="which process, where the first diagram has several")
    parser.add_argument(
        "--job",
        action="append",
        default=[],
        metavar="TYPE=JSON|TYPE=@FILE",
        help="complete jobs of this type with these variables; given again, the next job of the type gets "
        "the next. Works for this connector's own type too: nothing is asked then",
    )
    parser.add_argument(
        "--timeout",
        type=_timeout,
        default=DEFAULT_TIMEOUT,
        metavar="DURATION",
        help="how long it may take in all, PT5M or seconds (default: PT2M)",
    )


def run(options: argparse.Namespace) -> int:
    """Run the command and return the exit status."""
    if not signals.is_supported():
        return _refuse(signals.UNSUPPORTED)
    try:
        found = diagrams.read(options.diagrams)
        process = diagrams.chosen(found, options.process)
        variables = json_object(options.variables, "--variables")
        given = Given(found, process.id, variables, Answers(options.job), options.timeout)
    except WrongUseError as error:
        return _refuse(str(error))
    return signals.run(lambda: _run(options, given))


async def _run(options: argparse.Namespace, given: Given) -> int:
    from local_engine.errors import EngineError
    from openai_connector.settings import SettingsError
    from openai_connector.tools.demo.model import ModelError
    from openai_connector.tools.sandbox.trial import TrialError

    terminal = None if options.json else Terminal()
    try:
        async with AsyncExitStack() as stack:
            outcome = await _try(stack, options, given, terminal)
    except SettingsError as error:
        return _refuse(f"{error}.")
    except (EngineError, ModelError) as error:
        return _refuse(str(error))
    except TrialError as error:
        return _refuse(str(error), status=1)
    if terminal is None:
        process = next(process for process in given.found.processes if process.id == given.process_id)
        document = {"process": process.id, "diagram": process.resource_name, **report.as_json(outcome)}
        print(json.dumps(document, indent=2))  # in ASCII: what reads it need not know this console's encoding
    else:
        report.show_outcome(terminal, outcome)
    return 0 if outcome.status == "completed" else 1


async def _try(
    stack: AsyncExitStack, options: argparse.Namespace, given: Given, terminal: Terminal | None
) -> Outcome:
    from local_engine.server import LocalEngine
    from openai_connector.tools.sandbox.parts import Parts, asking, load_settings, ready
    from openai_connector.tools.sandbox.trial import Trial
    from openai_connector.tools.sandbox.worker import job_types_of

    chosen = api.chosen_api(os.environ, options.api_base_url)
    # Jobs that still run at the end, after --timeout or at an incident, are not waited for.
    settings = load_settings(chosen).model_copy(update={"drain_timeout": timedelta(0)})
    served = job_types_of(settings) - given.answers.types
    types = diagrams.job_types(given.found.processes)
    is_worker_needed = bool(served & types) or None in types
    parts = Parts(stack)
    model = parts.start_model() if is_worker_needed and chosen is None else None
    server = LocalEngine()
    await server.start()
    stack.push_async_callback(server.stop)
    processes = await server.runner.execute(lambda engine: engine.deployments.deploy(given.found.files))
    process = next(process for process in processes if process.id == given.process_id)
    if terminal is not None:
        _show_start(terminal, process, settings.base_url if is_worker_needed and model is None else "", model)
    if model is not None:
        await ready(model)
        settings = asking(settings, model)
    worker = parts.start_worker(settings, server.address, given.answers.types) if is_worker_needed else None
    trial = Trial(
        server, worker=worker, done_by_worker=served if worker else frozenset(), answers=given.answers
    )

    def told(step: Any) -> None:
        if terminal is not None:
            report.show_step(terminal, step)

    return await trial.run(process.key, given.variables, timeout=given.timeout, told=told)


def _show_start(terminal: Terminal, process: Any, base_url: str, model: Any) -> None:
    terminal.say_parts(
        (f"{process.name or process.id}", "bold"), (f"  ({process.id}, {process.resource_name})", "dim")
    )
    if model is not None:
        terminal.say(
            "   A small model on this machine answers: no OPENAI_API_KEY and no OPENAI_BASE_URL is set", "dim"
        )
    elif base_url:
        terminal.say(f"   {base_url} answers", "dim")


def _refuse(sentence: str, *, status: int = 2) -> int:
    print(f"openai-connector try: {sentence}", file=sys.stderr)
    return status


def _timeout(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
