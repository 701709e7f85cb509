"""No value of a variable that may hold a credential is ever printed, whatever library complains of it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from openai_connector import settings
from openai_connector.openai_api import Proxies, ProxyError
from openai_connector.service import client_of_environment, connection_of, task_types
from openai_connector.settings import Settings, SettingsError, load

MARK = "M4RK3R"
PROXIES = [
    spelling
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "GRPC_PROXY", "NO_PROXY")
    for spelling in (name, name.lower())
]
SETTINGS = [name for row in settings.table() for name in row.names]
NAMES = [*SETTINGS, *PROXIES, "SSL_CERT_FILE", "SSL_CERT_DIR"]
HOSTILE = {
    "bare": f"{MARK}\t",
    "password": f"http://user:{MARK}@proxy.corp:3128",
    "password with hash": f"http://user:a{MARK}#x@proxy.corp:3128",
    "password after a hash": f"http://user:x#{MARK}@proxy.corp:3128",
    "password with slash": f"http://user:{MARK}/x@proxy.corp:3128",
    "password after a slash": f"https://user:x/{MARK}@proxy.corp:3128",
    "password with question mark": f"http://user:{MARK}?x@proxy.corp:3128",
    "password with brackets": f"http://user:[{MARK}]@proxy.corp:3128",
    "password with percent": f"http://user:%{MARK}%zz@proxy.corp:3128",
    "no scheme": f"user:{MARK}@proxy.corp:3128",
    "another scheme": f"socks5://user:{MARK}@proxy.corp:3128",
    "no port": f"http://user:{MARK}@proxy.corp:port",
    "query": f"https://llm.example.com/v1?key={MARK}",
    "key in the path": f"https://llm.example.com/{MARK}/v1",
    "other letters": f"sk-{MARK}-ä",
    "a file's content": f"-----BEGIN PRIVATE KEY----- {MARK} -----END PRIVATE KEY-----",
    "no text": f"{MARK}\udcff",
}


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of the machine that runs the tests do not count."""
    for name in os.environ:
        if name.upper().startswith(("ZEEBE_", "CAMUNDA_", "CONNECTOR_", "OPENAI_")):
            monkeypatch.delenv(name)


def complaint(name: str) -> str:
    """Do what the start does before a connection; return what is said of the environment."""
    try:
        loaded = load()
        if name not in SETTINGS:  # which the client does not read
            client_of_environment()
        connection_of(loaded)
        task_types(loaded)
    except SettingsError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("name", NAMES)
async def test_no_complaint_repeats_a_value(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    name: str,
    value: str,
) -> None:
    """Each variable, with each kind of value that some library stumbles over."""
    monkeypatch.setenv(name, value)
    said = complaint(name) + caplog.text + "".join(capfd.readouterr())
    if name.upper() == "NO_PROXY" and "@" not in value:
        return  # names what it ignores, which is no credential
    if name == "CONNECTOR_ALLOWED_HOSTS" and "@" not in value and "?" not in value:
        return
    assert MARK not in said


@pytest.mark.parametrize("name", [name for name in PROXIES if name.upper() not in ("NO_PROXY", "GRPC_PROXY")])
@pytest.mark.parametrize("sign", ["#", "/", "?", " "])
def test_a_password_that_must_be_encoded_is_said(name: str, sign: str) -> None:
    """The message names the variable as it was set, and what to write."""
    with pytest.raises(ProxyError) as caught:
        Proxies.of({name: f"http://user:{MARK}{sign}x@proxy.corp:3128"})
    assert str(caught.value).startswith(f"{name} must be an address")
    assert "%23" in str(caught.value)


def test_the_settings_themselves_show_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their text, which a debugger or a traceback shows, hides what is secret."""
    monkeypatch.setenv("OPENAI_API_KEY", MARK)
    monkeypatch.setenv("ZEEBE_CLIENT_SECRET", MARK)
    loaded = Settings()
    assert MARK not in f"{loaded} {loaded!r}"
    proxies = Proxies.of({"https_proxy": f"http://user:{MARK}@proxy.corp"})
    assert MARK not in repr(proxies.proxy_for("https", "example.com", 443))


@pytest.mark.parametrize(
    "variables",
    [
        {"HTTPS_PROXY": HOSTILE["password with hash"]},
        {"http_proxy": HOSTILE["password with slash"]},
        {"grpc_proxy": HOSTILE["password with question mark"]},
        {"ZEEBE_ADDRESS": HOSTILE["another scheme"]},
        {"ZEEBE_CLIENT_KEY_PATH": HOSTILE["a file's content"], "ZEEBE_CLIENT_CERTIFICATE_PATH": "/no/file"},
        {"OPENAI_BASE_URL": HOSTILE["query"]},
        {"OPENAI_API_KEY": HOSTILE["other letters"]},
    ],
    ids=lambda variables: "+".join(variables),
)
def test_the_command_ends_without_the_value(variables: dict[str, str]) -> None:
    """The whole program: exit status 2, one line, no value."""
    ended = subprocess.run(
        [sys.executable, "-m", "openai_connector", "run"],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("openai-connector: ")
    assert MARK not in ended.stderr + ended.stdout
