"""Which servers are told what other systems noted in a trace: those of one's own, and no others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_connector.observe.tracing.own import is_own


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8000",
        "LocalHost.",
        "model.localhost",
        "127.0.0.1:11434",
        "127.8.9.10",
        "[::1]:8080",
        "10.1.2.3",
        "172.16.0.1:80",
        "192.168.1.1",
        "[fd00::1]:8080",
        "[fe80::1]",
        "[::ffff:10.0.0.1]",
        "vllm",
        "vllm:8000",
        "gateway_2:80",
        "gpu-1.local",
        "llm.corp.internal",
        "vllm.models.svc",
        "vllm.models.svc.cluster.local:8000",
    ],
)
def test_own_servers(host: str) -> None:
    """This machine, private addresses, and names that no public server can have."""
    assert is_own(host)


@pytest.mark.parametrize(
    "host",
    [
        "api.openai.com",
        "openrouter.ai",
        "api.mistral.ai:443",
        "x.openai.azure.com",
        "x.cognitiveservices.azure.com",
        "x.services.ai.azure.com",
        "llm.example.com",
        "internal.example.com",
        "svc.com",
        "notlocal.ai",
        "my-internal.dev",
        "8.8.8.8",
        "172.32.0.1",
        "[2001:4860:4860::8888]:443",
        "[::ffff:8.8.8.8]",
        "134744072",
        "0x08080808",
        "api。openai。com",
        "api%2Eopenai%2Ecom",
        ".local",
        "",
        ":80",
        "[::1",
        "[::1].example.com",
        "vllm#.example.com",
        "vllm:x.example.com",
        "vllm@example.com",
    ],
)
def test_servers_of_others(host: str) -> None:
    """A name in the public tree, a public address however it is written, and what is no host."""
    assert not is_own(host)


@given(host=st.text())
def test_any_text(host: str) -> None:
    """Whatever stands for a host, it is answered; a name in the public tree is never one's own."""
    assert is_own(host) in (True, False)
    assert not is_own(f"{host}.com")
