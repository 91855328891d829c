"""One call of the SageMaker runtime API, by botocore, that ends when its time is up."""

from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from dataclasses import dataclass
from typing import Any, Protocol

from modelet_runtime.endpoint import api
from modelet_runtime.endpoint.faults import EndpointUnavailable, of_response
from modelet_runtime.errors import DeadlineExceeded

_CONNECT_S = 2.0
# Real-time endpoints answer within 60 s or not at all.
_LONGEST_S = 60.0
# botocore has one timeout per client, and for each read alone. A call therefore has a thread of its own,
# which is left to its end when the request's time is up; more than a few of them mean that nobody answers.
_THREADS = 8


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back.

    Attributes:
        body: As the model's server wrote it.
        media_type: Of the body.
    """

    body: bytes
    media_type: str


class Client(Protocol):
    """Asks an endpoint once."""

    def invoke(self, body: bytes, media_type: str, timeout_s: float) -> Reply:
        """Send a request and wait for the answer.

        Raises:
            InferenceRejected: (400) The graph refused the values.
            EndpointUnavailable: (503) The endpoint cannot answer now.
            DeadlineExceeded: (504) `timeout_s` passed.
        """
        ...


class SageMakerClient:
    """Asks by `InvokeEndpoint`.

    Args:
        endpoint: Its name.
        model: The model on an endpoint that has several, as a folder of its repository.
        url: Of the API, if it is not AWS's.
    """

    def __init__(self, endpoint: str, model: str | None = None, url: str | None = None) -> None:
        # Retries are ours: botocore's know nothing of the request's deadline.
        self._api = api.client("sagemaker-runtime", _CONNECT_S, _LONGEST_S, url=url)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="modelet-endpoint")
        self._fixed: dict[str, Any] = {"EndpointName": endpoint}
        if model is not None:
            self._fixed["TargetModel"] = model

    def invoke(self, body: bytes, media_type: str, timeout_s: float) -> Reply:
        """Send a request and wait for the answer."""
        call = self._threads.submit(self._call, body, media_type)
        try:
            return call.result(timeout_s)
        except Late:
            call.cancel()
            raise DeadlineExceeded("the endpoint gave no answer in time") from None

    def _call(self, body: bytes, media_type: str) -> Reply:
        from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError  # noqa: PLC0415

        accept = media_type.partition(";")[0]
        try:
            answer = self._api.invoke_endpoint(
                **self._fixed, Body=body, ContentType=media_type, Accept=accept
            )
            return Reply(answer["Body"].read(), answer["ContentType"])
        except ClientError as error:
            raise of_response(error.response) from error
        except ReadTimeoutError as error:
            raise DeadlineExceeded("the endpoint gave no answer in time") from error
        except BotoCoreError as error:
            raise EndpointUnavailable(f"the endpoint cannot be reached: {type(error).__name__}") from error
