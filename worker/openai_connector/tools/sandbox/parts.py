"""What the commands start: the small model as a child process, and a worker of this connector."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Set
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from openai_connector.tools.sandbox.api import Api, prepare, reach_this_machine_directly
from openai_connector.tools.sandbox.worker import Worker, without

if TYPE_CHECKING:
    from openai_connector.settings import Settings
    from openai_connector.tools.demo.model import ModelServer

UNKNOWN_ENGINE = "127.0.0.1:26500"
"""Stands for the engine's address until it is started."""
SMALL_MODEL = Api("http://127.0.0.1:1/v1", "demo", is_small_model=True)
"""Stands for the small model until its port is known."""

STORE_FOLDER = "store"
STORE_HOLDS = "answers, until the engine has acknowledged them"


class Parts:
    """Starts parts; the stack ends them in reverse order."""

    def __init__(self, stack: AsyncExitStack) -> None:
        """Hold the stack that ends everything."""
        self._stack = stack
        self._folder: Path | None = None

    @property
    def folder(self) -> Path:
        """A folder for logs and for a store; the stack removes it."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="openai-connector-"))
            self._stack.callback(shutil.rmtree, self._folder, ignore_errors=True)
        return self._folder

    def start_model(self, api_key: str = "") -> ModelServer:
        """Start to load the small model; `ready` waits for it.

        Raises:
            ModelError: a package is missing.
        """
        from openai_connector.tools.demo.model import ModelServer, check_installed

        check_installed()
        model = ModelServer(self.folder / "model.log", api_key=api_key)
        self._stack.callback(model.close)
        model.start()
        return model

    def with_store(self, settings: Settings, data: Path | None = None) -> Settings:
        """Return settings with a store beside the engine's data, unless they name one.

        Args:
            settings: of the worker.
            data: the engine's folder; None: the stack removes the store.
        """
        if settings.store is not None:
            return settings
        from pydantic import SecretStr

        folder = (data or self.folder).absolute() / STORE_FOLDER
        return settings.model_copy(update={"store": SecretStr(str(folder))})

    def start_worker(self, settings: Settings, address: str, answered: Set[str] = frozenset()) -> Worker:
        """Start a worker that leaves some job types to others.

        Args:
            settings: of the worker.
            address: of its engine; empty: where the settings say.
            answered: the types that others do.
        """
        if address:
            settings = settings.model_copy(update={"zeebe_address": f"http://{address}"})
        worker = Worker(without(settings, answered))
        self._stack.push_async_callback(worker.stop)
        worker.start()
        return worker


async def ready(model: ModelServer) -> None:
    """Wait until the small model answers.

    Raises:
        ModelError: it ended, or did not answer in time.
    """
    await asyncio.to_thread(model.wait_until_ready)


def load_settings(api: Api | None) -> Settings:
    """Read the worker's settings from the environment, for this API and the local engine.

    Logs go to standard error, errors only unless the environment says otherwise.

    Args:
        api: None stands for the small model.

    Raises:
        SettingsError: one of them is wrong.
    """
    from openai_connector import settings
    from openai_connector.observe.logs import configure

    reach_this_machine_directly()
    prepare(os.environ, api or SMALL_MODEL, UNKNOWN_ENGINE)
    loaded = settings.load()
    configure(loaded.log_level if "CONNECTOR_LOG_LEVEL" in os.environ else "ERROR", loaded.log_format)
    return loaded


def asking(settings: Settings, model: ModelServer) -> Settings:
    """Return settings with which the worker asks the small model."""
    return settings.model_copy(update={"base_url": model.base_url})
