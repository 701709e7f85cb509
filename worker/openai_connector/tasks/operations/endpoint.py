"""Where and as whom the API is asked: the inputs that all operations share."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BeforeValidator

from openai_connector import contract, wording
from openai_connector.tasks.operations.fields import (
    Given,
    Inputs,
    Shown,
    choice,
    declared,
    is_given,
    line,
    read_line,
    seconds,
    violation,
)
from openai_connector.tasks.secrets import PLACEHOLDER, filled

AUTHENTICATION = "authentication"
BASE_URL_PATTERN = rf"https?://.+|{PLACEHOLDER}.*"
"""What Modeler takes as a base URL: the whole, or any part, may be a secret."""
REACTIONS = {contract.FAIL: "Incident", contract.BPMN_ERROR: "BPMN error"}
_RESOURCE = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,62}[a-zA-Z0-9])?")  # one label of a host name


def _read_resource(value: Any) -> str | None:
    if not is_given(value):
        return None
    name = read_line(value)
    if not is_resource(filled(name, lambda _: "secret")):
        raise violation(wording.AZURE_RESOURCE())
    return name


def is_resource(name: str) -> bool:
    """Check whether a name can be that of an Azure resource: nothing in it leads to another host."""
    return _RESOURCE.fullmatch(name) is not None


class Endpoint(Inputs):
    """The API's address and credentials; secrets are resolved in these inputs and in no others.

    The timeout is for the whole call. Azure's three inputs belong together: they make the address
    `https://<resource>.openai.azure.com/openai/deployments/<deployment>/…?api-version=<version>`. An address,
    or any part of it, may be a secret.
    """

    api_key: Annotated[
        str | None,
        line,
        Shown(
            AUTHENTICATION,
            description="A secret: <code>{{secrets.OPENAI_API_KEY}}</code>. Empty: the worker's own key",
            placeholder="{{secrets.OPENAI_API_KEY}}",
        ),
    ] = declared(contract.API_KEY, repr=False)
    organization: Annotated[
        str | None,
        line,
        Shown(
            AUTHENTICATION,
            description="Only if the key is for several organizations, for example <code>org-abc123</code>",
        ),
    ] = declared(contract.ORGANIZATION)
    project: Annotated[
        str | None,
        line,
        Shown(
            AUTHENTICATION,
            description="Only if the key is for several projects, for example <code>proj_abc123</code>",
        ),
    ] = declared(contract.PROJECT)
    base_url: Annotated[
        str | None,
        line,
        Shown(
            AUTHENTICATION,
            description="Only for another API than the worker's own, for example "
            "<code>https://llm.example.com/v1</code>",
            pattern=BASE_URL_PATTERN,
            pattern_message="must begin with https:// or http://",
        ),
    ] = declared(contract.BASE_URL)
    azure_resource: Annotated[str | None, BeforeValidator(_read_resource)] = declared(contract.AZURE_RESOURCE)
    azure_deployment: Annotated[str | None, line] = declared(contract.AZURE_DEPLOYMENT)
    azure_api_version: Annotated[str | None, line] = declared(contract.AZURE_API_VERSION)
    timeout: Annotated[
        float | None,
        seconds,
        Shown(
            "retries",
            description="How long to wait for the answer, for example <code>PT2M</code> (2 minutes). Empty: "
            "the worker's own, 3 minutes unless set otherwise",
            placeholder="PT3M",
            pattern=r"[Pp][0-9A-Za-z.,]+|[0-9]+(\.[0-9]+)?",
            pattern_message="must be a duration such as PT30S or PT5M, or seconds",
        ),
    ] = declared(contract.TIMEOUT)
    budget_exceeded: Annotated[
        str | None,
        choice(REACTIONS),
        Shown(
            "retries",
            kind="Dropdown",
            choices=REACTIONS,
            feel=None,
            description="Only where the worker has budgets. BPMN error: caught by a boundary event with "
            "the code <code>BUDGET_EXCEEDED</code>. Empty: an incident that says whether waiting helps",
        ),
    ] = declared(contract.OVER_BUDGET)

    @classmethod
    def contradictions(cls, given: Given) -> Iterator[str]:
        """Yield which of Azure's inputs is missing, and that a base URL does not go with them."""
        azure = [name for name in _AZURE if name in given]
        if azure:
            for name in _AZURE:
                if name not in given:
                    yield wording.AZURE_REQUIRED(label=cls.model_fields[name].title, but=given.but(name))
            if "base_url" in given:
                yield wording.AZURE_OR_URL(base_url=contract.BASE_URL.label)


_AZURE = ("azure_resource", "azure_deployment", "azure_api_version")

SECRET_INPUTS = (
    contract.BASE_URL.name,
    contract.AZURE_RESOURCE.name,
    contract.AZURE_DEPLOYMENT.name,
    contract.AZURE_API_VERSION.name,
    contract.API_KEY.name,
    contract.ORGANIZATION.name,
    contract.PROJECT.name,
)
"""The inputs in which secrets are resolved. Never in prompts or histories: a user's text must not pull a
secret."""
