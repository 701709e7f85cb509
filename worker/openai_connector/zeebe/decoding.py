"""An activated job as the engine sends it, turned into a `Job`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from openai_connector import wording
from openai_connector.document import NestedTooDeepError, parse_json
from openai_connector.job import Job

if TYPE_CHECKING:
    from pyzeebe.proto.gateway_pb2 import ActivatedJob


class DecodeError(ValueError):
    """The job's variables or headers are not what the engine promises.

    The message holds none of their values.
    """


def decode_job(raw: ActivatedJob) -> Job:
    """Decode a job.

    Raises:
        DecodeError: variables or task headers are not a JSON object, or nested too deeply to be read.
    """
    headers = _object("task headers", raw.customHeaders)
    for value in headers.values():
        if not isinstance(value, str):
            raise DecodeError(wording.DATA_NO_TEXTS())
    return _job(raw, headers, _object("variables", raw.variables))


def bare_job(raw: ActivatedJob) -> Job:
    """Return a job without headers and variables: enough to report an outcome."""
    return _job(raw, {}, {})


def _job(raw: ActivatedJob, headers: Mapping[str, str], variables: Mapping[str, Any]) -> Job:
    return Job(
        key=raw.key,
        type=raw.type,
        process_instance_key=raw.processInstanceKey,
        process_definition_key=raw.processDefinitionKey,
        bpmn_process_id=raw.bpmnProcessId,
        element_id=raw.elementId,
        element_instance_key=raw.elementInstanceKey,
        retries=raw.retries,
        tenant_id=raw.tenantId,
        headers=headers,
        variables=variables,
    )


def _object(what: str, text: str) -> dict[str, Any]:
    try:
        value = parse_json(text) if text else {}
    except NestedTooDeepError:
        raise DecodeError(wording.DATA_TOO_DEEP(what=what)) from None
    except ValueError:
        raise DecodeError(wording.DATA_NO_JSON(what=what)) from None
    if not isinstance(value, dict):
        raise DecodeError(wording.DATA_NO_OBJECT(what=what))
    return value
