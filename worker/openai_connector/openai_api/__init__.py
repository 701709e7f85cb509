"""How the API is asked: HTTP client, wire errors, the policy for failed calls. Knows nothing of jobs."""

from __future__ import annotations

from openai_connector.openai_api.answers import (
    PENDING,
    check_answer,
    check_final,
    check_status,
    state_of,
    telling_part,
)
from openai_connector.openai_api.client import ApiClient, encode_body
from openai_connector.openai_api.errors import (
    ApiConnectionError,
    ApiError,
    ApiResponse,
    ApiResponseError,
    ApiStatusError,
    ApiTimeoutError,
    InvalidResponseError,
)
from openai_connector.openai_api.proxies import Proxies, ProxyError
from openai_connector.openai_api.waits import allowances
from openai_connector.openai_api.words import is_error, is_failed_choice, plain

__all__ = [
    "PENDING",
    "ApiClient",
    "ApiConnectionError",
    "ApiError",
    "ApiResponse",
    "ApiResponseError",
    "ApiStatusError",
    "ApiTimeoutError",
    "InvalidResponseError",
    "Proxies",
    "ProxyError",
    "allowances",
    "check_answer",
    "check_final",
    "check_status",
    "encode_body",
    "is_error",
    "is_failed_choice",
    "plain",
    "state_of",
    "telling_part",
]
