"""Which addresses may be asked: everything that could send a key elsewhere is refused."""

from __future__ import annotations

from collections.abc import Callable

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
    "ws://api.openai.com:80/v1",
    "wss://api.openai.com:443/v1",
    "tcp://localhost:1234/v1",
    "ftp://localhost:80/v1",
    "//api.openai.com:80/v1",
    "://api.openai.com:80/v1",
    "httpx://localhost:80/v1",
    "http+unix://localhost:80/v1",
    "https://api.openai.com:0/v1",
    "https://api.openai.com:-1/v1",
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


SCHEMES = st.one_of(
    st.sampled_from(
        ["http", "https", "HTTP", "hTTps", "ws", "wss", "tcp", "ftp", "file", "", "http+x", "socks5"]
    ),
    st.text(st.sampled_from("htps+:wx"), max_size=6),
)
PORTS = st.one_of(
    st.just(""), st.integers(-1, 70_000).map(lambda port: f":{port}"), st.sampled_from([":", ":x"])
)


@given(
    SCHEMES,
    st.sampled_from(["://", "//", ":", ":/", ""]),
    st.sampled_from(["localhost", "a.corp.example", "[::1]"]),
    PORTS,
)
def test_only_http_and_https_are_accepted(scheme: str, separator: str, host: str, port: str) -> None:
    """Whatever the port, an accepted address is one of the two schemes, and of a port that there is."""
    url = f"{scheme}{separator}{host}{port}/v1"
    try:
        AllowedHosts(["*"]).check(url)
    except HostRefusedError:
        return
    read = httpx.URL(url)
    assert read.scheme in ("http", "https")
    assert scheme.lower() == read.scheme
    assert read.port is None or 0 < read.port < 65536


VENDORS = st.sampled_from(
    ["api.openai.com", "eu.api.openai.com", "us.api.openai.com", "mtls.api.openai.com", "x.openai.azure.com"]
)
CASES = st.sampled_from([str.lower, str.upper, str.title])


@given(
    VENDORS,
    CASES,
    CASES,
    PORTS,
    st.sampled_from(["", ".", ".."]),
    st.sampled_from(["", "@", "user@", "u:p@"]),
)
def test_no_key_goes_to_a_vendor_unencrypted(
    host: str,
    host_case: Callable[[str], str],
    scheme_case: Callable[[str], str],
    port: str,
    dot: str,
    user: str,
) -> None:
    """http:// to OpenAI and Azure is refused in every spelling, whatever is allowed; https:// is not."""
    rest = f"://{user}{host_case(host)}{dot}{port}/v1"
    with pytest.raises(HostRefusedError):
        AllowedHosts(["*"]).check(scheme_case("http") + rest)
    if not user and not port and dot != "..":
        AllowedHosts(ALWAYS_ALLOWED).check(scheme_case("https") + rest)


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
