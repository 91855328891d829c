"""Asynchronous calls of the SageMaker runtime API: the request goes there, the answer comes to S3."""

from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from modelet_runtime.endpoint import api
from modelet_runtime.endpoint.client import Reply
from modelet_runtime.endpoint.faults import EndpointUnavailable, of_response

# What a request may carry itself; a larger one is read from S3.
# Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpointAsync.html
INLINE_BYTES = 128_000
_INPUTS = "endpoint/in"
# A job is worked again if these calls fail, and the caller of a twin waits for one of them at times.
_CONNECT_S, _READ_S, _ATTEMPTS = 2.0, 5.0, 2
_ABSENT = frozenset({"NoSuchKey", "404"})


@dataclass(frozen=True, slots=True)
class Places:
    """Where what becomes of a request will be.

    Attributes:
        output: URI of the answer.
        failure: URI of what the model's server says if it fails.
    """

    output: str
    failure: str


class Queue(Protocol):
    """Takes requests and keeps what became of them."""

    def submit(self, inference: str, body: bytes, media_type: str, timeout_s: int) -> Places:
        """Hand a request over.

        Args:
            inference: Its id, which notifications name.
            body: As the model's server takes it.
            media_type: Of the body.
            timeout_s: How long the model's server may take for it.

        Raises:
            EndpointUnavailable: (503) The endpoint takes none now.
        """
        ...

    def read(self, uri: str) -> Reply | None:
        """What is at a place; None if nothing is.

        Raises:
            EndpointUnavailable: (503) Nobody can say.
        """
        ...


class SageMakerQueue:
    """Hands over by `InvokeEndpointAsync`.

    It has no way to name one of several models, so an asynchronous endpoint has one.

    Args:
        endpoint: Its name.
        bucket: Where large requests go; without one none can.
        runtime: A client of SageMaker's runtime API.
        s3: A client of S3.
        inline_bytes: The largest request that goes without S3.
    """

    def __init__(
        self, endpoint: str, bucket: str | None, runtime: Any, s3: Any, inline_bytes: int = INLINE_BYTES
    ) -> None:
        self._endpoint = endpoint
        self._bucket = bucket
        self._runtime = runtime
        self._s3 = s3
        self._inline_bytes = inline_bytes

    @classmethod
    def of(cls, endpoint: str, bucket: str | None) -> "SageMakerQueue":
        """Of an endpoint in the function's account."""
        runtime, s3 = (
            api.client(name, _CONNECT_S, _READ_S, _ATTEMPTS) for name in ("sagemaker-runtime", "s3")
        )
        return cls(endpoint, bucket, runtime, s3)

    def submit(self, inference: str, body: bytes, media_type: str, timeout_s: int) -> Places:
        """Hand a request over, by way of S3 if it is large."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        try:
            answer = self._runtime.invoke_endpoint_async(
                EndpointName=self._endpoint,
                InferenceId=inference,
                ContentType=media_type,
                Accept=media_type.partition(";")[0],
                InvocationTimeoutSeconds=timeout_s,
                **self._content(inference, body, media_type),
            )
            return Places(answer["OutputLocation"], answer["FailureLocation"])
        except ClientError as error:
            raise of_response(error.response) from error
        except BotoCoreError as error:
            raise EndpointUnavailable(f"the endpoint cannot be reached: {type(error).__name__}") from error

    def read(self, uri: str) -> Reply | None:
        """Get the object at a URI."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        place = urlsplit(uri)
        try:
            found = self._s3.get_object(Bucket=place.netloc, Key=place.path.removeprefix("/"))
            return Reply(found["Body"].read(), found["ContentType"])
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _ABSENT:
                return None
            raise EndpointUnavailable("the endpoint's answers cannot be read now") from error
        except BotoCoreError as error:
            raise EndpointUnavailable("the endpoint's answers cannot be read now") from error

    def _content(self, inference: str, body: bytes, media_type: str) -> dict[str, Any]:
        if len(body) <= self._inline_bytes:
            return {"Body": body}
        if self._bucket is None:
            raise EndpointUnavailable("there is no bucket for a request of this size")
        key = f"{_INPUTS}/{inference}"
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType=media_type)
        return {"InputLocation": f"s3://{self._bucket}/{key}"}
