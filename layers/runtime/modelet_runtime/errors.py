"""Everything that can go wrong, as one tree.

Errors know their HTTP status, but nothing of HTTP: `http.failures` turns them into responses, the
batch function into failed rows.

    ModeletError                       500 internal
    ├── ClientError                    400 bad_request       the caller can mend it
    │   ├── InvalidRequest             400 invalid_request   malformed JSON, header or parameter
    │   ├── UnknownTensor              400 unknown_tensor
    │   ├── MissingTensor              400 missing_tensor
    │   ├── DatatypeMismatch           400 datatype_mismatch
    │   ├── ShapeMismatch              400 shape_mismatch
    │   ├── LengthMismatch             400 length_mismatch
    │   ├── InferenceRejected          400 inference_rejected  the graph cannot take these values
    │   ├── Unauthorized               401 unauthorized
    │   ├── Forbidden                  403 forbidden
    │   ├── NotFound                   404 not_found         route, model, version or alias
    │   ├── MethodNotAllowed           405 method_not_allowed
    │   ├── NotAcceptable              406 not_acceptable
    │   ├── Conflict                   409 conflict          an idempotency key with two requests
    │   ├── PayloadTooLarge            413 payload_too_large
    │   ├── UnsupportedMediaType       415 unsupported_media_type
    │   ├── UnsupportedEncoding        415 unsupported_encoding
    │   └── TooManyRequests            429 too_many_requests
    ├── UnsupportedExtension           501 unsupported_extension
    ├── NotReady                       503 not_ready
    ├── DeadlineExceeded               504 deadline_exceeded
    ├── InferenceFailed                500 inference_failed  ONNX Runtime's own fault
    └── ArtifactError                  500 artifact_error    the deployed artifact or library is unusable
"""

from collections.abc import Iterable, Sequence
from typing import ClassVar


class ModeletError(Exception):
    """Base of all errors modelet raises; its text is safe to show to a caller."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False

    @property
    def details(self) -> dict[str, object]:
        """Machine-readable particulars, JSON-serialisable; empty when there are none."""
        return {}

    @property
    def headers(self) -> dict[str, str]:
        """HTTP headers the answer should carry, such as `Retry-After`."""
        return {}


class ClientError(ModeletError):
    """The request is at fault; the same request will fail again."""

    status = 400
    code = "bad_request"


class InvalidRequest(ClientError):
    """The body, a header or a parameter does not have the form the protocol asks for."""

    code = "invalid_request"

    def __init__(self, field: str, expected: str, actual: str) -> None:
        super().__init__(f"{field}: expected {expected}, got {actual}")
        self._details: dict[str, object] = {"field": field, "expected": expected, "actual": actual}

    @property
    def details(self) -> dict[str, object]:
        """The field at fault, what was expected and what came."""
        return self._details


class UnknownTensor(ClientError):
    """A request names an input or output the model does not have."""

    code = "unknown_tensor"

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        super().__init__(f"unknown {kind} '{name}': the model has {', '.join(names) or 'none'}")
        self._details: dict[str, object] = {"field": kind, "expected": names, "actual": name}

    @property
    def details(self) -> dict[str, object]:
        """Whether an input or output was meant, the names there are, and the one that came."""
        return self._details


class MissingTensor(ClientError):
    """A request leaves out an input the model needs."""

    code = "missing_tensor"

    def __init__(self, name: str, given: Iterable[str]) -> None:
        names = sorted(given)
        super().__init__(f"input '{name}' is missing: got {', '.join(names) or 'no inputs'}")
        self._details: dict[str, object] = {"field": "inputs", "expected": name, "actual": names}

    @property
    def details(self) -> dict[str, object]:
        """The input that is missing and those that came."""
        return self._details


class _TensorMismatch(ClientError):
    """A tensor differs from what the model's signature or the tensor's own header says."""

    _subject: ClassVar[str]

    def __init__(self, tensor: str, expected: object, actual: object) -> None:
        super().__init__(f"tensor '{tensor}': expected {self._subject} {expected}, got {actual}")
        self._details: dict[str, object] = {"field": tensor, "expected": expected, "actual": actual}

    @property
    def details(self) -> dict[str, object]:
        """The tensor, and the expected and actual property of it."""
        return self._details


class DatatypeMismatch(_TensorMismatch):
    """A tensor's datatype, or a value in its data, is not the one expected."""

    code = "datatype_mismatch"
    _subject = "datatype"


class ShapeMismatch(_TensorMismatch):
    """A tensor's shape does not fit the signature."""

    code = "shape_mismatch"
    _subject = "shape"

    def __init__(self, tensor: str, expected: Sequence[int] | str, actual: Sequence[int] | str) -> None:
        super().__init__(tensor, _shape(expected), _shape(actual))


class LengthMismatch(_TensorMismatch):
    """A tensor's data does not hold as many elements or bytes as its shape says."""

    code = "length_mismatch"
    _subject = "length"


class InferenceRejected(ClientError):
    """ONNX Runtime refused the values, for example an index outside a table."""

    code = "inference_rejected"


class Unauthorized(ClientError):
    """No credentials, or credentials that are not known."""

    status = 401
    code = "unauthorized"


class Forbidden(ClientError):
    """Known credentials that may not do this."""

    status = 403
    code = "forbidden"


class NotFound(ClientError):
    """There is no such route, model, version or alias."""

    status = 404
    code = "not_found"


class MethodNotAllowed(ClientError):
    """The route exists, but not for this HTTP method."""

    status = 405
    code = "method_not_allowed"

    def __init__(self, method: str, allowed: Iterable[str]) -> None:
        self._allow = ", ".join(sorted(allowed))
        super().__init__(f"method {method} is not allowed here: use {self._allow}")

    @property
    def headers(self) -> dict[str, str]:
        """The methods the route takes."""
        return {"allow": self._allow}


class NotAcceptable(ClientError):
    """The answer cannot be given in any media type the `Accept` header names."""

    status = 406
    code = "not_acceptable"


class Conflict(ClientError):
    """An idempotency key was used before, for another request."""

    status = 409
    code = "conflict"


class PayloadTooLarge(ClientError):
    """The body, or what it unpacks to, is over a limit."""

    status = 413
    code = "payload_too_large"


class UnsupportedMediaType(ClientError):
    """The model does not take bodies of this media type."""

    status = 415
    code = "unsupported_media_type"

    def __init__(self, actual: str, accepted: Iterable[str]) -> None:
        names = sorted(accepted)
        super().__init__(f"media type '{actual}' is not taken: send one of {', '.join(names)}")
        self._details: dict[str, object] = {"field": "content-type", "expected": names, "actual": actual}

    @property
    def details(self) -> dict[str, object]:
        """The media types the model takes, and the one that came."""
        return self._details


class UnsupportedEncoding(ClientError):
    """The body is compressed in a way nobody here can undo."""

    status = 415
    code = "unsupported_encoding"

    def __init__(self, actual: str, accepted: Iterable[str]) -> None:
        self._accepted = ", ".join(sorted(accepted))
        super().__init__(f"content encoding '{actual}' is not taken: send one of {self._accepted}, or none")

    @property
    def headers(self) -> dict[str, str]:
        """The encodings that are taken."""
        return {"accept-encoding": self._accepted}


class TooManyRequests(ClientError):
    """A concurrency limit or quota is reached."""

    status = 429
    code = "too_many_requests"
    retryable = True

    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self._retry_after_s = retry_after_s

    @property
    def headers(self) -> dict[str, str]:
        """When to try again, in whole seconds."""
        return {"retry-after": str(self._retry_after_s)}


class UnsupportedExtension(ModeletError):
    """A protocol extension that modelet does not implement and does not ignore."""

    status = 501
    code = "unsupported_extension"


class NotReady(ModeletError):
    """The model cannot answer yet."""

    status = 503
    code = "not_ready"
    retryable = True

    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self._retry_after_s = retry_after_s

    @property
    def headers(self) -> dict[str, str]:
        """When to try again, in whole seconds."""
        return {"retry-after": str(self._retry_after_s)}


class DeadlineExceeded(ModeletError):
    """The request's own timeout, or the function's, passed before the answer was there."""

    status = 504
    code = "deadline_exceeded"
    retryable = True


class InferenceFailed(ModeletError):
    """ONNX Runtime failed for a reason that is not in the request."""

    code = "inference_failed"


class ArtifactError(ModeletError):
    """The artifact, its manifest or the ONNX Runtime library cannot be used."""

    code = "artifact_error"


def _shape(shape: Sequence[int] | str) -> str:
    return shape if isinstance(shape, str) else "[" + ",".join(str(size) for size in shape) + "]"
