"""The models that OpenAI lists against those that the templates offer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from openai_connector.contract import DEFAULT_BASE_URL
from openai_connector.openai_api import ApiResponse
from openai_connector.tasks.operations.models import CHAT_MODEL_CHOICES
from openai_connector.tools.check.api import check_api
from openai_connector.tools.check.findings import Verdict
from tests.make import FakeApi

NAMES = list(CHAT_MODEL_CHOICES)


class Listing(FakeApi):
    """Answers with a list of models, without a network: the name of OpenAI's host decides what is said."""

    def __init__(self, models: list[Any]) -> None:
        self.models = models

    async def send(
        self, method: str, url: str, *, body: bytes | None, headers: Mapping[str, str], timeout: timedelta
    ) -> ApiResponse:
        return ApiResponse(200, {}, {"data": self.models})


@pytest.mark.parametrize(
    ("models", "verdict", "named"),
    [
        pytest.param([{"id": name} for name in NAMES], Verdict.OK, "", id="all"),
        pytest.param([{"id": name} for name in NAMES[1:]], Verdict.WARNING, NAMES[0], id="one is not open"),
        pytest.param([], Verdict.WARNING, NAMES[-1], id="none"),
        pytest.param(
            [{"id": name, "shutdown_date": "2031-02-03"} for name in NAMES],
            Verdict.WARNING,
            "2031-02-03",
            id="ends",
        ),
        pytest.param(
            [{"id": name, "shutdown_date": None} for name in NAMES] + [3, {"id": 4}],
            Verdict.OK,
            "",
            id="odd entries",
        ),
    ],
)
async def test_models_of_the_templates(models: list[Any], verdict: Verdict, named: str) -> None:
    """A model that is not open to the key, or whose end the API announces, is warned of by its name."""
    found = await check_api(Listing(models), DEFAULT_BASE_URL, "sk-test", 1)
    about = [one for one in found if one.check == "models"]
    assert {one.verdict for one in about} >= {verdict}
    assert named in " ".join(one.message for one in about)
