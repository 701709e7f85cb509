"""What the API's answer means for another attempt: transient, rate-limited or permanent.

One classification: the status; then the error's own code, wherever it stands; then hints to wait, wherever
they stand. One table, in the docs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from openai_connector.job import Recovery
from openai_connector.openai_api.errors import ApiResponse
from openai_connector.openai_api.waits import wait_asked
from openai_connector.openai_api.words import Said, plain, said_in, said_in_answer

_BILLING: Final = (
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
    "credit_balance_exhausted",
    "project_spend_limit_exceeded",
    "organization_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
)
CODES: Final[Mapping[str, Recovery]] = {
    **dict.fromkeys(_BILLING, Recovery.PERMANENT),
    "model_not_found": Recovery.PERMANENT,
    "context_length_exceeded": Recovery.PERMANENT,
    "content_filter": Recovery.PERMANENT,
    "conversation_locked": Recovery.RATE_LIMITED,
    "slow_down": Recovery.RATE_LIMITED,
    "model_loading": Recovery.RATE_LIMITED,
    "request_too_large": Recovery.PERMANENT,
    "invalid_image": Recovery.PERMANENT,
    "data_residency_mismatch": Recovery.PERMANENT,
}
"""Codes of the API's errors that tell more than the status, whatever it is."""

OTHER_NAMES: Final[Mapping[str, str]] = {
    "billing_limit_reached": "billing_hard_limit_reached",
    "exceeded_current_quota_error": "insufficient_quota",
    "insufficient_user_quota": "insufficient_quota",
    "DeploymentNotFound": "model_not_found",
    "model_not_available": "model_not_found",
    "ModelNotFoundError": "model_not_found",
    "ContextWindowExceededError": "context_length_exceeded",
    "exceed_context_size_error": "context_length_exceeded",
    "content_policy_violation": "content_filter",
    "ResponsibleAIPolicyViolation": "content_filter",
    "moderation_blocked": "content_filter",
    "misalignment_policy_violation": "content_filter",
    "invalid_prompt": "content_filter",
    "bio_policy": "content_filter",
    "image_content_policy_violation": "content_filter",
    **dict.fromkeys(
        (
            "invalid_image_format", "invalid_base64_image", "invalid_image_url", "image_too_large",
            "image_too_small", "image_parse_error", "invalid_image_mode", "image_file_too_large",
            "unsupported_image_media_type", "empty_image_file", "failed_to_download_image",
            "image_file_not_found",
        ),
        "invalid_image",
    ),
}  # fmt: skip
"""Codes that mean the same as one of `CODES`."""

NAMES: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        (
            "rate_limit_exceeded", "rate_limit_error", "RateLimitReached", "RateLimitError", "rate_limited",
            "rate_limit", "userRateLimitExceeded", "RESOURCE_EXHAUSTED", "too_many_requests",
            "TooManyRequestsException", "ThrottlingException", "Throttling", "throttled", "throttling_error",
            "Throttling.RateQuota", "Throttling.AllocationQuota",
            "LimitExceededException", "limit_requests", "limit_burst_rate", "QuotaViolation",
            "policies.ratelimit.QuotaViolation", "usage_limit_reached", "resource_unavailable",
            "flex_unavailable", "requests", "tokens",
        ),
        "429",
    ),
    **dict.fromkeys(
        (
            "overloaded_error", "overloaded", "engine_overloaded", "engine_overloaded_error",
            "server_is_overloaded", "server_overloaded", "service_unavailable", "service_unavailable_error",
            "ServiceUnavailableException", "unavailable_error", "UNAVAILABLE", "ModelNotReadyException",
            "capacity_exceeded", "over_capacity",
        ),
        "503",
    ),
    **dict.fromkeys(
        (
            "server_error", "internal_server_error", "internal_error", "InternalServerException",
            "InternalFailure", "INTERNAL", "api_error", "upstream_error", "bad_gateway", "generation",
        ),
        "5xx",
    ),
    **dict.fromkeys(("DEADLINE_EXCEEDED", "timeout", "timeout_error", "ModelTimeoutException"), "504"),
    **dict.fromkeys(("ABORTED", "conflict_error", "ConflictException"), "409"),
    "request_timeout": "408",
    **dict.fromkeys(
        (
            "invalid_api_key", "authentication_error", "invalid_authentication_error", "UNAUTHENTICATED",
            "API_KEY_INVALID", "UnrecognizedClientException", "unauthorized", "invalid_token",
        ),
        "401",
    ),
    **dict.fromkeys(("insufficient_credits", "insufficient_balance", "payment_required"), "402"),
    **dict.fromkeys(
        (
            "permission_error", "permission_denied", "PERMISSION_DENIED", "AccessDeniedException",
            "access_denied", "forbidden", "unsupported_country_region_territory",
        ),
        "403",
    ),
    **dict.fromkeys(
        ("not_found_error", "NotFoundError", "not_found", "ResourceNotFoundException"), "404"
    ),
    **dict.fromkeys(
        (
            "invalid_request_error", "INVALID_ARGUMENT", "FAILED_PRECONDITION", "ValidationException",
            "invalid_value", "unsupported_value", "unsupported_parameter", "unknown_parameter",
            "bad_request", "BadRequestError",
        ),
        "4xx",
    ),
}  # fmt: skip
"""Codes and types that mean the same as a status, as `STATUSES` has them."""

STATUSES: Final[Mapping[str, Recovery]] = {
    "401": Recovery.PERMANENT,
    "402": Recovery.PERMANENT,
    "403": Recovery.PERMANENT,
    "404": Recovery.PERMANENT,
    "405": Recovery.PERMANENT,
    "407": Recovery.PERMANENT,
    "408": Recovery.TRANSIENT,
    "409": Recovery.TRANSIENT,
    "413": Recovery.PERMANENT,
    "423": Recovery.TRANSIENT,
    "424": Recovery.TRANSIENT,
    "425": Recovery.TRANSIENT,
    "429": Recovery.TRANSIENT,
    "449": Recovery.TRANSIENT,
    "460": Recovery.TRANSIENT,
    "498": Recovery.TRANSIENT,
    "499": Recovery.TRANSIENT,
    "4xx": Recovery.PERMANENT,
    "503": Recovery.TRANSIENT,
    "504": Recovery.TRANSIENT,
    "524": Recovery.TRANSIENT,
    "5xx": Recovery.TRANSIENT,
}
"""The HTTP status, where no code tells more."""

OLD_NUMBERS: Final[Mapping[int, int]] = {420: 429, 430: 429}
"""Statuses that servers used before there was a number, or still use instead."""

WAIT_STATUSES: Final = (429, 503)
"""With a hint to wait that can be read, these are rate limits: no retry is lost."""

GENERAL: Final = ("4xx", "403")
"""Statuses that servers use for so much that the error's own code is asked what it is."""

EXACT: Final = ("402", "407", "413")
"""Statuses that tell more than a code which says that a rate limit is reached."""

_BY_PLAIN_CODE = {plain(name): name for name in CODES} | {
    plain(name): code for name, code in OTHER_NAMES.items()
}
_BY_PLAIN_NAME = {plain(name): status for name, status in NAMES.items()}
_LOADING = re.compile(r"\bmodel\b.{0,200}\bloading\b|\bloading\b.{0,40}\bmodel\b", re.IGNORECASE)
_LIMIT = re.compile(
    r"\blimit:?\s{0,3}(\d[\d,]{0,14})\b.{0,100}?\brequested:?\s{0,3}(\d[\d,]{0,14})(?![\w:/-]|[.,]\d)",
    re.IGNORECASE,
)


class Classified(NamedTuple):
    """What a response that is no answer means."""

    recovery: Recovery
    reason: str
    """The key of `CODES` or `STATUSES` that it was found by, or of another reason in `wording.ADVICE`."""
    wait: timedelta | None
    """How long the API asked to wait."""


def classify(response: ApiResponse, now: datetime | None = None) -> Classified:
    """Return what a response that is no answer means.

    Below 400 an error in the body decides: its own number or name counts as the status.
    """
    said = said_in(response.body) if response.status >= 400 else said_in_answer(response.body)
    status = _status(response, said)
    code = _code(said, status)
    asked = wait_asked(response.headers, said, now)
    if code is not None:
        recovery = CODES[code]
        wait = None if recovery is Recovery.PERMANENT else asked
        return Classified(recovery, code, wait)
    if status is None:
        return Classified(Recovery.PERMANENT, "error_in_success", None)
    recovery = _as_the_api_says(response, STATUSES[status], asked)
    if recovery is Recovery.PERMANENT:
        is_refused = response.status == 407 and response.is_proxy_told
        return Classified(recovery, "proxy_password" if is_refused else status, None)
    if asked is not None and status in map(str, WAIT_STATUSES):
        recovery = Recovery.RATE_LIMITED
    return Classified(recovery, status, asked)


def _status(response: ApiResponse, said: Said) -> str | None:
    """Return the key of `STATUSES` for a response; None for a success whose body does not say."""
    numbers = [_key(number) for number in said.numbers if 400 <= number <= 599]
    types = _known(said.types, _BY_PLAIN_NAME)
    if response.status >= 400:
        types = [name for name in types if name != "5xx"]  # such as "api_error", whatever happened
    names = [*_known(said.codes, _BY_PLAIN_NAME), *numbers, *types]
    told = next((name for name in names if name not in ("4xx", "5xx")), names[0] if names else None)
    if response.status < 400:
        return told
    status = _key(response.status)
    if status in GENERAL:
        return status if told in (None, "4xx") else told
    # A gateway's own status around a rate limit behind it.
    return told if told == "429" and status not in EXACT else status


def _key(status: int) -> str:
    status = OLD_NUMBERS.get(status, status)
    if str(status) in STATUSES:
        return str(status)
    return "5xx" if status >= 500 else "4xx"


def _code(said: Said, status: str | None) -> str | None:
    """Return the key of `CODES` that an error says: by its code, else by its type, else by its words."""
    coded = _known(said.codes, _BY_PLAIN_CODE)
    if not coded and not _known(said.codes, _BY_PLAIN_NAME):
        coded = _known(said.types, _BY_PLAIN_CODE)
    if coded:
        return coded[0]
    if status == "503" and any(map(_LOADING.search, said.texts)):
        return "model_loading"
    if status == "429" and any(map(_is_alone_too_large, said.texts)):
        return "request_too_large"
    return None


def _known(names: Iterable[str], known: Mapping[str, str]) -> list[str]:
    """Return what names mean, of those that are known; a namespace before # and a suffix are left out."""
    plains = (plain(re.sub(r"^.*#|:.*$", "", name)) for name in names)
    return [known[name] for name in plains if name in known]


def _is_alone_too_large(text: str) -> bool:
    """Check whether one request asks for more than the limit of a minute: no wait can help it."""
    found = _LIMIT.search(text)
    if found is None:
        return False
    limit, requested = (int(digits.replace(",", "")) for digits in found.groups())
    return requested > limit


def _as_the_api_says(response: ApiResponse, recovery: Recovery, asked: timedelta | None) -> Recovery:
    """Follow `x-should-retry`, as OpenAI's own clients do; a wait that is told speaks against "false"."""
    match response.header("x-should-retry").strip().lower():
        case "true":
            return Recovery.TRANSIENT if recovery is Recovery.PERMANENT else recovery
        case "false" if asked is None:
            return Recovery.PERMANENT
        case _:
            return recovery
