"""What an endpoint's failures are called here: a caller never sees a raw one.

the graph refused the values         400 inference_rejected
waking, throttled, gone, nonsense    503 endpoint_unavailable, with Retry-After
no answer in time                    504 deadline_exceeded
answers only jobs, and this is none  501 unsupported_extension
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson

from modelet_runtime.errors import InferenceRejected, ModeletError, NotReady, UnsupportedExtension

# Codes of InvokeEndpoint after which the same request may well be answered, and how long that takes.
# Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
_RETRY_AFTER_S = {
    "ModelNotReadyException": 5,
    "ThrottlingException": 1,
    "ServiceUnavailable": 2,
    "InternalFailure": 1,
    "InternalDependencyException": 1,
}
_WAKING_S = 30
_LONGEST_TEXT = 500


class EndpointUnavailable(NotReady):
    """The endpoint cannot answer now: it wakes, is busy, is not there, or answered nonsense."""

    code = "endpoint_unavailable"


class JobNeeded(EndpointUnavailable):
    """The endpoint takes its time, so only a job can wait for it; where jobs are, the request becomes one."""

    status = 501
    code = UnsupportedExtension.code
    retryable = False

    def __init__(self) -> None:
        super().__init__("this model answers later, as a job, and jobs are not configured here")

    @property
    def headers(self) -> dict[str, str]:
        """None: it is of no use to ask again."""
        return {}


def of_response(response: Mapping[str, Any]) -> ModeletError:
    """The error for what the SageMaker runtime API answered in place of a result.

    Args:
        response: As botocore's ClientError carries it.
    """
    code = str(response.get("Error", {}).get("Code", ""))
    if code == "ModelError":
        return _of_model(int(response.get("OriginalStatusCode", 0)), str(response.get("OriginalMessage", "")))
    if code in _RETRY_AFTER_S:
        return EndpointUnavailable(f"the endpoint is not ready: {code}", _RETRY_AFTER_S[code])
    # ValidationError is what an endpoint that is being made, or has no instance, answers.
    return EndpointUnavailable(f"the endpoint cannot be asked: {code or 'no code'}", _WAKING_S)


def _of_model(status: int, message: str) -> ModeletError:
    """Triton's own error, which SageMaker wraps."""
    if status == HTTPStatus.BAD_REQUEST:
        return InferenceRejected(_text(message))
    return EndpointUnavailable(f"the model's server failed with status {status}", 1)


def of_failure(body: bytes) -> ModeletError:
    """The error for what an asynchronous endpoint left in place of an answer: the server's words, no status.

    Triton says in JSON what it makes of a request; whatever else fails on the way says it otherwise.
    """
    try:
        return InferenceRejected(str(orjson.loads(body)["error"])[:_LONGEST_TEXT])
    except (ValueError, TypeError, KeyError):
        return EndpointUnavailable("the model's server failed", 1)


def _text(message: str) -> str:
    try:
        return str(orjson.loads(message)["error"])[:_LONGEST_TEXT]
    except (ValueError, TypeError, KeyError):
        return "the graph cannot take these values"
