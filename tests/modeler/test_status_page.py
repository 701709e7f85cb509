"""The worker's status page in a real Chromium, in four states: idle, busy, with calls that wait, in trouble."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from openai_connector.job import Failed
from openai_connector.observe.events import Call, CallFailed, CallSent, HostLost, JobEnded, JobStarted
from openai_connector.status.endpoint import Reply
from openai_connector.status.server import Server
from tests.make import KEY, PROMPT, bare_job
from tests.modeler.front_end import HERE
from tests.unit.status.states import World, busy, idle, trouble, waiting

ARTIFACTS = HERE.parents[1] / "artifacts" / "status"
PATIENCE = 120.0
EVIL = "</td><script>window.hacked=1</script><img src=x onerror='window.hacked=1'>"
STATES = ("idle", "busy", "waiting", "trouble", "hostile")


def hostile() -> World:
    """Return a worker whose diagrams have markup for names."""
    world = World()
    one = replace(bare_job(), bpmn_process_id=EVIL, element_id=EVIL)
    world.tell(JobStarted(one), CallFailed(one, EVIL, EVIL, EVIL), JobEnded(one, Failed(EVIL, 0), "done", 1))
    world.tell(JobStarted(one), CallSent(one, Call("chat", EVIL, EVIL)))
    return world


@asynccontextmanager
async def served(worlds: Mapping[str, World]) -> AsyncIterator[dict[str, str]]:
    """Serve worlds, and give their addresses; the one that is renewed changes, and goes."""
    async with AsyncExitStack() as stack:
        addresses: dict[str, str] = {}
        for name, world in worlds.items():
            server = Server(world.endpoint.answer)
            await server.open("127.0.0.1", 0)
            stack.push_async_callback(server.aclose)
            addresses[name] = server.url
        changing = world_that_changes()
        await changing.open("127.0.0.1", 0)
        addresses["renewed"] = changing.url
        standing = await asyncio.start_server(hangs_at_the_second_look(), "127.0.0.1", 0)
        stack.callback(standing.close)
        addresses["standing"] = f"http://127.0.0.1:{standing.sockets[0].getsockname()[1]}/"
        yield addresses


def world_that_changes() -> Server:
    """Return a server whose page has a host down more at the second look, and which is closed at the third."""
    world, looks = busy(100), 0

    def answer(method: str, path: str) -> Reply:
        nonlocal looks
        looks += path == "/"
        if looks == 2:
            world.tell(HostLost("Appeared"))
        if looks == 3:
            closing.append(asyncio.ensure_future(server.aclose()))
        return world.endpoint.answer(method, path)

    closing: list[asyncio.Future[None]] = []
    server = Server(answer)
    return server


def hangs_at_the_second_look() -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """Return a worker that shows its page once, and takes connections without an answer from then on."""
    page, looks = busy().endpoint.answer("GET", "/"), 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal looks
        looks += 1
        await reader.readuntil(b"\r\n\r\n")
        if looks > 1:
            await asyncio.Event().wait()
        head = f"Content-Type: {page.content_type}\r\nContent-Length: {len(page.body)}\r\nConnection: close"
        writer.write(f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n".encode() + page.body)
        await writer.drain()
        writer.close()

    return answer


async def looked_at(program: Path, browser: str) -> dict[str, Any]:
    """Look at all states, take their pictures, and return what was seen."""
    worlds = {
        "idle": idle(),
        "busy": busy(100),
        "waiting": waiting(),
        "trouble": trouble(),
        "hostile": hostile(),
    }
    async with served(worlds) as addresses:
        given = [f"{name}={address}" for name, address in addresses.items()]
        using = await asyncio.create_subprocess_exec(
            *(str(program), str(HERE / "status_page.mjs"), browser, str(ARTIFACTS), *given),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(PATIENCE):
            said, complaints = await using.communicate()
    assert using.returncode == 0, complaints.decode()
    seen: dict[str, Any] = json.loads(said)
    return seen


@pytest.fixture(scope="module")
def seen(browser: tuple[Path, str]) -> dict[str, Any]:
    """What was seen."""
    return asyncio.run(looked_at(*browser))


@pytest.mark.parametrize("state", STATES)
class TestInEachState:
    """What holds whatever the worker does."""

    def test_it_is_clean_and_asks_nobody_else(self, seen: dict[str, Any], state: str) -> None:
        """No error on the console, so that its own policy lets all of it run; nothing is fetched from elsewhere."""
        found = seen[state]
        assert (found["problems"], found["foreign"]) == ([], [])
        assert "default-src 'none'" in found["policy"]
        assert found["hacked"] is False

    def test_it_is_light_and_dark(self, seen: dict[str, Any], state: str) -> None:
        """Paper and ink change places with what the browser prefers."""
        light, dark = seen[state]["light"], seen[state]["dark"]
        assert all(one != other for one, other in zip(light, dark, strict=True))

    def test_it_fits_a_phone(self, seen: dict[str, Any], state: str) -> None:
        """At 390 pixels nothing is to be scrolled sideways."""
        assert seen[state]["width"] <= 390

    def test_it_is_a_snapshot_without_javascript(self, seen: dict[str, Any], state: str) -> None:
        """The same headings and facts stand there."""
        for heading in ("Jobs being worked on", "Last failures", "Limits and outages", "Store"):
            assert heading in seen[state]["snapshot"]

    def test_it_can_be_used_by_keyboard_and_read_aloud(self, seen: dict[str, Any], state: str) -> None:
        """What has the focus is seen to have it, and each chart says its title and its sums."""
        _, style, width = seen[state]["focus"]
        assert style != "none"
        assert width >= 1
        assert seen[state]["scrolled"]
        for title in ("Jobs, last hour: ", "Jobs, last day: ", "Tokens, last hour: ", "Tokens, last day: "):
            assert any(image.startswith(title) for image in seen[state]["images"])

    def test_no_content_is_shown(self, seen: dict[str, Any], state: str) -> None:
        """Neither prompt, key, message of a failure nor an answer stands anywhere in it."""
        for text in (PROMPT, KEY, "secrets.KEY", "secret words"):
            assert text not in seen[state]["html"]


def test_an_idle_worker_says_so(seen: dict[str, Any]) -> None:
    """It works, and nothing is wrong."""
    assert "Works" in seen["idle"]["text"]
    assert "No job is worked on now." in seen["idle"]["text"]
    assert seen["idle"]["alerts"] == []


def test_a_busy_worker_lists_its_jobs(seen: dict[str, Any]) -> None:
    """A hundred jobs stand there, with process, element, model and age."""
    text = seen["busy"]["text"]
    assert "Jobs being worked on: 100" in text
    assert text.count("customer-mail") == 100


def test_calls_that_wait_and_batches_are_shown(seen: dict[str, Any]) -> None:
    """Responses one by one, a batch once with the number of its jobs."""
    text = seen["waiting"]["text"]
    assert "Calls that wait for their answer: 7" in text
    assert "resp_00000003" in text
    assert text.count("batch_68f1c2d3e4b58190a1b2c3d4e5f6a7b0") == 1


def test_a_worker_in_trouble_says_what_to_do_first(seen: dict[str, Any]) -> None:
    """Engine, store and host are told in alerts; the last failures have what to do."""
    [alert] = seen["trouble"]["alerts"]
    for said in ("The engine gives no jobs", "The store does not work", "llm.example.com"):
        assert said in alert
    assert "Takes no jobs" in seen["trouble"]["text"]
    assert "Check OpenAI API key" in seen["trouble"]["text"]


def test_names_are_text(seen: dict[str, Any]) -> None:
    """Markup in names of diagrams is read, not run."""
    assert "<script>window.hacked=1</script>" in seen["hostile"]["text"]


def test_it_renews_itself_and_says_when_it_cannot(seen: dict[str, Any]) -> None:
    """What is new appears, and who read a list goes on reading; a worker that is gone leaves the page, marked so."""
    assert seen["place"] == [700, True]
    assert "No answer from the worker" in seen["renewed"]


def test_a_worker_that_stands_still_is_told_from_one_that_works(seen: dict[str, Any]) -> None:
    """A page that is old says that there is no answer, and of when it is."""
    assert "No answer from the worker" in seen["standing"]
    assert "as of 2026-11-26 09:30:11 UTC" in seen["asOf"]
