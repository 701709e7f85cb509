"""Which proxy a call goes through: the variables that all programs know, as Go and curl read them."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_connector.openai_api import Proxies, ProxyError
from openai_connector.service import client_of_environment

PROXY = "http://proxy.corp:3128"


def goes_straight(no_proxy: str, host: str, port: int = 443) -> bool:
    """Return whether a host is asked without the proxy."""
    return Proxies.of({"ALL_PROXY": PROXY, "NO_PROXY": no_proxy}).proxy_for("https", host, port) is None


STRAIGHT = [
    ("*", "example.com"),
    ("a, *", "example.com"),
    ("example.com", "example.com"),
    ("example.com", "a.b.example.com"),
    (".example.com", "a.example.com"),
    (".example.com", "example.com"),
    ("*.example.com", "a.example.com"),
    ("EXAMPLE.com", "Example.COM"),
    ("example.com.", "example.com"),
    ("example.com", "example.com."),
    (" a ,, example.com ,b", "example.com"),
    ("a example.com\tb", "example.com"),
    ("localhost", "localhost"),
    ("under_score", "under_score"),
    ("127.0.0.1", "127.0.0.1"),
    ("127.0.0.0/8", "127.1.2.3"),
    ("10.1.2.3/8", "10.200.0.1"),
    ("0.0.0.0/0", "8.8.8.8"),
    ("::1", "::1"),
    ("[::1]", "::1"),
    ("0:0:0:0:0:0:0:1", "::1"),
    ("::1/128", "::1"),
    ("fe80::/10", "fe80::1"),
    ("[fe80::]/10", "fe80::1"),
    ("fe80::/10,127.0.0.1", "127.0.0.1"),
    ("example.com:443", "example.com"),
    ("127.0.0.1:443", "127.0.0.1"),
    ("[::1]:443", "::1"),
    ("nonsense://, example.com", "example.com"),
    ("::ffff:127.0.0.1", "127.0.0.1"),
    ("127.0.0.1", "::ffff:127.0.0.1"),
    ("[::ffff:7f00:1]:443", "127.0.0.1"),
    ("::ffff:10.0.0.0/104", "10.1.2.3"),
    ("10.0.0.0/8", "::ffff:10.1.2.3"),
    ("::/0", "::ffff:10.1.2.3"),
    ("2001:db8::1:8080", "2001:db8::1:8080"),
    ("::", "::"),
    ("10.example.com", "10.example.com"),
    ("1password.com", "my.1password.com"),
]
THROUGH = [
    ("", "example.com"),
    (",, ,", "example.com"),
    ("example.com", "notexample.com"),
    ("example.com", "example.com.evil.org"),
    ("example.com", "example.co"),
    ("*.example.com", "example.com"),
    ("example.com:8443", "example.com"),
    ("127.0.0.1:80", "127.0.0.1"),
    ("[::1]:80", "::1"),
    ("127.0.0.0/8", "128.0.0.1"),
    ("127.0.0.0/8", "::1"),
    ("fe80::/10", "fec0::1"),
    ("10.0.0.0/8", "ten.example.com"),
    ("0.1", "127.0.0.1"),
    ("::/0", "127.0.0.1"),
    ("::ffff:10.0.0.0/104", "11.1.2.3"),
    ("[::1]:8080", "::1"),
]
NOT_UNDERSTOOD = [
    "10.0.0.0/33",
    "::1/129",
    "10.0.0.0/255.0.0.0",
    "[::1",
    "::1]",
    "[example.com]",
    "example.com:x",
    "example.com:0",
    "example.com:99999",
    "a..b",
    "10.",
    "10.0.",
    "127.1",
    "0x7f.0x1",
    ".10.1.2.3",
    "*.10.1.2.3",
    "10.1.2",
    "10.0.0.0-10.0.0.255",
    "10.0.0.256",
    "2130706433",
    "::1:8080",
    "::2:443",
    "ex*mple.com",
    "münchen.example",
    "10.0.0.0/",
    "/8",
    ":80",
    "#",
]


@pytest.mark.parametrize(("no_proxy", "host"), STRAIGHT)
def test_who_is_asked_without_a_proxy(no_proxy: str, host: str) -> None:
    """Names and all below them, addresses, networks and ports, however they are written."""
    assert goes_straight(no_proxy, host)


@pytest.mark.parametrize(("no_proxy", "host"), THROUGH)
def test_who_is_asked_through_the_proxy(no_proxy: str, host: str) -> None:
    """What only looks like an entry is no match."""
    assert not goes_straight(no_proxy, host)


@pytest.mark.parametrize("entry", NOT_UNDERSTOOD)
async def test_what_cannot_be_read_is_named_and_ignored(
    entry: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The worker starts, its log names the entry, and the other entries count."""
    monkeypatch.setenv("NO_PROXY", f"a.example,{entry},127.0.0.1")
    await client_of_environment().aclose()
    [warned] = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert f"NO_PROXY: {entry} is no" in warned
    assert goes_straight(f"a.example,{entry},127.0.0.1", "127.0.0.1")


SECRET = "SEKRET"


@pytest.mark.parametrize(
    ("no_proxy", "places"),
    [
        ("http://user:SEKRET,99@h", ["entry 1", "entry 2"]),
        ("a.example http://user:SEKRET@h:1", ["entry 2"]),
        ("http://user:SEK RET,SEKRET#1,2@h", ["entry 1", "entry 3", "entry 4"]),
        ("user:SEKRET#,1@h", ["entry 1", "entry 2"]),
        ("https://SEKRET", ["entry 1"]),
        ("b.example,,http://SEKRET:x,c", ["entry 2"]),
    ],
)
def test_what_may_hold_a_password_is_named_by_its_place(no_proxy: str, places: list[str]) -> None:
    """A password may have a comma or a blank in it, so that no entry shows that it is a part of one."""
    shown = Proxies.of({"NO_PROXY": no_proxy}).not_understood
    assert shown == places
    assert not any(SECRET in entry for entry in shown)


@given(st.text(max_size=60))
def test_any_text_is_taken(no_proxy: str) -> None:
    """No text stops the worker."""
    proxies = Proxies.of({"ALL_PROXY": PROXY, "NO_PROXY": no_proxy})
    proxies.proxy_for("https", "example.com", 443)
    proxies.proxy_for("http", "::1", 80)


@given(st.ip_addresses(), st.data())
def test_a_network_holds_its_addresses_and_no_others(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, data: st.DataObject
) -> None:
    """Whatever the address and the length of its prefix."""
    bits = data.draw(st.integers(0, address.max_prefixlen))
    network = ipaddress.ip_network(f"{address}/{bits}", strict=False)
    other = data.draw(st.ip_addresses(v=address.version))
    assert goes_straight(f"x.example,{address}/{bits}", str(address))
    assert goes_straight(f"[{address}]/{bits}" if address.version == 6 else str(network), str(address))
    assert goes_straight(f"{network}", str(other)) == (other in network)


LABELS = st.from_regex(r"[a-z]([a-z0-9-]{0,5}[a-z0-9])?", fullmatch=True)
HOSTS = st.lists(LABELS, min_size=1, max_size=4).map(".".join)


@given(HOSTS, HOSTS, st.sampled_from(["", "."]), st.booleans())
def test_a_name_stands_for_itself_and_what_is_below(name: str, other: str, dot: str, capital: bool) -> None:
    """Only whole labels count."""
    entry = dot + (name.upper() if capital else name)
    assert goes_straight(entry, name)
    assert goes_straight(entry, f"{other}.{name}")
    assert not goes_straight(entry, f"x{name}")
    assert goes_straight(entry, other) == (other == name or other.endswith(f".{name}"))


@pytest.mark.parametrize(
    ("variables", "scheme", "expected"),
    [
        ({"HTTPS_PROXY": PROXY}, "https", "proxy.corp"),
        ({"https_proxy": PROXY}, "https", "proxy.corp"),
        ({"HTTPS_PROXY": PROXY}, "http", None),
        ({"HTTP_PROXY": PROXY}, "http", "proxy.corp"),
        ({"ALL_PROXY": PROXY}, "http", "proxy.corp"),
        ({"all_proxy": PROXY, "HTTP_PROXY": "http://other"}, "http", "other"),
        ({"https_proxy": "http://small", "HTTPS_PROXY": "http://LARGE"}, "https", "small"),
        ({"https_proxy": "", "HTTPS_PROXY": PROXY}, "https", None),
        ({"HTTPS_PROXY": "proxy.corp:3128"}, "https", "proxy.corp"),
        ({"HTTPS_PROXY": " HTTPS://Proxy.Corp/ "}, "https", "proxy.corp"),
        ({"HTTPS_PROXY": "http://[::1]:3128"}, "https", "::1"),
        ({"HTTPS_PROXY": "http://user:p@ss@proxy.corp:3128"}, "https", "proxy.corp"),
    ],
)
def test_which_variable_counts(variables: dict[str, str], scheme: str, expected: str | None) -> None:
    """Small letters first, the scheme's own before the one for all; an empty one means none."""
    proxy = Proxies.of(variables).proxy_for(scheme, "example.com", 443)
    assert (proxy and proxy.host) == expected


@pytest.mark.parametrize(
    ("address", "port"),
    [("http://p", 80), ("https://p", 443), ("p", 80), ("p:3128", 3128), ("http://u:p@p:8080/", 8080)],
)
def test_the_port_of_a_proxy(address: str, port: int) -> None:
    """The scheme's own where none is named."""
    proxy = Proxies.of({"ALL_PROXY": address}).proxy_for("https", "example.com", 443)
    assert proxy is not None
    assert proxy.port == port


@pytest.mark.parametrize(
    "address",
    ["socks5://p:1", "ftp://p", "http://", "http://p:x", "http://p:0", "http://p:99999", "http://a:b:c", "http://[p]",
     "http://p/path", "http://p?x", "http://p q", "://p", "http://ü"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "http_proxy", "ALL_PROXY"])
def test_an_address_that_cannot_be_used_names_its_variable(name: str, address: str) -> None:
    """It is found at the start, not by the first job."""
    with pytest.raises(ProxyError, match=f"^{name} must be"):
        Proxies.of({name: address})


@given(st.text(max_size=40))
def test_any_proxy_is_read_or_refused_by_name(address: str) -> None:
    """No text of a proxy's address fails in another way."""
    said = ""
    try:
        proxy = Proxies.of({"ALL_PROXY": address}).proxy_for("https", "example.com", 443)
    except ProxyError as error:
        said = str(error)
    assert said.startswith("ALL_PROXY must be") or (proxy is None) == (not address.strip())


DIFFERENT = {"*.example.com", "nonsense://, example.com", "a, *", "0.0.0.0/0"}  # as Go reads them


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed (make system-deps)")
async def test_curl_reads_no_proxy_the_same() -> None:
    """Where curl has the feature: each entry and host, asked of curl itself."""
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readline()).decode())
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    others = []
    async with server:
        port = server.sockets[0].getsockname()[1]
        for no_proxy, host in STRAIGHT + THROUGH:
            if "::ffff:" in host or no_proxy in DIFFERENT or (":" in no_proxy and no_proxy != "::1"):
                continue  # ports are Go's, and curl 7 compares IPv6 as text
            asked.clear()
            shown = f"[{host}]" if ":" in host else host
            process = await asyncio.create_subprocess_exec(
                "curl", "--silent", "--max-time", "1", "--proxy", f"http://127.0.0.1:{port}", "--noproxy", no_proxy,
                # Whatever is asked without the proxy goes to a closed port, at once.
                "--connect-to", "::127.0.0.1:1", f"http://{shown}/",
                env={"PATH": os.environ["PATH"]},
            )  # fmt: skip
            await process.wait()
            if goes_straight(no_proxy, host, 80) == bool(asked):
                others.append((no_proxy, host))
    assert not others, others
