"""Which addresses may be asked: everything that could send a key elsewhere is refused."""

from __future__ import annotations

import httpx
import pytest
import yarl
from hypothesis import given
from hypothesis import strategies as st

from openai_connector.job import Recovery
from openai_connector.tasks.allowed_hosts import (
    ALWAYS_ALLOWED,
    AllowedHosts,
    HostRefusedError,
    host_of,
    pattern_of,
)

HOSTS = AllowedHosts([*ALWAYS_ALLOWED, "llm.example.com:8443", "*.corp.example", "[::1]:9000", "localhost"])


@pytest.mark.parametrize(
    "url",
    [
        "https://api.openai.com/v1",
        "https://API.OpenAI.com/v1",
        "HTTPS://api.openai.com/v1/",
        "https://api.openai.com./v1",
        "https://api.openai.com:443/v1",
        "https://my-resource.openai.azure.com/openai/deployments/gpt%204",
        "https://llm.example.com:8443/v1",
        "http://a.b.corp.example/",
        "http://[::1]:9000/v1",
        "http://localhost:1234/v1",
    ],
)
def test_allowed_hosts(url: str) -> None:
    """Letters' case, a dot at the end and the default port do not matter."""
    HOSTS.check(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/v1",
        "https://api.openai.com.evil.example/v1",
        "https://evilapi.openai.com/v1",
        "https://xapi.openai.com/v1",
        "https://openai.azure.com/",
        "https://evil-openai.azure.com/",
        "https://corp.example/",
        "https://llm.example.com/v1",
        "https://llm.example.com:443/v1",
        "http://[::1]/v1",
        "http://[::2]:9000/v1",
    ],
)
def test_other_hosts_are_refused(url: str) -> None:
    """The message names the host and what the operator can do; it is final."""
    with pytest.raises(HostRefusedError) as caught:
        HOSTS.check(url)
    assert f"the host {host_of(url)} is not allowed" in str(caught.value)
    assert "CONNECTOR_ALLOWED_HOSTS" in str(caught.value)
    assert (caught.value.code, caught.value.recovery) == ("HOST_NOT_ALLOWED", Recovery.PERMANENT)


TRICKS = [
    "",
    "api.openai.com",
    "//api.openai.com/v1",
    "ftp://api.openai.com/v1",
    "file:///etc/passwd",
    "https:///v1",
    "https://",
    "https://api.openai.com:x/v1",
    "https://api.openai.com:99999/v1",
    "https://api..openai.com/v1",
    "https://api.openai.com../v1",
    "https://-api.openai.com/v1",
    "https://" + "a" * 64 + ".openai.azure.com/",
    "https://" + "a." * 130 + "openai.azure.com/",
    "https://evil.example\\@api.openai.com/v1",
    "https://api.openai.com\\@evil.example/v1",
    "https://evil.example%2f.openai.azure.com/v1",
    "https://evil.example%00.openai.azure.com/v1",
    "https://evil.example%23.openai.azure.com/",
    "https://api%2eopenai%2ecom/v1",
    "https://api.openai.com\t/v1",
    "https://api.openai.com/v1\n",
    "\x00https://api.openai.com/v1",
    " https://api.openai.com/v1",
    "https://api.openai.com/v 1",
    "https://evil.example\r\nHost: api.openai.com/",
    "https://ａpi.openai.com/v1",
    "https://api.openai。com/v1",
    "https://münchen.openai.azure.com/",
    "https://api.openai.com/vä1",
    "https://api.openai.com/\ud800",
    "https://user@api.openai.com/v1",
    "https://user:password@api.openai.com/v1",
    "https://@api.openai.com/v1",
    "https://api.openai.com@evil.example/v1",
    "https://api.openai.com/v1?key=1",
    "https://api.openai.com/v1#a",
    "https://api.openai.com/v1?",
    "https://api.openai.com?@evil.example/",
    "http://[::1%25eth0]/v1",
    "http://[::1/v1",
    "http://::1/v1",
    "http://[api.openai.com]/v1",
    "https://*.openai.azure.com/",
]


@pytest.mark.parametrize("url", TRICKS)
@pytest.mark.parametrize("hosts", [HOSTS, AllowedHosts(["*"])], ids=["some", "any"])
def test_odd_addresses_are_refused_whatever_is_allowed(hosts: AllowedHosts, url: str) -> None:
    """What is no plain URL is refused with a sentence that begins with the field."""
    with pytest.raises(HostRefusedError, match=r"^Base URL(: the host| must )"):
        hosts.check(url)


def test_a_password_is_not_repeated() -> None:
    """The message about user names does not hold them."""
    with pytest.raises(HostRefusedError) as caught:
        HOSTS.check("https://user:hunter2@api.openai.com/v1", label="OPENAI_BASE_URL")
    assert str(caught.value).startswith("OPENAI_BASE_URL must not carry a user name or password")
    assert "hunter2" not in str(caught.value)


def test_the_host_of_a_secret_address_is_not_shown() -> None:
    """An address that came from a secret is not repeated."""
    with pytest.raises(HostRefusedError) as caught:
        HOSTS.check("https://tenant-4711.example/v1", is_secret=True)
    assert "4711" not in str(caught.value)


@given(st.text(st.sampled_from("api.openai.com/:@\\[]%2f?#\t -xé"), max_size=40))
def test_what_is_allowed_is_what_is_asked(rest: str) -> None:
    """Whatever passes the check, the HTTP client reads the same host in it."""
    url = f"https://{rest}"
    try:
        HOSTS.check(url)
    except HostRefusedError:
        return
    asked = yarl.URL(str(httpx.URL(url))).host
    assert asked is not None
    assert asked.removesuffix(".") == host_of(url)


@pytest.mark.parametrize(
    ("url", "pattern"),
    [
        ("https://llm.example.com/v1", "llm.example.com"),
        ("http://LLM.example.com:8080/v1", "llm.example.com:8080"),
        ("http://[::1]:8080/v1", "[::1]:8080"),
        ("http://[::1]/v1", "[::1]"),
        ("http://localhost:11434/v1", "localhost:11434"),
    ],
)
def test_the_host_of_the_workers_own_address_is_allowed(url: str, pattern: str) -> None:
    """Its pattern allows it, also as an IPv6 address or with a port."""
    assert pattern_of(url) == pattern
    AllowedHosts([pattern_of(url)]).check(url)


@pytest.mark.parametrize(
    ("pattern", "url"),
    [
        ("*", "http://anything.example:1/"),
        ("*:8080", "http://anything.example:8080/"),
        (" LLM.Example.com ", "https://llm.example.com/"),
        ("::1", "http://[::1]:5/"),
        ("127.0.0.1", "http://127.0.0.1:5/"),
        ("llm.example.com:443", "https://llm.example.com/"),
        ("under_score", "http://under_score/"),
    ],
)
def test_patterns(pattern: str, url: str) -> None:
    """All the forms of a pattern."""
    AllowedHosts([pattern]).check(url)


@pytest.mark.parametrize(
    "pattern",
    [
        "https://llm.example.com",
        "llm.example.com/v1",
        "a b",
        "*.*.com",
        "a.*.com",
        "**",
        "*.",
        "x:y",
        "u@h",
        "ä.com",
        "*:*",
    ],
)
def test_a_pattern_that_is_none_is_refused(pattern: str) -> None:
    """A pattern that could never match says so at the start."""
    with pytest.raises(ValueError, match="is no host"):
        AllowedHosts([pattern])


def test_nothing_is_allowed_without_patterns() -> None:
    """Empty patterns allow nothing."""
    with pytest.raises(HostRefusedError):
        AllowedHosts(["", " "]).check("https://api.openai.com/v1")
