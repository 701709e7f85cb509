"""What the page asks its server: addresses, checks of what is sent, and answers as JSON."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from typing import Final

from aiohttp import web

from openai_connector.tools.sandbox.view import MOST_LISTED, Filter, Json, View, ViewError
from openai_connector.tools.sandbox.web.drawing import draw

_KEY: Final = re.compile(r"[0-9]{1,19}", re.ASCII)
_SHOWN: Final = ("all", "incidents", "active", "ended")
LONGEST_FIND: Final = 200
PICTURES: Final = 50
"""Diagrams whose pictures are kept."""


class Api:
    """The addresses below `/api`."""

    def __init__(self, view: View, run: str) -> None:
        """Answer from a view.

        Args:
            view: what there is to be seen and done.
            run: name of this run of the server, by which the page notices the next one.
        """
        self._view = view
        self._run = run
        self._pictures: dict[int, str] = {}

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the addresses."""
        router.add_get("/api/state", self.state)
        router.add_get("/api/processes/{key}", self.process)
        router.add_get("/api/processes/{key}/diagram.svg", self.diagram)
        router.add_get("/api/instances/{key}", self.instance)
        router.add_get("/api/instances/{key}/variable", self.variable)
        router.add_post("/api/deployments", self.deploy)
        router.add_post("/api/instances", self.start)
        router.add_post("/api/instances/{key}/cancel", self.cancel)
        router.add_post("/api/scopes/{key}/variables", self.set_variables)
        router.add_post("/api/incidents/{key}/retry", self.retry)
        router.add_post("/api/jobs/{key}/complete", self.complete)
        router.add_post("/api/messages", self.publish)

    # Looking

    async def state(self, request: web.Request) -> web.Response:
        """Answer with processes and instances; with 304 where nothing has changed."""
        wanted = _filter(request)
        tag = _tag(f"{self._run} {self._view.version} {wanted}")
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers={"ETag": tag})
        return _answer({"run": self._run, **self._view.overview(wanted)}, tag)

    async def process(self, request: web.Request) -> web.Response:
        """Answer with where all instances of a process stand."""
        return _changed(request, self._view.process(_key(request)))

    async def instance(self, request: web.Request) -> web.Response:
        """Answer with all that is known of an instance; with 304 where nothing has changed."""
        return _changed(request, self._view.instance(_key(request)))

    async def variable(self, request: web.Request) -> web.Response:
        """Answer with the whole JSON of a variable, as text."""
        scope = request.query.get("scope", "")
        if not _KEY.fullmatch(scope):
            raise ViewError(400, "The parameter 'scope' must be a key.")
        text = self._view.variable(_key(request), int(scope), request.query.get("name", ""))
        return _answer({"text": text})

    async def diagram(self, request: web.Request) -> web.Response:
        """Answer with the picture of a process."""
        key = _key(request)
        picture = self._pictures.get(key)
        if picture is None:
            picture = draw(*self._view.diagram(key))
            if len(self._pictures) >= PICTURES:
                del self._pictures[next(iter(self._pictures))]
            self._pictures[key] = picture
        return web.Response(text=picture, content_type="image/svg+xml", charset="utf-8")

    # Doing

    async def deploy(self, request: web.Request) -> web.Response:
        """Deploy diagrams: `files`, each with `name` and `content` (base64)."""
        files = (await _body(request)).get("files")
        if not isinstance(files, list) or not files:
            raise ViewError(400, "The field 'files' must be a list of diagrams.")
        return _answer(await self._view.deploy([_file(each) for each in files]))

    async def start(self, request: web.Request) -> web.Response:
        """Start an instance of `process` with `variables`."""
        body = await _body(request)
        process = _text(body, "process")
        if not _KEY.fullmatch(process):
            raise ViewError(400, "The field 'process' must be the key of a process.")
        return _answer(await self._view.start(int(process), _text(body, "variables")))

    async def cancel(self, request: web.Request) -> web.Response:
        """Cancel an instance."""
        await _body(request)
        return _answer(await self._view.cancel(_key(request)))

    async def set_variables(self, request: web.Request) -> web.Response:
        """Set `variables` in a scope."""
        return _answer(
            await self._view.set_variables(_key(request), _text(await _body(request), "variables"))
        )

    async def retry(self, request: web.Request) -> web.Response:
        """Retry an incident."""
        await _body(request)
        return _answer(await self._view.retry(_key(request)))

    async def complete(self, request: web.Request) -> web.Response:
        """Complete a job with `variables`."""
        return _answer(await self._view.complete(_key(request), _text(await _body(request), "variables")))

    async def publish(self, request: web.Request) -> web.Response:
        """Send a message: `name`, `correlationKey`, `variables`."""
        body = await _body(request)
        name = _text(body, "name")
        if not name:
            raise ViewError(400, "The field 'name' must name the message.")
        variables = _text(body, "variables")
        return _answer(await self._view.publish(name, _text(body, "correlationKey"), variables))


def refusal(status: int, sentence: str) -> web.Response:
    """Return the answer to a request that is refused."""
    return web.json_response({"error": sentence}, status=status)


def _answer(document: Json, tag: str = "") -> web.Response:
    return web.json_response(document, headers={"ETag": tag} if tag else None, dumps=_dumps)


def _changed(request: web.Request, document: Json) -> web.Response:
    """Answer with a document, or with 304 where it is the one that the page has."""
    tag = _tag(_dumps(document))
    if request.headers.get("If-None-Match") == tag:
        return web.Response(status=304, headers={"ETag": tag})
    return _answer(document, tag)


def _dumps(document: Json) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _tag(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f'"{digest[:32]}"'


def _key(request: web.Request) -> int:
    text = request.match_info["key"]
    if not _KEY.fullmatch(text):
        raise ViewError(404, "There is nothing at this address: a key is a number.")
    return int(text)


def _filter(request: web.Request) -> Filter:
    query = request.query
    show = query.get("show", "all")
    if show not in _SHOWN:
        raise ViewError(400, "The parameter 'show' must be all, incidents, active or ended.")
    most = query.get("most", "100")
    if not _KEY.fullmatch(most):
        raise ViewError(400, "The parameter 'most' must be a number.")
    find = query.get("find", "")[:LONGEST_FIND]
    return Filter(show, query.get("process", ""), find, min(int(most), MOST_LISTED))


async def _body(request: web.Request) -> Json:
    try:
        body = json.loads(await request.text())
    except (ValueError, RecursionError, LookupError):
        raise ViewError(400, "The request must be a JSON object.") from None
    if not isinstance(body, dict):
        raise ViewError(400, "The request must be a JSON object.")
    return body


def _text(body: Json, name: str) -> str:
    text = body.get(name, "")
    if not isinstance(text, str):
        raise ViewError(400, f"The field '{name}' must be a text.")
    return text


def _file(described: object) -> tuple[str, bytes]:
    if not isinstance(described, dict):
        raise ViewError(400, "Each of 'files' must have a name and a content.")
    try:
        return _text(described, "name"), base64.b64decode(_text(described, "content"), validate=True)
    except binascii.Error:
        raise ViewError(400, "The content of a file must be in base64.") from None
