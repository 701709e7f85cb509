"""The page's server: who may ask, what is refused, and what an answer allows a browser to do."""

from __future__ import annotations

import base64
import json
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from local_engine.server import LocalEngine
from openai_connector.tools.sandbox import page as sandbox_page
from openai_connector.tools.sandbox.web import page, server
from tests.local_engine import bpmn

WORK = bpmn.definitions(
    bpmn.process("p", bpmn.START, bpmn.job("work"), bpmn.END, bpmn.chain("start", "work", "end"))
)
TOKEN = "X-Sandbox-Token"


class Client:
    """A client that may send any header."""

    def __init__(self, session: ClientSession, url: str, engine: LocalEngine) -> None:
        self._session = session
        self.url = url
        self.port = int(url.rpartition(":")[2])
        self.engine = engine
        self.token = ""

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, Any]:
        """Send a request; return status, headers, and the body: JSON, else text."""
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self._session.request(method, self.url + path, data=data, headers=given) as answer:
            text = await answer.text()
            is_json = answer.content_type == "application/json"
            return answer.status, answer.headers, json.loads(text) if is_json and text else text

    async def get(self, path: str, **headers: str) -> Any:
        """Return a document."""
        status, _, body = await self.ask("GET", path, **headers)
        assert status == 200, body
        return body

    async def post(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Send a change as the page does; return status and document."""
        if not self.token:
            self.token = re.findall(r'name="sandbox-token" content="([^"]+)"', await self.get("/"))[0]
        usual = {"Content_Type": "application/json", "X_Sandbox_Token": self.token}
        status, _, answer = await self.ask(
            "POST", path, body if body is not None else {}, **{**usual, **headers}
        )
        return status, answer


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """A client of a page of a real engine."""
    async with LocalEngine() as engine, ClientSession() as session:
        served = await server.start(engine, port=0, data=None)
        yield Client(session, served.url, engine)
        await served.close()


async def deployed(client: Client) -> str:
    """Deploy a diagram and return the key of its process."""
    files = [{"name": "work.bpmn", "content": base64.b64encode(WORK).decode()}]
    status, answer = await client.post("/api/deployments", {"files": files})
    assert status == 200, answer
    return str(answer["processes"][0]["key"])


async def test_the_way_of_an_instance(client: Client) -> None:
    """Deployed, started, looked at, given a variable, completed, by HTTP alone."""
    process = await deployed(client)
    status, started = await client.post("/api/instances", {"process": process, "variables": '{"a": 1}'})
    assert status == 200
    key = started["key"]
    shown = await client.get(f"/api/instances/{key}")
    assert shown["state"] == "ACTIVE"
    status, _ = await client.post(f"/api/scopes/{key}/variables", {"variables": '{"b": "x"}'})
    assert status == 200
    found = await client.get(f"/api/instances/{key}/variable?scope={key}&name=b")
    assert found == {"text": '"x"'}
    status, _ = await client.post(f"/api/jobs/{shown['jobs'][0]['key']}/complete", {"variables": ""})
    assert status == 200
    assert (await client.get(f"/api/instances/{key}"))["state"] == "COMPLETED"
    picture = await client.get(f"/api/processes/{process}/diagram.svg")
    assert picture.startswith("<svg ")
    assert await client.get(f"/api/processes/{process}")


async def test_other_addresses_of_the_page_work(client: Client) -> None:
    """The page answers under each name of this machine."""
    for host in (
        f"127.0.0.1:{client.port}",
        f"localhost:{client.port}",
        f"[::1]:{client.port}",
        f"LOCALHOST:{client.port}",
    ):
        assert (await client.ask("GET", "/api/state", Host=host, Origin=f"http://{host.lower()}"))[0] == 200


FOREIGN_HOSTS = (
    "example.com",
    "127.0.0.1",
    "127.0.0.1:1",
    "localhost.example.com:{port}",
    "127.0.0.1:{port}.evil",
    "",
)


@pytest.mark.parametrize("host", FOREIGN_HOSTS, ids=lambda host: host or "none")
@pytest.mark.parametrize("path", ["/", "/api/state", "/api/deployments"])
async def test_foreign_hosts_are_refused(client: Client, host: str, path: str) -> None:
    """A name that somebody else's DNS points at this machine gets nothing, not even the page."""
    status, _, body = await client.ask("GET", path, Host=host.format(port=client.port))
    assert status == 403
    assert "for this machine only" in body["error"]


@pytest.mark.parametrize(
    "origin",
    [
        pytest.param("https://example.com", id="another site"),
        pytest.param("http://localhost:1", id="another port"),
        pytest.param("https://127.0.0.1:{port}", id="another scheme"),
        pytest.param("http://localhost:{port}", id="another name of this machine"),
        pytest.param("null", id="a file or a frame"),
    ],
)
async def test_foreign_origins_are_refused(client: Client, origin: str) -> None:
    """Another page in the browser is refused, whatever it asks, and with the right token too."""
    origin = origin.format(port=client.port)
    process = await deployed(client)
    assert (await client.ask("GET", "/api/state", Origin=origin))[0] == 403
    status, body = await client.post("/api/instances", {"process": process}, Origin=origin)
    assert status == 403
    assert "only this page" in body["error"]
    assert client.engine.engine.state.instances == {}


async def test_other_sites_are_refused_by_what_the_browser_says(client: Client) -> None:
    """What the browser marks as sent by another site is refused; a link to the page may be followed."""
    for site in ("cross-site", "same-site"):
        assert (await client.ask("GET", "/api/state", Sec_Fetch_Site=site))[0] == 403
        assert (await client.ask("GET", "/", Sec_Fetch_Site=site))[0] == 403
        link = {"Sec_Fetch_Site": site, "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
        assert (await client.ask("GET", "/", **link))[0] == 200
        assert (await client.ask("GET", "/api/state", **link))[0] == 403
        assert (await client.ask("GET", "/", **{**link, "Sec_Fetch_Dest": "iframe"}))[0] == 403
    for site in ("same-origin", "none"):
        assert (await client.ask("GET", "/api/state", Sec_Fetch_Site=site))[0] == 200


CHANGES = (
    "/api/deployments",
    "/api/instances",
    "/api/instances/5/cancel",
    "/api/scopes/5/variables",
    "/api/incidents/5/retry",
    "/api/jobs/5/complete",
    "/api/messages",
)


@pytest.mark.parametrize("path", CHANGES)
async def test_every_change_wants_the_token(client: Client, path: str) -> None:
    """Without the page's token, with a wrong one, or with it in another place, nothing is changed."""
    for token in ("", "wrong", "ünicode"):
        status, body = await client.post(path, X_Sandbox_Token=token)
        assert status == 403
        assert "token" in body["error"]
    status, _, _ = await client.ask(
        "POST", f"{path}?token={client.token}", {}, Content_Type="application/json"
    )
    assert status == 403


@pytest.mark.parametrize("path", CHANGES)
async def test_changes_are_json(client: Client, path: str) -> None:
    """A form of another page could send other types without being asked: they are refused."""
    status, _ = await client.post(path, b"{}", Content_Type="text/plain")
    assert status == 415
    for body in (b"", b"{", b"[]", b'"x"', b"\xff", b"[" * 100_000):
        status, answer = await client.post(path, body)
        assert (status, answer["error"]) == (400, "The request must be a JSON object.")


async def test_the_token_is_of_this_run_alone() -> None:
    """Two servers have two tokens, which nobody could guess."""
    tokens = set()
    for _ in range(2):
        async with LocalEngine() as engine, ClientSession() as session:
            served = await server.start(engine, port=0, data=None)
            client = Client(session, served.url, engine)
            await client.post("/api/messages")
            tokens.add(client.token)
            await served.close()
    assert len(tokens) == 2
    assert all(len(token) >= 40 for token in tokens)


async def test_every_answer_is_closed_to_other_pages(client: Client) -> None:
    """Page, data and errors.

    No frame, no cache, no referrer, nothing from elsewhere, no script without its nonce.
    """
    nonces = set()
    for path in ("/", "/", "/api/state", "/nothing", "/api/instances/1"):
        _, headers, _ = await client.ask("GET", path)
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert not [name for name in headers if name.startswith("Access-Control") or name == "Set-Cookie"]
        nonces.add(re.findall(r"script-src 'nonce-([\w-]+)'", policy)[0])
    assert len(nonces) == 5


async def test_the_page_bears_the_nonce_of_its_answer(client: Client) -> None:
    """Style sheet and script bear the nonce that the answer allows."""
    _, headers, text = await client.ask("GET", "/")
    nonce = re.findall(r"script-src 'nonce-([\w-]+)'", headers["Content-Security-Policy"])[0]
    assert set(re.findall(r'nonce="([^"]*)"', text)) == {nonce}
    assert headers["Content-Type"] == "text/html; charset=utf-8"


async def test_too_much_is_refused(client: Client) -> None:
    """A diagram of 4 MB is read, in base64; what is larger than that is refused."""
    status, body = await client.post("/api/deployments", {"files": "x" * server.LARGEST_BODY})
    assert status == 413
    assert "4 MB" in body["error"]
    status, body = await client.post("/api/deployments", {"files": "x" * (4 * 1024 * 1024 * 4 // 3)})
    assert status == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("GET", "/nothing", 404, id="no such address"),
        pytest.param("GET", "/api/instances/abc", 404, id="no key"),
        pytest.param("GET", "/api/instances/99999999999999999999", 404, id="too long a key"),
        pytest.param("GET", "/api/instances/5", 404, id="no such instance"),
        pytest.param("GET", "/api/processes/5", 404, id="no such process"),
        pytest.param("GET", "/api/processes/5/diagram.svg", 404, id="no such diagram"),
        pytest.param("GET", "/api/instances/5/variable?scope=x&name=y", 400, id="no scope"),
        pytest.param("GET", "/api/state?show=x", 400, id="no such filter"),
        pytest.param("GET", "/api/state?most=x", 400, id="no number"),
        pytest.param("GET", "/api/messages", 405, id="another method"),
    ],
)
async def test_wrong_requests(client: Client, method: str, path: str, status: int) -> None:
    """What is not there or not possible is answered with one sentence."""
    found, _, body = await client.ask(method, path)
    assert found == status
    assert re.fullmatch(r"[A-Z].*\.", body["error"])


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods_are_refused(client: Client, method: str) -> None:
    """Methods that the page does not use change nothing and allow nothing, with or without the token."""
    assert (await client.ask(method, "/api/instances"))[0] == 403
    await client.post("/api/messages")
    headers = {"X_Sandbox_Token": client.token, "Content_Type": "application/json"}
    status, answered, _ = await client.ask(method, "/api/instances", **headers)
    assert status == 405
    assert "Access-Control-Allow-Origin" not in answered


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        pytest.param("/api/deployments", {}, "'files'", id="no files"),
        pytest.param("/api/deployments", {"files": ["x"]}, "name and a content", id="a file that is none"),
        pytest.param(
            "/api/deployments", {"files": [{"name": "a.bpmn", "content": "?"}]}, "base64", id="no base64"
        ),
        pytest.param(
            "/api/deployments", {"files": [{"name": "a.bpmn", "content": ""}]}, "empty", id="an empty file"
        ),
        pytest.param("/api/deployments", {"files": [{"name": 5}]}, "'name'", id="a name that is none"),
        pytest.param("/api/instances", {"process": "x"}, "'process'", id="no process"),
        pytest.param("/api/instances", {"process": 5}, "'process'", id="a number"),
        pytest.param("/api/messages", {}, "'name'", id="no name"),
    ],
)
async def test_wrong_bodies(client: Client, path: str, body: Any, words: str) -> None:
    """What a change lacks is named."""
    status, answer = await client.post(path, body)
    assert status == 400
    assert words in answer["error"]


async def test_nothing_new_costs_nothing(client: Client) -> None:
    """With the tag of what the page has, the answer is empty until something happens."""
    process = await deployed(client)
    _, started = await client.post("/api/instances", {"process": process})
    for path in ("/api/state", f"/api/instances/{started['key']}", f"/api/processes/{process}"):
        _, headers, _ = await client.ask("GET", path)
        tag = headers["ETag"]
        status, _, body = await client.ask("GET", path, If_None_Match=tag)
        assert (status, body) == (304, "")
    _, headers, _ = await client.ask("GET", "/api/state")
    assert (await client.ask("GET", "/api/state?show=ended", If_None_Match=headers["ETag"]))[0] == 200
    await client.post(f"/api/instances/{started['key']}/cancel")
    assert (await client.ask("GET", "/api/state", If_None_Match=headers["ETag"]))[0] == 200


async def test_a_failure_is_one_sentence(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug is logged with its place, and the page is told without it."""

    def fail(*_: object) -> str:
        raise RuntimeError("a secret place")

    monkeypatch.setattr("openai_connector.tools.sandbox.web.api.draw", fail)
    process = await deployed(client)
    status, headers, body = await client.ask("GET", f"/api/processes/{process}/diagram.svg")
    assert status == 500
    assert "secret" not in str(body)
    assert headers["X-Frame-Options"] == "DENY"
    assert "a secret place" in caplog.text


async def test_a_port_that_is_taken() -> None:
    """A port that another program has is told in one sentence, and nothing is left open."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        async with LocalEngine() as engine:
            with pytest.raises(sandbox_page.PageError, match=f"127.0.0.1:{port}"):
                await sandbox_page.start(engine, port=port, data=None)


async def test_the_page_remembers_with_a_data_folder(tmp_path: Path) -> None:
    """The history is written while the page runs and at its end, and the next page shows it."""
    async with LocalEngine(tmp_path) as engine, ClientSession() as session:
        served = await sandbox_page.start(engine, port=0, data=tmp_path)
        client = Client(session, served.url, engine)
        await client.post("/api/instances", {"process": await deployed(client)})
        await client.post(f"/api/instances/{next(iter(engine.engine.state.instances))}/cancel")
        before = await client.get("/api/state")
        await served.close()
        served = await sandbox_page.start(engine, port=0, data=tmp_path)
        after = await Client(session, served.url, engine).get("/api/state")
        await served.close()
    assert after["instances"] == before["instances"]
    assert [each["state"] for each in after["instances"]] == ["TERMINATED"]


def test_the_page_is_one_small_document() -> None:
    """The page is at most 120 KB, names nothing on another host, and has no code in its attributes."""
    text = page.render(token="t", run="r", nonce="n")
    assert len(text.encode()) <= 120 * 1024
    addresses = set(re.findall(r"https?://[^\s'\"`)<]+", text)) - {"http://www.w3.org/2000/svg"}
    assert all("${" in address for address in addresses), addresses  # the engine's own, which is shown
    assert not re.search(r"<[^>]+\son\w+=", text)
    assert not re.search(r"<[^>]+\sstyle=", text)
    assert "{{" not in text.replace("{{secrets", "")
    assert text.count("</script>") == 1
