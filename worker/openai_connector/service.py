"""The composition root: builds the parts from the settings, runs them, and drains them at the end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openai_connector import __version__, wording
from openai_connector.connector import Connector
from openai_connector.contract import OWN_VARIABLES, TRACE_VARIABLES
from openai_connector.document import Document, parse_json
from openai_connector.job import Completed, Job
from openai_connector.limits import FixedLimits, Gate, HostChange, Shares, exchange
from openai_connector.money import Prices
from openai_connector.money.budgets import Budgets
from openai_connector.observe.events import BudgetsRead, Events, HostFound, HostLost, Listener
from openai_connector.observe.logs import log_event
from openai_connector.observe.metrics import Metrics
from openai_connector.observe.tracing import open_traces
from openai_connector.openai_api import ApiClient, Proxies, ProxyError
from openai_connector.outcome.retry_policy import RetryPolicy
from openai_connector.purchases import Purchases, telling
from openai_connector.redaction import place_of
from openai_connector.settings import SAAS_AUDIENCE, SAAS_TOKEN_URL, Settings, SettingsError, idle, misspelt
from openai_connector.spending import Spending
from openai_connector.status import Board, Endpoint, HeldKey, Parts
from openai_connector.status.names import Names, reason_of
from openai_connector.status.server import Server
from openai_connector.store import News, NoStore, Store, StoreError, StoreOptions, open_store
from openai_connector.tasks.allowed_hosts import ALWAYS_ALLOWED, AllowedHosts, pattern_of
from openai_connector.tasks.openai_task import ApiDefaults, OpenAiTasks
from openai_connector.tasks.secrets import ChainedSecrets, EnvironmentSecrets, FolderSecrets, SecretProvider
from openai_connector.tasks.task_type import TaskType
from openai_connector.waiting import AtTask, WaitOptions
from openai_connector.zeebe.channel import GRPC_ROOTS, Connection, gateway, open_channel
from openai_connector.zeebe.commands import Commands, Delivery
from openai_connector.zeebe.lease import Leases
from openai_connector.zeebe.oauth import ClientCredentials
from openai_connector.zeebe.poller import Poller

if TYPE_CHECKING:
    from pyzeebe.proto.gateway_pb2_grpc import GatewayAsyncStub

log = logging.getLogger(__name__)

OWED_EVERY = 5.0  # seconds between two looks at what workers that are gone still owe
BUDGETS_EVERY = 2.0  # seconds between two looks at the file of budgets, and at what is spent of them
SHARED_EVERY = 0.5  # seconds between two looks at what the fleet knows of limits and outages
STORE_PATIENCE = StoreOptions().patience
LAST_SECONDS = 3.0  # after a second signal, to give back the jobs under way; to remove what the API keeps


async def run(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT, then drain.

    A second signal gives back at once what is under way, a third ends.
    """
    stopping = asyncio.Event()
    _on_signals(stopping)
    await work(settings, stopping, has_endpoint=settings.http_port is not None)


async def work(settings: Settings, stopping: asyncio.Event, *, has_endpoint: bool = False) -> None:
    """Work until the event is set, then drain; cancelled, give back at once what is under way.

    Leaves signals alone.
    """
    connection = connection_of(settings)
    _check_roots(connection)
    client = client_of_environment()
    observed = Observed() if has_endpoint else None
    traces = open_traces(os.environ)
    events = Events(
        log_event,
        *(observed.listeners if observed is not None else ()),
        *((traces,) if traces is not None else ()),
    )
    store = store_of(settings, telling(events, is_required=settings.store_required))
    channel = open_channel(connection)
    beside: list[asyncio.Task[None]] = []
    served: list[Connector] = []
    try:
        stub = gateway(channel)
        commands = Commands(stub)
        purchases = Purchases(store, is_required=settings.store_required, events=events)
        with contextlib.suppress(StoreError):  # which it has told of, and tries again by itself
            await store.start()
        types = task_types(settings)
        gate = gate_of(settings, len(types), events)
        budgets = budgets_of(settings)
        works = _beside(purchases, commands, store, gate, budgets, events)
        beside.extend(map(asyncio.create_task, works))
        served = connectors(
            settings,
            client,
            types,
            gate=gate,
            events=events,
            purchases=purchases,
            at_task=commands,
            budgets=budgets,
        )
        traced = TRACE_VARIABLES if traces is not None else ()
        pollers = _pollers(settings, stub, commands, served, events, (*OWN_VARIABLES, *traced))
        _announce(settings, connection)
        if observed is not None:
            await observed.open(settings, pollers, store, gate)
        await _poll(pollers, settings.drain_timeout, stopping)
    finally:
        for task in beside:
            task.cancel()
        if observed is not None:
            await observed.aclose()
        closing = [part.aclose(LAST_SECONDS) for part in (*served, traces) if part is not None]
        await asyncio.gather(*closing)
        await store.aclose()
        await client.aclose()
        await channel.close()


def _beside(
    purchases: Purchases,
    commands: Commands,
    store: Store,
    gate: Gate,
    budgets: Budgets | None,
    events: Events,
) -> Iterator[Coroutine[Any, Any, None]]:
    """Yield what is done beside the jobs."""
    yield pay_what_is_owed(purchases, commands)
    if store.is_shared:
        yield share_limits(gate, store)
    if budgets is not None:
        yield watch_budgets(budgets, store, events)


class Observed:
    """The worker's HTTP endpoint, and what listens to events for it."""

    def __init__(self) -> None:
        self._metrics = Metrics()
        self._board = Board()
        self._server: Server | None = None

    @property
    def listeners(self) -> tuple[Listener, ...]:
        """What is to hear of events."""
        return (self._metrics, self._board)

    async def open(self, settings: Settings, pollers: Sequence[Poller], store: Store, gate: Gate) -> None:
        """Serve it; a port that is taken is no reason not to work."""
        parts = Parts(
            pollers,
            None if isinstance(store, NoStore) else store,
            is_store_required=settings.store_required,
            held=lambda: [HeldKey(*held) for held in gate.held()],
        )
        server = Server(Endpoint(self._metrics, self._board, parts).answer, Names(settings.http_names))
        for poller in pollers:
            self._metrics.serves(poller.job_type)
        host, port = settings.http_host, settings.http_port or 0
        try:
            await server.open(host, port)
        except (OSError, ValueError) as error:
            log.warning("%s", wording.STATUS_NOT_OPENED(host=host, port=port, reason=reason_of(error)))
        else:
            self._server = server
            log.info("%s", wording.STATUS_OPENED(url=server.url))

    async def aclose(self) -> None:
        """Serve it no more."""
        if self._server is not None:
            await self._server.aclose()


def _pollers(
    settings: Settings,
    stub: GatewayAsyncStub,
    commands: Commands,
    served: Sequence[Connector],
    events: Events,
    own_variables: Sequence[str],
) -> list[Poller]:
    leases = Leases(commands, events=events)
    return [
        Poller(
            stub,
            commands,
            connector,
            job_type=connector.task_type.job_type,
            worker_name=f"openai-connector@{socket.gethostname()}",
            fetch_variables=(*connector.task_type.inputs, *own_variables),
            tenant_ids=settings.tenant_ids,
            max_jobs=settings.max_jobs,
            lease=settings.job_lease,
            pause=connector.pause_hint,
            leases=leases,
            events=events,
        )
        for connector in served
    ]


async def _poll(pollers: Sequence[Poller], drain_timeout: timedelta, stopping: asyncio.Event) -> None:
    """Take jobs until the event is set, then drain."""
    working = asyncio.gather(*(poller.run() for poller in pollers))
    # A bug ends the worker: its supervisor starts it again.
    working.add_done_callback(lambda _: stopping.set())
    try:
        await stopping.wait()
        running = sum(poller.running for poller in pollers)
        log.info("Draining: %d jobs under way, at most %g s", running, drain_timeout.total_seconds())
        interrupted = await _drain(pollers, drain_timeout)
    except asyncio.CancelledError:
        # Before the connections close: a call that breaks costs its job a retry.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_SECONDS):
                await _drain(pollers, timedelta(0))
        raise
    await working
    log.info("Stopped; %d jobs were given back to the engine", interrupted)


async def _drain(pollers: Sequence[Poller], timeout: timedelta) -> int:
    return sum(await asyncio.gather(*(poller.drain(timeout) for poller in pollers)))


def client_of_environment() -> ApiClient:
    """Open the HTTP client with the proxies and certificate authorities of the environment.

    Raises:
        SettingsError: these cannot be used.
    """
    try:
        proxies = Proxies.of(os.environ)
        client = ApiClient(proxies=proxies)
    except ProxyError as error:
        raise SettingsError(str(error)) from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SettingsError(f"SSL_CERT_FILE or SSL_CERT_DIR cannot be read ({reason})") from None
    for entry in proxies.not_understood:
        log.warning("%s", wording.NO_PROXY_ENTRY(entry=entry))
    return client


def store_of(
    settings: Settings, tell: Callable[[News], None], *, patience: timedelta = STORE_PATIENCE
) -> Store:
    """Return the store, not yet started; `tell` is told what it meets, `patience` is for any one step."""
    if settings.store is None:
        return NoStore()
    from openai_connector.store.sealing import read_keys  # only where there is a store

    keys = read_keys(settings.store_key.get_secret_value()) if settings.store_key else ()
    options = StoreOptions(
        keys=keys,
        retention=settings.store_retention,
        max_bytes=settings.store_max_size * 1024 * 1024,
        notes=settings.store_notes,
        fresh_for=min(StoreOptions().fresh_for, settings.job_lease / 3),
        patience=patience,
        tell=tell,
    )
    return open_store(settings.store.get_secret_value(), options)


async def pay_what_is_owed(purchases: Purchases, commands: Commands) -> None:
    """Report the completions that workers that are gone still owe, now and then.

    They are forgotten in the next round: a worker that was given the job just before asks the store a moment
    later, and must find the answer.
    """
    ended: list[int] = []
    while True:
        while ended:
            await purchases.settle(ended.pop())
        for owed in await purchases.owed():
            document = Document(parse_json(owed.variables_json))
            document.text = owed.variables_json
            job = Job(owed.job_key, "", 0, 0, "", "", 0, 0, "", {}, {})
            delivery = (await commands.report(job, Completed(document))).delivery
            if delivery in (Delivery.DONE, Delivery.GONE):
                log.info("Job %d: the completion that was owed is reported (%s)", job.key, delivery.value)
                ended.append(job.key)
        await asyncio.sleep(OWED_EVERY)


async def share_limits(gate: Gate, store: Store) -> None:
    """Tell the fleet of limits and outages, and learn of them, now and then."""
    while True:
        with contextlib.suppress(StoreError):  # without the store each worker learns by itself
            await exchange(gate, store)
        await asyncio.sleep(SHARED_EVERY)


def budgets_of(settings: Settings) -> Budgets | None:
    """Return the budgets; None: there are none.

    Raises:
        SettingsError: their file is wrong.
    """
    if settings.budgets is None:
        return None
    try:
        budgets = Budgets(settings.budgets)
    except ValueError as error:
        raise SettingsError(f"CONNECTOR_BUDGETS: {error}") from None
    log.info("%s", wording.BUDGETS_LOADED(count=len(list(budgets))))
    if settings.store is None:
        log.warning("%s", wording.BUDGETS_LOCAL())
    return budgets


async def watch_budgets(budgets: Budgets, store: Store, events: Events) -> None:
    """Read the budgets again when their file has changed, and tell how much of them is spent."""
    while True:
        today = datetime.now(UTC).date()
        with contextlib.suppress(StoreError):
            spent = await store.budgets([budget.key(today) for budget in budgets])
            events.emit(BudgetsRead(budgets.states(spent, today)))
        await asyncio.sleep(BUDGETS_EVERY)
        try:
            if budgets.reload():
                log.info("%s", wording.BUDGETS_LOADED(count=len(list(budgets))))
        except ValueError as error:
            log.warning("%s", wording.BUDGETS_WRONG(problem=error))
        except Exception as error:  # a bug must not end the watching: what was read before stays
            log.error("CONNECTOR_BUDGETS: reading failed unexpectedly (%s)", place_of(error))


def connectors(
    settings: Settings,
    client: ApiClient,
    types: Sequence[TaskType],
    *,
    gate: Gate | None = None,
    events: Events | None = None,
    purchases: Purchases | None = None,
    at_task: AtTask | None = None,
    budgets: Budgets | None = None,
) -> list[Connector]:
    """Return a connector for each type of task."""
    policy = RetryPolicy(settings.max_waits, settings.max_wait_time)
    prices = Prices.packaged() if settings.prices is None else Prices.of_file(settings.prices)
    spending = Spending(
        prices, budgets, max_tokens=settings.budget_max_tokens, has_store=settings.store is not None
    )
    return [
        Connector(
            client,
            task_type,
            retry_policy=policy,
            gate=gate,
            purchases=purchases,
            events=events,
            at_task=at_task,
            wait_options=_wait_options(settings),
            files=client,
            spending=spending,
        )
        for task_type in types
    ]


def _wait_options(settings: Settings) -> WaitOptions:
    return WaitOptions(
        settings.kept_wait,
        settings.delete_responses,
        batch_size=settings.batch_size,
        batch_pause=settings.batch_pause,
        batch_bytes=settings.max_payload * 1_000_000,
        batch_look=settings.batch_look,
        fleet=settings.fleet or settings.gateway()[0],
    )


def gate_of(settings: Settings, types: int, events: Events) -> Gate:
    """Return what holds calls back: one for all types of task, for they may ask with the same key."""

    def tell(change: HostChange) -> None:
        events.emit(HostLost(change.host) if change.is_down else HostFound(change.host, change.seconds))

    return Gate(
        fixed=FixedLimits(settings.requests_per_minute, settings.tokens_per_minute),
        shares=Shares(settings.max_jobs * types, settings.fair_share, settings.max_payload * 1_000_000),
        on_change=tell,
    )


def task_types(settings: Settings) -> list[TaskType]:
    """Return the types of task that are served."""
    defaults = ApiDefaults(
        base_url=settings.base_url,
        api_key=(settings.api_key.get_secret_value().strip() or None) if settings.api_key else None,
        timeout=settings.request_timeout,
    )
    hosts = AllowedHosts([*ALWAYS_ALLOWED, pattern_of(settings.base_url), *settings.allowed_hosts])
    secrets = secrets_of(settings)
    served: list[TaskType] = [OpenAiTasks(defaults, hosts, secrets, settings.job_type)]
    if settings.drop_in:
        from openai_connector.tasks.camunda_http_task import CamundaHttpTasks

        served.append(CamundaHttpTasks(hosts, secrets, settings.request_timeout))
    return served


def secrets_of(settings: Settings) -> SecretProvider:
    """Build the chain of secret providers; to add one, put it into this list."""
    providers: list[SecretProvider] = [EnvironmentSecrets(settings.secret_prefix)]
    if settings.secrets_dir is not None:
        providers.append(FolderSecrets(settings.secrets_dir))
    return ChainedSecrets(*providers)


def connection_of(settings: Settings) -> Connection:
    """Return how the engine is reached."""
    target, tls = settings.gateway()
    oauth = None
    if settings.client_id and settings.client_secret:
        oauth = ClientCredentials(
            token_url=settings.authorization_server_url or SAAS_TOKEN_URL,
            client_id=settings.client_id,
            client_secret=settings.client_secret.get_secret_value(),
            audience=settings.token_audience or (SAAS_AUDIENCE if settings.cluster_id else None),
            scope=settings.token_scope,
            ca_certificate=settings.ca_certificate,
        )
    return Connection(
        target,
        tls=tls,
        ca_certificate=settings.ca_certificate,
        client_certificate=settings.client_certificate,
        client_key=settings.client_key,
        oauth=oauth,
    )


def _check_roots(connection: Connection) -> None:
    """Refuse a folder in place of the file of authorities that gRPC reads by itself: it would abort."""
    named = os.environ.get(GRPC_ROOTS)
    if named and connection.tls and connection.ca_certificate is None and Path(named).is_dir():
        raise SettingsError(f"{GRPC_ROOTS} names a folder: name a file with certificates, or unset it")


def _announce(settings: Settings, connection: Connection) -> None:
    log.info(
        "openai-connector %s: job type %s, at most %d jobs at once, engine %s, API %s",
        __version__,
        settings.job_type,
        settings.max_jobs,
        connection.target,
        pattern_of(settings.base_url),  # without the path, in which some gateways want a key
    )
    if not settings.secret_prefix:
        log.warning(
            "CONNECTOR_SECRET_PREFIX is empty: every environment variable is a secret that any diagram may "
            "read"
        )
    for name, setting in misspelt(settings):
        log.warning(
            "The environment variable %s is not a setting and has no effect: is %s meant?", name, setting
        )
    for name, needed in idle(settings):
        log.warning("%s has no effect: %s is not set", name, needed)


def _on_signals(stopping: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    main = asyncio.current_task()
    was_told = False  # by a signal; a worker may also stop by itself

    def stop() -> None:
        nonlocal was_told
        if was_told and main is not None:
            main.cancel()
        was_told = True
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, stop)
        except NotImplementedError:  # Windows: Ctrl-C raises KeyboardInterrupt there
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))
