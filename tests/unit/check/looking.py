"""How tests run the checks, and look at what they found."""

from __future__ import annotations

import socket

from openai_connector import settings
from openai_connector.tools.check.everything import Asked, check_everything
from openai_connector.tools.check.findings import Finding, Verdict
from tests.stand_in import Answer

KEY = "sk-check-me-and-tell-nobody"
MODELS = Answer(body={"object": "list", "data": [{"id": "small"}, {"id": "large"}]})
PASSWORD = "pass-of-the-proxy"


async def found(asked: Asked | None = None) -> dict[str, Finding]:
    """Check, and return the worst finding of each check."""
    findings = await check_everything(settings.load(), asked or Asked(seconds=5))
    for finding in findings:
        assert bool(finding.advice) is (finding.verdict is not Verdict.OK), finding
        for secret in (KEY, PASSWORD):
            assert secret not in finding.as_text()
    return {one.check: one for one in sorted(findings, key=lambda one: list(Verdict).index(one.verdict))}


def failed(findings: dict[str, Finding]) -> set[str]:
    return {name for name, finding in findings.items() if finding.verdict is Verdict.FAILURE}


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
