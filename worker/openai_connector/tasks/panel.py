"""The labels that the modeler of a task sees: advice names no field that its template has not."""

from __future__ import annotations

from collections.abc import Mapping

from openai_connector.contract import (
    AZURE_PANEL,
    CUSTOM_MODEL,
    MODERATION_INPUT,
    MODERATION_MODEL,
    ORGANIZATION,
    OTHERS_KEY_LABEL,
    PANEL,
    PROJECT,
    WORKERS_BASE_URL,
    WORKERS_KEY,
)
from openai_connector.tasks.allowed_hosts import is_openai
from openai_connector.tasks.operations import Chat, Endpoint, Moderation, Operation
from openai_connector.tasks.operations.chat import CUSTOM


def panel_of(endpoint: Endpoint, operation: Operation, url: str) -> Mapping[str, str]:
    """Return the labels of a task by the names that sentences have for them.

    The template is known by the inputs that were given; an address or a key of the worker's own is named as
    its operator knows it.

    Args:
        endpoint: where and as whom the API is asked.
        operation: what is asked.
        url: the address that results.
    """
    if endpoint.azure_resource is not None:
        return AZURE_PANEL
    panel = dict(PANEL)
    if endpoint.base_url is None:
        panel["base_url"] = panel["address"] = WORKERS_BASE_URL
    if not is_openai(url):
        panel["api_key"] = OTHERS_KEY_LABEL
    if isinstance(operation, Moderation):
        panel["model"] = MODERATION_MODEL.label
        panel["by_input"] = ""
        panel["content"] = panel["less"] = MODERATION_INPUT.label
    elif isinstance(operation, Chat) and operation.model == CUSTOM:
        panel["model"] = CUSTOM_MODEL.label
    panel["place"] = f"{panel['model']} and {panel['base_url']}"
    key = WORKERS_KEY if endpoint.api_key is None else panel["api_key"]
    others = ((ORGANIZATION, endpoint.organization), (PROJECT, endpoint.project))
    panel["credentials"] = " and ".join([key, *(field.label for field, given in others if given is not None)])
    return panel
