"""The routes of the Open Inference Protocol, version 2."""

from collections.abc import Mapping

from modelet_runtime.errors import InvalidRequest, UnsupportedExtension
from modelet_runtime.http.messages import JSON, Request, Response
from modelet_runtime.predictor import Predictor
from modelet_runtime.protocols import json_codec, open_inference, open_inference_documents
from modelet_runtime.protocols.media_type import MediaType
from modelet_runtime.protocols.open_inference import InferRequest
from modelet_runtime.session import served_by

LENGTH_HEADER = "inference-header-content-length"
# SageMaker drops headers it does not know, so the length travels in the media type as well.
# Source: https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
SAGEMAKER_BINARY = "application/vnd.sagemaker-triton.binary+json"
_SAGEMAKER_LENGTH = "json-header-size"
_OCTETS = "application/octet-stream"


class OpenInferenceRoutes:
    """Answers for one model, in Open Inference Protocol."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._manifest = predictor.manifest
        self._output_names = [spec.name for spec in predictor.manifest.signature.outputs]

    def server(self, request: Request) -> Response:
        """`GET /v2`."""
        return Response.json(open_inference_documents.server())

    def health(self, request: Request) -> Response:
        """`GET /v2/health/live` and `/v2/health/ready`: a function that runs is ready."""
        return Response.json(open_inference_documents.health())

    def models(self, request: Request) -> Response:
        """`GET /v2/models`."""
        return Response.json({"models": [self._manifest.name]})

    def index(self, request: Request) -> Response:
        """`POST /v2/repository/index`; all there is is ready, so the filter leaves everything."""
        if request.body:
            json_codec.read_object(request.body)
        return Response.json(open_inference_documents.repository_index(self._manifest))

    def load(self, request: Request) -> Response:
        """`POST /v2/repository/models/{m}/load`: refused."""
        raise UnsupportedExtension(
            f"a function holds one model: `modelet build {self._manifest.name}` makes a version of it, "
            "and deploying loads it"
        )

    def unload(self, request: Request) -> Response:
        """`POST /v2/repository/models/{m}/unload`: refused."""
        raise UnsupportedExtension(
            "a function holds one model: `modelet list` shows them, and deploying without one unloads it"
        )

    def shared_memory(self, request: Request) -> Response:
        """`/v2/systemsharedmemory/...` and `/v2/cudasharedmemory/...`: refused."""
        raise UnsupportedExtension("shared memory is not supported: a function shares none with its callers")

    def model(self, request: Request) -> Response:
        """`GET /v2/models/{m}`."""
        return Response.json(open_inference_documents.model(self._manifest))

    def model_ready(self, request: Request) -> Response:
        """`GET /v2/models/{m}/ready`."""
        return Response.json({"name": self._manifest.name, "ready": True})

    def statistics(self, request: Request) -> Response:
        """`GET /v2/models/{m}/stats`."""
        return Response.json(open_inference_documents.statistics(self._manifest, self._predictor.statistics))

    def configuration(self, request: Request) -> Response:
        """`GET /v2/models/{m}/config`."""
        return Response.json(open_inference_documents.configuration(self._manifest))

    def infer(self, request: Request) -> Response:
        """`POST /v2/models/{m}/infer`, in JSON, binary and raw form."""
        media = MediaType.parse(request.headers.get("content-type", ""))
        for_sagemaker = media.name == SAGEMAKER_BINARY
        length = _json_length(request.headers, media.parameters if for_sagemaker else {})
        parsed = open_inference.parse(request.body, length, self._manifest.signature)
        return self.run(request, parsed, for_sagemaker=for_sagemaker)

    def run(self, request: Request, parsed: InferRequest, *, for_sagemaker: bool) -> Response:
        """Infer a parsed request and answer it."""
        timeouts_s = [limit for limit in (parsed.timeout_s, request.remaining_s) if limit is not None]
        names = [output.name for output in parsed.outputs]
        tensors = self._predictor.infer(
            parsed.inputs, None if names == self._output_names else names, min(timeouts_s, default=None)
        )
        body, length = open_inference.render(self._manifest, parsed, tensors, served_by.get())
        if length is None:
            return Response(200, {"content-type": JSON}, body)
        kind = f"{SAGEMAKER_BINARY};{_SAGEMAKER_LENGTH}={length}" if for_sagemaker else _OCTETS
        return Response(200, {"content-type": kind, LENGTH_HEADER: str(length)}, body)


def is_binary(request: Request) -> bool:
    """Whether a request says that its JSON part has a length."""
    media = MediaType.parse(request.headers.get("content-type", ""))
    return media.name == SAGEMAKER_BINARY or LENGTH_HEADER in request.headers


def _json_length(headers: Mapping[str, str], parameters: Mapping[str, str]) -> int | None:
    """The length of the JSON part, from the header or else the media type."""
    text = headers.get(LENGTH_HEADER, parameters.get(_SAGEMAKER_LENGTH))
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()):
        raise InvalidRequest(LENGTH_HEADER, "a length in bytes", text)
    return int(text)
