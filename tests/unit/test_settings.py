"""Settings: every name, every unit, and what stops the start."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from openai_connector import settings
from openai_connector.settings import Settings, SettingsError, load


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of the machine that runs the tests do not count."""
    for name in os.environ:
        if name.upper().startswith(("ZEEBE_", "CAMUNDA_", "CONNECTOR_", "OPENAI_")):
            monkeypatch.delenv(name)


def loaded(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    """Load settings with these variables."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return load()


def problem(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    """Give what is said of these variables."""
    with pytest.raises(SettingsError) as caught:
        loaded(monkeypatch, **variables)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_defaults() -> None:
    """What holds when nothing is set."""
    got = load()
    assert got.gateway() == ("localhost:26500", False)
    assert (got.job_type, got.max_jobs, got.job_lease) == ("openai-connector:1", 100, timedelta(minutes=1))
    assert (got.request_timeout, got.drain_timeout) == (timedelta(minutes=3), timedelta(seconds=60))
    assert (got.secret_prefix, got.secrets_dir, got.allowed_hosts) == ("SECRET_", None, ())
    assert (got.base_url, got.api_key) == ("https://api.openai.com/v1", None)
    assert (got.log_level, got.log_format) == ("INFO", "text")
    assert (got.max_waits, got.max_wait_time) == (20, timedelta(hours=1))


VALUES: list[tuple[str, str, str, Any]] = [
    *(
        (name, "zeebe_address", "zeebe:1", "zeebe:1")
        for name in (
            "ZEEBE_ADDRESS",
            "CAMUNDA_CLIENT_GRPCADDRESS",
            "CAMUNDA_GRPC_ADDRESS",
            "ZEEBE_GRPC_ADDRESS",
        )
    ),
    *((name, "token_audience", "a", "a") for name in ("ZEEBE_TOKEN_AUDIENCE", "CAMUNDA_TOKEN_AUDIENCE")),
    ("ZEEBE_TOKEN_SCOPE", "token_scope", "s", "s"),
    ("CAMUNDA_CLUSTER_ID", "cluster_id", "c", "c"),
    ("CAMUNDA_CLUSTER_REGION", "cluster_region", "r", "r"),
    ("ZEEBE_TENANT_IDS", "tenant_ids", "a, b,,", ("a", "b")),
    ("CONNECTOR_JOB_TYPE", "job_type", "t", "t"),
    ("CONNECTOR_MAX_JOBS", "max_jobs", "7", 7),
    ("CONNECTOR_JOB_LEASE", "job_lease", "PT2M", timedelta(minutes=2)),
    ("CONNECTOR_JOB_LEASE", "job_lease", "90", timedelta(seconds=90)),
    ("CONNECTOR_DRAIN_TIMEOUT", "drain_timeout", "0", timedelta(0)),
    ("CONNECTOR_REQUEST_TIMEOUT", "request_timeout", "0.5", timedelta(seconds=0.5)),
    ("CONNECTOR_MAX_WAITS", "max_waits", "0", 0),
    ("CONNECTOR_MAX_WAIT_TIME", "max_wait_time", "PT2H", timedelta(hours=2)),
    ("CONNECTOR_REQUESTS_PER_MINUTE", "requests_per_minute", "60", 60),
    ("CONNECTOR_TOKENS_PER_MINUTE", "tokens_per_minute", "150000", 150_000),
    ("CONNECTOR_FAIR_SHARE", "fair_share", "0.25", 0.25),
    ("CONNECTOR_MAX_PAYLOAD", "max_payload", "64", 64),
    ("CONNECTOR_SECRET_PREFIX", "secret_prefix", "MY_", "MY_"),
    (
        "CONNECTOR_ALLOWED_HOSTS",
        "allowed_hosts",
        " a.example , *.b.example:8443 ",
        ("a.example", "*.b.example:8443"),
    ),
    ("OPENAI_BASE_URL", "base_url", " http://localhost:11434/v1 ", "http://localhost:11434/v1"),
    ("CONNECTOR_HTTP_HOST", "http_host", " * ", "*"),
    (
        "CONNECTOR_HTTP_NAMES",
        "http_names",
        "a.example, *.b.example,*",
        ("a.example", "*.b.example", "*"),
    ),
    ("CONNECTOR_LOG_LEVEL", "log_level", "debug", "DEBUG"),
    ("CONNECTOR_LOG_FORMAT", "log_format", "JSON", "json"),
]


@pytest.mark.parametrize(("name", "field", "text", "value"), VALUES)
def test_each_variable_is_read(
    monkeypatch: pytest.MonkeyPatch, name: str, field: str, text: str, value: Any
) -> None:
    """Under each of its names, in any case of letters, with spaces around it."""
    assert getattr(loaded(monkeypatch, **{name: text}), field) == value
    monkeypatch.delenv(name)
    assert getattr(loaded(monkeypatch, **{name.lower(): f" {text} "}), field) == value


@pytest.mark.parametrize("name", [name for name, *_ in VALUES])
def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Compose files set empty variables; only the secret prefix means something when it is empty."""
    got = loaded(monkeypatch, **{name: ""})
    assert got == load()
    assert got.secret_prefix == ("" if name == "CONNECTOR_SECRET_PREFIX" else "SECRET_")


def test_the_first_name_that_is_set_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty first name leaves it to the next."""
    assert loaded(monkeypatch, ZEEBE_ADDRESS="a:1", ZEEBE_GRPC_ADDRESS="b:1").zeebe_address == "a:1"
    assert loaded(monkeypatch, ZEEBE_ADDRESS="").zeebe_address == "b:1"


@pytest.mark.parametrize(
    ("address", "target", "tls"),
    [
        ("zeebe", "zeebe:26500", False),
        ("zeebe:443", "zeebe:443", False),
        ("http://zeebe:26500", "zeebe:26500", False),
        ("grpc://zeebe", "zeebe:26500", False),
        ("https://zeebe", "zeebe:443", True),
        ("GRPCS://zeebe:26500/", "zeebe:26500", True),
        ("[::1]:26500", "[::1]:26500", False),
        ("https://[::1]", "[::1]:443", True),
    ],
)
def test_addresses_of_the_gateway(
    monkeypatch: pytest.MonkeyPatch, address: str, target: str, tls: bool
) -> None:
    """The scheme says whether TLS is spoken, and which port is meant."""
    assert loaded(monkeypatch, ZEEBE_ADDRESS=address).gateway() == (target, tls)


def test_a_certificate_means_tls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a scheme a certificate authority asks for TLS; with http:// it is a contradiction."""
    file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    assert loaded(monkeypatch, ZEEBE_CA_CERTIFICATE_PATH=str(file), ZEEBE_ADDRESS="zeebe:1").gateway() == (
        "zeebe:1",
        True,
    )
    assert "says no TLS, but a certificate is set" in problem(monkeypatch, ZEEBE_ADDRESS="http://zeebe:1")


def test_camunda_saas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cluster id, region, client id and secret are enough."""
    got = loaded(
        monkeypatch,
        CAMUNDA_CLUSTER_ID="c1",
        CAMUNDA_CLUSTER_REGION="dsm-1",
        CAMUNDA_CLIENT_ID="id",
        CAMUNDA_CLIENT_SECRET="hidden",
    )
    assert got.gateway() == ("c1.dsm-1.zeebe.camunda.io:443", True)
    assert "hidden" not in repr(got)


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        (
            {"ZEEBE_ADDRESS": "zeebe:x"},
            "ZEEBE_ADDRESS must be host:port or a URL such as https://zeebe:26500",
        ),
        (
            {"ZEEBE_ADDRESS": "ftp://zeebe"},
            "ZEEBE_ADDRESS must begin with http://, https://, grpc:// or grpcs://",
        ),
        ({"CAMUNDA_GRPC_ADDRESS": "ftp://zeebe"}, "CAMUNDA_GRPC_ADDRESS must begin with http://"),
        ({"ZEEBE_ADDRESS": "", "zeebe_grpc_address": "a b"}, "ZEEBE_GRPC_ADDRESS must be host:port"),
        ({"ZEEBE_ADDRESS": "::1"}, "ZEEBE_ADDRESS must be host:port"),
        ({"ZEEBE_ADDRESS": "zee be:1"}, "ZEEBE_ADDRESS must be host:port"),
        ({"ZEEBE_ADDRESS": "https://zeebe:1/path"}, "ZEEBE_ADDRESS must be host:port"),
        ({"CONNECTOR_MAX_JOBS": "0"}, "CONNECTOR_MAX_JOBS must be greater than or equal to 1"),
        ({"CONNECTOR_MAX_JOBS": "5000000000"}, "CONNECTOR_MAX_JOBS must be less than or equal to 2147483647"),
        ({"CONNECTOR_MAX_JOBS": "many"}, "CONNECTOR_MAX_JOBS must be a whole number"),
        ({"CONNECTOR_DROP_IN": "perhaps"}, "CONNECTOR_DROP_IN must be true or false"),
        ({"CONNECTOR_MAX_WAITS": "-1"}, "CONNECTOR_MAX_WAITS must be greater than or equal to 0"),
        ({"CONNECTOR_FAIR_SHARE": "half"}, "CONNECTOR_FAIR_SHARE must be a number"),
        ({"CONNECTOR_FAIR_SHARE": "0"}, "CONNECTOR_FAIR_SHARE must be greater than 0"),
        ({"CONNECTOR_FAIR_SHARE": "50"}, "CONNECTOR_FAIR_SHARE must be less than or equal to 1"),
        ({"CONNECTOR_REQUESTS_PER_MINUTE": "0"}, "CONNECTOR_REQUESTS_PER_MINUTE must be greater than or"),
        ({"CONNECTOR_MAX_PAYLOAD": "256MB"}, "CONNECTOR_MAX_PAYLOAD must be a whole number"),
        ({"CONNECTOR_JOB_LEASE": "5 min"}, "CONNECTOR_JOB_LEASE must be an ISO 8601 duration such as PT30S"),
        ({"CONNECTOR_JOB_LEASE": "0"}, "CONNECTOR_JOB_LEASE must be longer than 0 seconds"),
        ({"CONNECTOR_JOB_LEASE": "0.0001"}, "CONNECTOR_JOB_LEASE must be longer than 0 seconds"),
        (
            {"CONNECTOR_JOB_TYPE": "io.camunda:http-json:1", "CONNECTOR_DROP_IN": "true"},
            "CONNECTOR_JOB_TYPE must be another than io.camunda:http-json:1",
        ),
        (
            {"CAMUNDA_CLUSTER_ID": "a b"},
            "CAMUNDA_CLUSTER_ID and CAMUNDA_CLUSTER_REGION must be as Console shows them",
        ),
        ({"CONNECTOR_DRAIN_TIMEOUT": "-1"}, "CONNECTOR_DRAIN_TIMEOUT must be an ISO 8601 duration"),
        ({"CONNECTOR_REQUEST_TIMEOUT": "P1Y"}, "CONNECTOR_REQUEST_TIMEOUT must be an ISO 8601 duration"),
        ({"CONNECTOR_REQUEST_TIMEOUT": "PT0S"}, "CONNECTOR_REQUEST_TIMEOUT must be longer than 0 seconds"),
        (
            {"CONNECTOR_LOG_LEVEL": "loud"},
            "CONNECTOR_LOG_LEVEL must be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'",
        ),
        ({"CONNECTOR_LOG_FORMAT": "xml"}, "CONNECTOR_LOG_FORMAT must be 'text' or 'json'"),
        ({"CONNECTOR_SECRETS_DIR": "/no/folder"}, "CONNECTOR_SECRETS_DIR: there is no such folder"),
        (
            {"CONNECTOR_ALLOWED_HOSTS": "https://a.example/v1"},
            "CONNECTOR_ALLOWED_HOSTS: 'https://a.example/v1' is no host",
        ),
        (
            {"CONNECTOR_HTTP_NAMES": "a.example,https://b.example"},
            "CONNECTOR_HTTP_NAMES: 'https://b.example' is no name",
        ),
        ({"CONNECTOR_HTTP_NAMES": "a.example:9898"}, "CONNECTOR_HTTP_NAMES: 'a.example:9898' is no name"),
        ({"CONNECTOR_HTTP_NAMES": "a.*.example"}, "CONNECTOR_HTTP_NAMES: 'a.*.example' is no name"),
        (
            {"OPENAI_BASE_URL": "api.openai.com/v1"},
            "OPENAI_BASE_URL must be a URL such as https://api.openai.com/v1",
        ),
        ({"OPENAI_BASE_URL": "https://a.example/v1?key=x"}, "OPENAI_BASE_URL must not carry a query"),
        ({"OPENAI_API_KEY": "a\nb"}, "OPENAI_API_KEY must be made of plain letters"),
        ({"ZEEBE_CLIENT_ID": "a"}, "ZEEBE_CLIENT_SECRET must be set too: OAuth needs"),
        ({"CAMUNDA_CLIENT_SECRET": "a"}, "ZEEBE_CLIENT_ID must be set too: OAuth needs"),
        (
            {"ZEEBE_CLIENT_ID": "a", "ZEEBE_CLIENT_SECRET": "b"},
            "ZEEBE_AUTHORIZATION_SERVER_URL must be set too",
        ),
        (
            {"ZEEBE_CLIENT_ID": "a", "ZEEBE_CLIENT_SECRET": "b", "CAMUNDA_OAUTH_URL": "login"},
            "CAMUNDA_OAUTH_URL must be a URL",
        ),
        (
            {
                "ZEEBE_CLIENT_ID": "a",
                "ZEEBE_CLIENT_SECRET": "b",
                "ZEEBE_AUTHORIZATION_SERVER_URL": "https://",
            },
            "ZEEBE_AUTHORIZATION_SERVER_URL must be a URL",
        ),
        ({"ZEEBE_CA_CERTIFICATE_PATH": "/no/file"}, "ZEEBE_CA_CERTIFICATE_PATH: there is no such file"),
        (
            {"ZEEBE_CLIENT_KEY_PATH": "/no/file"},
            "ZEEBE_CLIENT_CERTIFICATE_PATH and ZEEBE_CLIENT_KEY_PATH must be set together",
        ),
    ],
)
def test_a_wrong_setting_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], says: str
) -> None:
    """One sentence names the variable and says what it takes."""
    assert problem(monkeypatch, **variables).startswith(says)


def test_a_certificate_that_grpc_takes_does_not_stop_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """How strong a key must be is for gRPC and the engine to say; OpenSSL itself refuses 1024 bits."""
    key = rsa.generate_private_key(65537, 1024)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "worker")])
    now = datetime.now(UTC)
    certificate = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    (tmp_path / "key").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
    )
    (tmp_path / "certificate").write_bytes(certificate.sign(key, SHA256()).public_bytes(Encoding.PEM))
    files = {f"ZEEBE_CLIENT_{name.upper()}_PATH": str(tmp_path / name) for name in ("certificate", "key")}
    assert loaded(monkeypatch, **files).gateway()[1]


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (("bad", None, None), "ZEEBE_CA_CERTIFICATE_PATH: no certificates in PEM can be read from"),
        (
            (None, "bad", "key"),
            "ZEEBE_CLIENT_CERTIFICATE_PATH and ZEEBE_CLIENT_KEY_PATH: no certificate and key in PEM",
        ),
        (
            (None, "ca", "key"),
            "ZEEBE_CLIENT_CERTIFICATE_PATH and ZEEBE_CLIENT_KEY_PATH: no certificate and key in PEM",
        ),
        (("ca", "certificate", "key"), None),
    ],
)
def test_certificates_are_read_at_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, files: tuple[str | None, ...], says: str | None
) -> None:
    """gRPC takes any file for a certificate, and then waits for a connection that never comes."""
    authority = trustme.CA()
    issued = authority.issue_cert("worker.example")
    authority.cert_pem.write_to_path(str(tmp_path / "ca"))
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "certificate"))
    issued.private_key_pem.write_to_path(str(tmp_path / "key"))
    (tmp_path / "bad").write_text("no PEM")
    names = ("ZEEBE_CA_CERTIFICATE_PATH", "ZEEBE_CLIENT_CERTIFICATE_PATH", "ZEEBE_CLIENT_KEY_PATH")
    variables = {name: str(tmp_path / file) for name, file in zip(names, files, strict=True) if file}
    if says is None:
        assert loaded(monkeypatch, **variables).gateway()[1]
    else:
        assert problem(monkeypatch, **variables).startswith(says)


@pytest.mark.parametrize(
    "variables",
    [
        {"OPENAI_BASE_URL": "https://user:HIDDEN@a.example/v1"},
        {"OPENAI_API_KEY": "HIDDEN\n1"},
        {"ZEEBE_ADDRESS": "https://user:HIDDEN@zeebe:1"},
        {"ZEEBE_CLIENT_SECRET": "HIDDEN"},
    ],
)
def test_no_secret_stands_in_a_message(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    """What is wrong with a secret is said without it."""
    assert "HIDDEN" not in problem(monkeypatch, **variables)


def test_secrets_do_not_stand_in_the_representation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are hidden when settings are printed."""
    assert "HIDDEN" not in repr(loaded(monkeypatch, OPENAI_API_KEY="HIDDEN"))


def test_one_table_for_readme_and_help() -> None:
    """Every setting stands in both with its names, its default and what it is; no secret has a default."""
    markdown, text = settings.as_markdown(), settings.as_text()
    for row in settings.table():
        assert row.about
        for name in row.names:
            assert f"`{name}`" in markdown
            assert name in text
        if row.default:
            assert f"`{row.default}`" in markdown
            assert f"[{row.default}]" in text
    assert len(list(settings.table())) == len(Settings.model_fields)


def test_durations_in_the_table_are_iso() -> None:
    """The default of a duration is shown as it may be typed."""
    assert "CONNECTOR_JOB_LEASE [PT1M]" in settings.as_text()


KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


@pytest.mark.parametrize(
    "location",
    [
        "/var/lib/connector",
        "a-folder",
        "sqlite:///a/b.db",
        "sqlite:////a/b.db",
        "postgresql://h/d",
        "postgres://h",
    ],
)
def test_places_of_a_store(monkeypatch: pytest.MonkeyPatch, location: str) -> None:
    """A folder, a file, a database; its password is not shown."""
    monkeypatch.setattr("openai_connector.store.find_spec", lambda name: name)
    given = loaded(monkeypatch, CONNECTOR_STORE=location, CONNECTOR_STORE_KEY=f"{KEY},{KEY}")
    assert given.store is not None
    assert given.store.get_secret_value() == location
    assert location not in repr(given)
    assert KEY not in repr(given)


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"CONNECTOR_STORE": "mysql://u:HIDDEN@h/d"}, "CONNECTOR_STORE must be a folder"),
        ({"CONNECTOR_STORE": "sqlite://HIDDEN.db"}, "CONNECTOR_STORE must be a folder"),
        ({"CONNECTOR_STORE": "sqlite:///"}, "CONNECTOR_STORE must be a folder"),
        ({"CONNECTOR_STORE": "postgresql+asyncpg://HIDDEN@h"}, "CONNECTOR_STORE must be a folder"),
        ({"CONNECTOR_STORE": "postgresql://HIDDEN"}, "CONNECTOR_STORE names PostgreSQL, but its driver"),
        ({"CONNECTOR_STORE": "a", "CONNECTOR_STORE_KEY": KEY}, "CONNECTOR_STORE_KEY is set, but encryption"),
        ({"CONNECTOR_STORE_REQUIRED": "true"}, "CONNECTOR_STORE must be set too"),
        (
            {"CONNECTOR_STORE": "a", "CONNECTOR_STORE_NOTES": "/no/where"},
            "CONNECTOR_STORE_NOTES: there is no",
        ),
        (
            {"CONNECTOR_STORE": "a", "CONNECTOR_STORE_RETENTION": "0"},
            "CONNECTOR_STORE_RETENTION must be longer",
        ),
        ({"CONNECTOR_STORE": "a", "CONNECTOR_STORE_MAX_SIZE": "0"}, "CONNECTOR_STORE_MAX_SIZE must be"),
    ],
    ids=[
        "other database",
        "two slashes",
        "no file",
        "other driver",
        "no driver",
        "no cipher",
        "required",
        "no folder for notes",
        "age",
        "size",
    ],
)
def test_a_store_that_cannot_be(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], says: str
) -> None:
    """It stops the start, and what is said of it shows none of it."""
    monkeypatch.setattr("openai_connector.store.find_spec", lambda name: None)
    said = problem(monkeypatch, **variables)
    assert said.startswith(says)
    assert "HIDDEN" not in said


def test_a_key_of_the_store_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says how to make one, and does not show it."""
    said = problem(monkeypatch, CONNECTOR_STORE="a", CONNECTOR_STORE_KEY=f"{KEY},HIDDEN")
    assert said.startswith("CONNECTOR_STORE_KEY must be one or more keys of 32 bytes")
    assert "HIDDEN" not in said
