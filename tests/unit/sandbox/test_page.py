"""Starting the page: its port, and an installation without it."""

from __future__ import annotations

import errno
import sys
from types import ModuleType
from typing import Any

import pytest

from openai_connector.tools.sandbox import page


async def test_a_port_that_is_taken_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names the port and both ways out."""

    async def start(_server: Any, *, port: int, data: Any) -> Any:
        raise OSError(errno.EADDRINUSE, "Address already in use")

    module = ModuleType(page.SERVER)
    vars(module)["start"] = start
    monkeypatch.setitem(sys.modules, page.SERVER, module)
    said = r"127\.0\.0\.1:26580 \(Address already in use\): give another port with --web-port, or .*--no-web"
    with pytest.raises(page.PageError, match=said):
        await page.start(None, port=26580, data=None)  # type: ignore[arg-type]


def test_an_installation_may_lack_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the page's package there is no page, and no error."""
    monkeypatch.setattr(page, "SERVER", "openai_connector.tools.sandbox.nowhere.server")
    assert not page.is_there()
