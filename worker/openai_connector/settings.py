"""Every setting of the worker: environment variables, in one place, with unit and default.

`openai-connector run --help` and the README show the table that is made from these declarations.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from openai_connector.contract import (
    CAMUNDA_HTTP_JOB_TYPE,
    DEFAULT_BASE_URL,
    DEFAULT_TIMEOUT_SECONDS,
    JOB_TYPE,
)
from openai_connector.duration import format_duration, parse_duration

Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Positive = Annotated[int, Field(ge=1, le=2**31 - 1)]  # the engine's own numbers have 32 bits
BatchSize = Annotated[int, Field(ge=1, le=50_000)]
Natural = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(gt=0, le=1)]


def _split(value: Any) -> Any:
    return (
        tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
    )


def _upper(value: Any) -> Any:
    return value.strip().upper() if isinstance(value, str) else value


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


def _port(value: Any) -> Any:
    if isinstance(value, str):
        if value.strip().lower() == "off":
            return None
        if not re.fullmatch("[0-9]{1,5}", value.strip()) or int(value) > 65535:
            raise ValueError("must be a port from 0 (any that is free) to 65535, or off")
    return value


Port = Annotated[int | None, BeforeValidator(_port)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]

SAAS_TOKEN_URL = "https://login.cloud.camunda.io/oauth/token"
SAAS_AUDIENCE = "zeebe.camunda.io"
_TOKEN_URL = re.compile(r"https?://(?:[^\s/?#@]+@)?[^\s/?#@]+(?:[/?][^\s@]*)?", re.IGNORECASE)
"""With an @ nowhere but after a user name: what comes before it would be taken for a path, and logged."""
_LABEL = re.compile(r"[A-Za-z0-9-]+")


class SettingsError(Exception):
    """A setting is wrong; the message names the variable and says what it takes."""


def _field(default: Any, *names: str, unit: str = "", about: str) -> Any:
    return Field(
        default, validation_alias=AliasChoices(*names), description=about, json_schema_extra={"unit": unit}
    )


class Settings(BaseSettings):
    """The worker's settings, read from the environment; an empty variable counts as not set."""

    model_config = SettingsConfigDict(
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        str_strip_whitespace=True,
    )

    zeebe_address: str = _field(
        "localhost:26500",
        "ZEEBE_ADDRESS",
        "CAMUNDA_CLIENT_GRPCADDRESS",
        "CAMUNDA_GRPC_ADDRESS",
        "ZEEBE_GRPC_ADDRESS",
        unit="host:port or URL",
        about="Zeebe's gateway. https:// and grpcs:// mean TLS, http:// and grpc:// none; without either, "
        "TLS is used where a certificate is set.",
    )
    client_id: str | None = _field(
        None, "ZEEBE_CLIENT_ID", "CAMUNDA_CLIENT_ID", about="OAuth client id; unset: no authentication."
    )
    client_secret: SecretStr | None = _field(
        None, "ZEEBE_CLIENT_SECRET", "CAMUNDA_CLIENT_SECRET", about="OAuth client secret."
    )
    authorization_server_url: str | None = _field(
        None,
        "ZEEBE_AUTHORIZATION_SERVER_URL",
        "CAMUNDA_OAUTH_URL",
        unit="URL",
        about="Where tokens are asked for. Camunda SaaS: known when the cluster id is set.",
    )
    token_audience: str | None = _field(
        None,
        "ZEEBE_TOKEN_AUDIENCE",
        "CAMUNDA_TOKEN_AUDIENCE",
        about="Audience of the token, where the server wants one.",
    )
    token_scope: str | None = _field(
        None,
        "ZEEBE_TOKEN_SCOPE",
        "CAMUNDA_TOKEN_SCOPE",
        about="Scope of the token, where the server wants one.",
    )
    cluster_id: str | None = _field(
        None,
        "CAMUNDA_CLUSTER_ID",
        "ZEEBE_CLIENT_CLOUD_CLUSTERID",
        about="Camunda SaaS: the cluster; sets address, TLS, authorization server and audience.",
    )
    cluster_region: str = _field(
        "bru-2",
        "CAMUNDA_CLUSTER_REGION",
        "ZEEBE_CLIENT_CLOUD_REGION",
        about="Camunda SaaS: the cluster's region.",
    )
    ca_certificate: Path | None = _field(
        None,
        "ZEEBE_CA_CERTIFICATE_PATH",
        unit="file",
        about="Certificate authorities for Zeebe, and in addition to the system's for its authorization "
        "server, PEM. "
        "Unset: the system's.",
    )
    client_certificate: Path | None = _field(
        None, "ZEEBE_CLIENT_CERTIFICATE_PATH", unit="file", about="Client certificate for mutual TLS, PEM."
    )
    client_key: Path | None = _field(
        None, "ZEEBE_CLIENT_KEY_PATH", unit="file", about="Key of the client certificate, PEM."
    )
    tenant_ids: Names = _field(
        (),
        "ZEEBE_TENANT_IDS",
        "CAMUNDA_TENANT_IDS",
        unit="names, comma between",
        about="Tenants whose jobs are taken. Unset: the default tenant's.",
    )
    job_type: str = _field(JOB_TYPE, "CONNECTOR_JOB_TYPE", about="The job type that is worked on.")
    max_jobs: Positive = _field(
        100,
        "CONNECTOR_MAX_JOBS",
        unit="jobs",
        about="Jobs that are worked on at once, of each job type served. A job is only taken when there is "
        "room "
        "for it, "
        "so none waits here while its lease runs. Each costs about 0.1 MB while it waits for the API.",
    )
    job_lease: Duration = _field(
        timedelta(seconds=60),
        "CONNECTOR_JOB_LEASE",
        unit="duration",
        about="How long the engine reserves a job for this worker; prolonged again and again while it is "
        "worked on. The jobs of a worker that dies are another's within that time.",
    )
    drain_timeout: Duration = _field(
        timedelta(seconds=60),
        "CONNECTOR_DRAIN_TIMEOUT",
        unit="duration",
        about="After SIGTERM, how long running calls may take to end; what is left is given back to the "
        "engine. In Kubernetes, terminationGracePeriodSeconds must be at least 30 s more.",
    )
    request_timeout: Duration = _field(
        timedelta(seconds=DEFAULT_TIMEOUT_SECONDS),
        "CONNECTOR_REQUEST_TIMEOUT",
        unit="duration",
        about="How long to wait for an answer of the API, where the task says nothing.",
    )
    kept_wait: Duration = _field(
        timedelta(seconds=20),
        "CONNECTOR_KEPT_WAIT",
        unit="duration",
        about="How long a job whose answer is needed now, and kept by the API, waits for it in its slot; "
        "then it waits in the engine, and comes back now and then.",
    )
    delete_responses: bool = _field(
        True,
        "CONNECTOR_DELETE_RESPONSES",
        about="true: what the API keeps of such a call, and of one that can wait, is deleted there once the "
        "engine has the outcome; the files of a batch, once all of its jobs have ended. false: it stays for "
        "as long as the API keeps it (OpenAI: 30 days; files of batches 3 days).",
    )
    batch_size: BatchSize = _field(
        1000,
        "CONNECTOR_BATCH_SIZE",
        unit="jobs",
        about="Jobs whose answer is needed within a day, in one batch at most.",
    )
    batch_pause: Duration = _field(
        timedelta(seconds=60),
        "CONNECTOR_BATCH_PAUSE",
        unit="duration",
        about="How long a batch waits for more jobs after its first. They take no slots meanwhile.",
    )
    batch_look: Duration = _field(
        timedelta(seconds=60),
        "CONNECTOR_BATCH_LOOK",
        unit="duration",
        about="After which a job of a batch comes back at first to look for its answer; up to five times as "
        "long later. The batch itself is looked at once for all of its jobs.",
    )
    fleet: str | None = _field(
        None,
        "CONNECTOR_FLEET",
        unit="name",
        about="Names the workers that take up each other's batches: the same for all workers of one engine, "
        "another for each engine whose workers use the same OpenAI project. Unset: the engine's address, "
        "which must be the same for all of them then.",
    )
    max_waits: Natural = _field(
        20,
        "CONNECTOR_MAX_WAITS",
        unit="times",
        about="How often a job may wait for a rate limit (Retry-After) without losing a retry.",
    )
    max_wait_time: Duration = _field(
        timedelta(hours=1),
        "CONNECTOR_MAX_WAIT_TIME",
        unit="duration",
        about="How long all these waits of a job may be together, and the time for which it is held back by "
        "a rate limit or a host that is down. Asked to wait longer than is left of it, a job becomes an "
        "incident at once.",
    )
    requests_per_minute: Positive | None = _field(
        None,
        "CONNECTOR_REQUESTS_PER_MINUTE",
        unit="requests",
        about="What this worker may ask with one key of one model. Unset: what the API says, and how it "
        "refuses, decides.",
    )
    tokens_per_minute: Positive | None = _field(
        None,
        "CONNECTOR_TOKENS_PER_MINUTE",
        unit="tokens",
        about="The same in tokens: estimated from the size of a request, corrected by what its answer says.",
    )
    fair_share: Share = _field(
        0.5,
        "CONNECTOR_FAIR_SHARE",
        unit="of 1",
        about="The part of the slots that one key, process or model may take while others want them. 1: all.",
    )
    max_payload: Positive = _field(
        256,
        "CONNECTOR_MAX_PAYLOAD",
        unit="MB",
        about="All requests under way together; a job beyond it goes back for a moment. One that is larger "
        "goes alone.",
    )
    drop_in: bool = _field(
        False,
        "CONNECTOR_DROP_IN",
        about="true: also serve tasks made with Camunda's own OpenAI templates, unchanged, by the job type "
        "io.camunda:http-json:1. Must not run next to another worker of that job type.",
    )
    store: SecretStr | None = _field(
        None,
        "CONNECTOR_STORE",
        unit="folder or URL",
        about="Where answers are kept until the engine has acknowledged them: a folder or sqlite:///file for "
        "the workers of one machine, postgresql://user:password@host/database for a fleet. Unset: nowhere; "
        "an answer is paid for again where its worker is killed.",
    )
    store_required: bool = _field(
        False,
        "CONNECTOR_STORE_REQUIRED",
        about="true: take no jobs while the store does not work, or is full. false: go on without it.",
    )
    store_key: SecretStr | None = _field(
        None,
        "CONNECTOR_STORE_KEY",
        unit="keys, comma between",
        about="Encrypts what is stored: 32 bytes in Base64, as openssl rand -base64 32 makes them. The first "
        "key encrypts, all of them decrypt. Unset: stored as it is.",
    )
    store_notes: Path | None = _field(
        None,
        "CONNECTOR_STORE_NOTES",
        unit="folder",
        about="Of this machine: answers on their way to PostgreSQL are noted here, so that they survive "
        "a kill. Unset: they are not; SQLite needs no such folder.",
    )
    store_retention: Duration = _field(
        timedelta(days=7),
        "CONNECTOR_STORE_RETENTION",
        unit="duration",
        about="After which what is stored is removed, even where the engine has not acknowledged it.",
    )
    store_max_size: Positive = _field(
        1024,
        "CONNECTOR_STORE_MAX_SIZE",
        unit="MB",
        about="How much is stored at most; beyond it the worker goes on without, and says so.",
    )
    secret_prefix: str = _field(
        "SECRET_",
        "CONNECTOR_SECRET_PREFIX",
        about="{{secrets.NAME}} is the environment variable with this prefix before NAME. Set to nothing, "
        "every variable is a secret that any diagram may read: the worker warns of it.",
    )
    secrets_dir: Path | None = _field(
        None,
        "CONNECTOR_SECRETS_DIR",
        unit="folder",
        about="A folder with one file a secret, as Docker and Kubernetes mount them; asked after the "
        "environment.",
    )
    allowed_hosts: Names = _field(
        (),
        "CONNECTOR_ALLOWED_HOSTS",
        unit="hosts, comma between",
        about="Hosts that tasks may ask in addition to api.openai.com, *.api.openai.com, *.openai.azure.com "
        "and the host of OPENAI_BASE_URL: llm.example.com, *.example.com, host:port, or * for any.",
    )
    base_url: str = _field(
        DEFAULT_BASE_URL,
        "OPENAI_BASE_URL",
        unit="URL",
        about="The API that is asked where a task names none.",
    )
    api_key: SecretStr | None = _field(
        None,
        "OPENAI_API_KEY",
        about="The key for OPENAI_BASE_URL where a task gives none; never sent anywhere else.",
    )
    prices: Path | None = _field(
        None,
        "CONNECTOR_PRICES",
        unit="file",
        about="Prices of hosts and models, in TOML: they count instead of those that come with the worker, "
        "which has some of OpenAI's own. What an answer costs is in its output, and in the metrics.",
    )
    budgets: Path | None = _field(
        None,
        "CONNECTOR_BUDGETS",
        unit="file",
        about="Budgets, in TOML: what may be spent in a day or a month, in all, by processes or by keys. It "
        "is read again when it changes. With CONNECTOR_STORE they hold across workers.",
    )
    budget_max_tokens: Positive = _field(
        16384,
        "CONNECTOR_BUDGET_MAX_TOKENS",
        unit="tokens",
        about="Output tokens of a choice that are reserved where a task has no limit of them.",
    )
    http_port: Port = _field(
        9898,
        "CONNECTOR_HTTP_PORT",
        unit="port, or off",
        about="Where `run` serves its status page, health and metrics. 0: any that is free; the log names "
        "it. A port that is taken is warned of, and the worker goes on without.",
    )
    http_host: str = _field(
        "127.0.0.1",
        "CONNECTOR_HTTP_HOST",
        unit="address",
        about="The address of this machine at which it is served; *: at all of them, IPv4 and IPv6, as in "
        "the image. The page shows ids and names, never contents, and asks for no password.",
    )
    http_names: Names = _field(
        (),
        "CONNECTOR_HTTP_NAMES",
        unit="names, comma between",
        about="Public names by which it is opened, as that of an ingress: worker.example.com, *.example.com, "
        "or * for any. IP addresses, names without a dot, this machine's own and those that end in .svc, "
        ".local, .internal or .localhost need not be listed.",
    )
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_upper)] = _field(
        "INFO", "CONNECTOR_LOG_LEVEL", about="DEBUG, INFO, WARNING or ERROR."
    )
    log_format: Annotated[Literal["text", "json"], BeforeValidator(_lower)] = _field(
        "text", "CONNECTOR_LOG_FORMAT", about="text, or json with one object a line."
    )

    @model_validator(mode="before")
    @classmethod
    def _keep_empty_prefix(cls, values: Any) -> Any:
        # Every other empty variable counts as not set; an empty prefix is a choice that someone made.
        if isinstance(values, dict) and os.environ.get("CONNECTOR_SECRET_PREFIX") == "":
            values.setdefault("CONNECTOR_SECRET_PREFIX", "")
        return values

    def gateway(self) -> tuple[str, bool]:
        """Return the gateway's host:port, and whether it is spoken to by TLS.

        Raises:
            SettingsError: the address is none, or does not go with the certificates.
        """
        if self.cluster_id:
            if not _LABEL.fullmatch(self.cluster_id) or not _LABEL.fullmatch(self.cluster_region):
                raise SettingsError(
                    "CAMUNDA_CLUSTER_ID and CAMUNDA_CLUSTER_REGION must be as Console shows them"
                )
            return f"{self.cluster_id}.{self.cluster_region}.zeebe.camunda.io:443", True
        has_certificate = bool(self.ca_certificate or self.client_certificate)
        name = name_of("zeebe_address")
        address = self.zeebe_address.strip()
        scheme, separator, rest = address.partition("://")
        if not separator:
            scheme, rest = "", address
        if scheme.lower() not in ("", "http", "https", "grpc", "grpcs"):
            raise SettingsError(f"{name} must begin with http://, https://, grpc:// or grpcs://")
        tls = scheme.lower() in ("https", "grpcs") or (not scheme and has_certificate)
        if has_certificate and not tls:
            raise SettingsError(f"{name} says no TLS, but a certificate is set: begin it with https://")
        try:
            parts = urlsplit(f"//{rest}")
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if not host or parts.path.strip("/") or parts.query or parts.fragment or "@" in rest or " " in rest:
            raise SettingsError(f"{name} must be host:port or a URL such as https://zeebe:26500")
        host = f"[{host}]" if ":" in host else host
        return f"{host}:{port or (443 if tls else 26500)}", tls


_REASONS = {
    "bool_parsing": "must be true or false",
    "int_parsing": "must be a whole number",
    "float_parsing": "must be a number",
}
"""What pydantic says in a programmer's words."""


def load() -> Settings:
    """Read the settings from the environment.

    Raises:
        SettingsError: one sentence that names the variable.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        name = str(problem["loc"][0]) if problem["loc"] else "The settings"
        if name in Settings.model_fields:
            name = name_of(name)
        reason = _REASONS.get(problem["type"])
        reason = reason or problem["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
        raise SettingsError(f"{name} {reason}") from None
    _check(settings)
    return settings


def _check(settings: Settings) -> None:
    settings.gateway()
    _check_oauth(settings)
    if bool(settings.client_certificate) != bool(settings.client_key):
        raise SettingsError("ZEEBE_CLIENT_CERTIFICATE_PATH and ZEEBE_CLIENT_KEY_PATH must be set together")
    for name, path in (
        ("ZEEBE_CA_CERTIFICATE_PATH", settings.ca_certificate),
        ("ZEEBE_CLIENT_CERTIFICATE_PATH", settings.client_certificate),
        ("ZEEBE_CLIENT_KEY_PATH", settings.client_key),
    ):
        if path is not None and not path.is_file():
            raise SettingsError(f"{name}: there is no such file")  # some give the key itself
    _check_certificates(settings)
    if settings.secrets_dir is not None and not settings.secrets_dir.is_dir():
        raise SettingsError("CONNECTOR_SECRETS_DIR: there is no such folder")
    for name, duration in (
        ("CONNECTOR_JOB_LEASE", settings.job_lease),
        ("CONNECTOR_REQUEST_TIMEOUT", settings.request_timeout),
        ("CONNECTOR_STORE_RETENTION", settings.store_retention),
        ("CONNECTOR_BATCH_LOOK", settings.batch_look),
    ):
        if duration < timedelta(milliseconds=1):  # in which the engine counts
            raise SettingsError(f"{name} must be longer than 0 seconds")
    if settings.drop_in and settings.job_type == CAMUNDA_HTTP_JOB_TYPE:
        raise SettingsError(
            f"CONNECTOR_JOB_TYPE must be another than {CAMUNDA_HTTP_JOB_TYPE}, "
            "which CONNECTOR_DROP_IN serves already"
        )
    _check_store(settings)
    _check_prices(settings)
    _check_budgets(settings)
    _check_api(settings)
    _check_http_names(settings)


def _check_oauth(settings: Settings) -> None:
    oauth = {
        "ZEEBE_CLIENT_ID": settings.client_id,
        "ZEEBE_CLIENT_SECRET": settings.client_secret,
        "ZEEBE_AUTHORIZATION_SERVER_URL": settings.authorization_server_url or settings.cluster_id,
    }
    missing = [name for name, value in oauth.items() if not value]
    if missing and (settings.client_id or settings.client_secret):
        raise SettingsError(f"{missing[0]} must be set too: OAuth needs {', '.join(oauth)}")
    token_url = settings.authorization_server_url
    if token_url is not None and not _TOKEN_URL.fullmatch(token_url):
        raise SettingsError(
            f"{name_of('authorization_server_url')} must be a URL such as https://login.example.com/oauth/token"
        )


def _check_store(settings: Settings) -> None:
    if settings.store is None:
        if settings.store_required:
            raise SettingsError("CONNECTOR_STORE must be set too: CONNECTOR_STORE_REQUIRED is true")
        return
    from openai_connector.store import check_location  # only where there is one
    from openai_connector.store.sealing import read_keys

    try:
        check_location(settings.store.get_secret_value(), is_encrypted=settings.store_key is not None)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    try:
        read_keys(settings.store_key.get_secret_value() if settings.store_key else "")
    except ValueError as error:
        raise SettingsError(f"CONNECTOR_STORE_KEY {error}") from None
    if settings.store_notes is not None and not settings.store_notes.is_dir():
        raise SettingsError("CONNECTOR_STORE_NOTES: there is no such folder")


def _check_prices(settings: Settings) -> None:
    if settings.prices is None:
        return
    from openai_connector.money import Prices  # only where there are any

    try:
        Prices.of_file(settings.prices)
    except ValueError as error:
        raise SettingsError(f"CONNECTOR_PRICES: {error}") from None


def _check_budgets(settings: Settings) -> None:
    if settings.budgets is None:
        return
    from openai_connector.money.budgets import Budgets  # only where there are any

    try:
        Budgets(settings.budgets)
    except ValueError as error:
        raise SettingsError(f"CONNECTOR_BUDGETS: {error}") from None


def _check_certificates(settings: Settings) -> None:
    """Read the PEM files once.

    gRPC takes any content, and then says no more than that there is no connection.
    """
    authority, certificate, key = settings.ca_certificate, settings.client_certificate, settings.client_key
    if authority is None and certificate is None:
        return
    import ssl  # only where there are certificates

    context = ssl.create_default_context()
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # how strong keys must be is for gRPC and the engine to say
    if authority is not None:
        try:
            context.load_verify_locations(authority)
        except OSError as error:
            raise SettingsError(
                f"ZEEBE_CA_CERTIFICATE_PATH: no certificates in PEM can be read from {authority} "
                f"({_why(error)})"
            ) from None
    if certificate is not None:
        try:
            context.load_cert_chain(certificate, key, password="")  # else it would ask for a passphrase
        except OSError as error:
            raise SettingsError(
                "ZEEBE_CLIENT_CERTIFICATE_PATH and ZEEBE_CLIENT_KEY_PATH: no certificate and key in PEM, "
                "without a "
                f"passphrase, can be read from {certificate} and {key} ({_why(error)})"
            ) from None


def _why(error: OSError) -> str:
    return str(getattr(error, "reason", None) or error.strerror or type(error).__name__)


def _check_api(settings: Settings) -> None:
    # Imported here: only starting needs it, not every command that shows or reads settings.
    from openai_connector.tasks.allowed_hosts import AllowedHosts, HostRefusedError

    try:
        AllowedHosts("*").check(settings.base_url, label="OPENAI_BASE_URL")
    except HostRefusedError as error:
        raise SettingsError(str(error)) from None
    try:
        AllowedHosts(settings.allowed_hosts)
    except ValueError as error:
        raise SettingsError(f"CONNECTOR_ALLOWED_HOSTS: {error}") from None
    key = settings.api_key.get_secret_value().strip() if settings.api_key else ""
    if not key.isascii() or not key.isprintable():
        raise SettingsError("OPENAI_API_KEY must be made of plain letters, digits and signs, on one line")


def _check_http_names(settings: Settings) -> None:
    if settings.http_names:
        from openai_connector.status.names import Names as NamesOfEndpoint  # as above

        try:
            NamesOfEndpoint(settings.http_names)
        except ValueError as error:
            raise SettingsError(f"CONNECTOR_HTTP_NAMES: {error}") from None


_FIRST_WORDS: Final = ("CONNECTOR", "OPENAI", "ZEEBE", "CAMUNDA")


def misspelt(settings: Settings) -> Iterator[tuple[str, str]]:
    """Return the environment variables that are no settings but nearly so.

    Each with the setting it may stand for.

    Only near misses count: others have such names too, CONNECTOR_PORT (Kubernetes) or CAMUNDA_CLIENT_MODE
    (Camunda).
    """
    import difflib  # only for this, once

    known = [name for field in Settings.model_fields for name in _names(field)]
    for name in sorted(os.environ):
        word = name.partition("_")[0]
        if name.upper() in known or not difflib.get_close_matches(word, _FIRST_WORDS, n=1, cutoff=0.75):
            continue
        if not settings.secret_prefix or not name.startswith(settings.secret_prefix):
            for setting in difflib.get_close_matches(name, known, n=1, cutoff=0.9):
                yield name, setting


_OF_STORE: Final = ("store_key", "store_notes", "store_retention", "store_max_size")


def idle(settings: Settings) -> Iterator[tuple[str, str]]:
    """Return the settings that are made and have no effect, each with the one that it needs."""
    if settings.store is None:
        yield from (
            (name_of(field), "CONNECTOR_STORE") for field in _OF_STORE if field in settings.model_fields_set
        )


@dataclass(frozen=True, slots=True)
class Row:
    """One setting as the table shows it."""

    names: tuple[str, ...]
    unit: str
    default: str
    about: str


def table() -> Iterator[Row]:
    """Return all settings in the order of their declaration."""
    for name, field in Settings.model_fields.items():
        extra = field.json_schema_extra
        unit = str(extra["unit"]) if isinstance(extra, dict) else ""
        yield Row(_names(name), unit, _shown(field.default), field.description or "")


def _names(field: str) -> tuple[str, ...]:
    alias = Settings.model_fields[field].validation_alias
    assert isinstance(alias, AliasChoices)
    return tuple(str(choice) for choice in alias.choices)


def name_of(field: str) -> str:
    """Return the name under which a setting was made: the one to be corrected."""
    names = _names(field)
    set_names = {name.upper() for name, value in os.environ.items() if value}
    return next((name for name in names if name in set_names), names[0])


def _shown(default: Any) -> str:
    if default is None or default == ():
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    return format_duration(default) if isinstance(default, timedelta) else str(default)


def as_markdown() -> str:
    """Write the table for the README."""
    lines = ["| Variable | Default | What it is |", "|---|---|---|"]
    for row in table():
        names = f"`{row.names[0]}`" + "".join(f"<br>also `{name}`" for name in row.names[1:])
        unit = f" ({row.unit})" if row.unit else ""
        lines.append(f"| {names} | {f'`{row.default}`' if row.default else ''} | {row.about}{unit} |")
    return "\n".join(lines)


def as_text() -> str:
    """Write the table for `run --help`."""
    lines: list[str] = []
    for row in table():
        default = f" [{row.default}]" if row.default else ""
        unit = f" ({row.unit})" if row.unit else ""
        also = f" Also: {', '.join(row.names[1:])}." if row.names[1:] else ""
        lines += [f"  {row.names[0]}{default}", f"      {row.about}{unit}{also}"]
    return "\n".join(lines)
