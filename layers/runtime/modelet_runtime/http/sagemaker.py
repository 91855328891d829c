"""SageMaker's container contract: one route for every protocol.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""

from typing import Any

from modelet_runtime.http.friendly import FriendlyRoutes
from modelet_runtime.http.messages import JSON, Request, Response
from modelet_runtime.http.open_inference import OpenInferenceRoutes, is_binary
from modelet_runtime.http.tensorflow_serving import TensorFlowServingRoutes
from modelet_runtime.predictor import Predictor
from modelet_runtime.protocols import json_codec, open_inference
from modelet_runtime.protocols.media_type import MediaType


class SageMakerRoutes:
    """Sends invocations to the protocol their content type and keys belong to."""

    def __init__(
        self,
        predictor: Predictor,
        tensors: OpenInferenceRoutes,
        tensorflow: TensorFlowServingRoutes,
        people: FriendlyRoutes,
    ) -> None:
        self._signature = predictor.manifest.signature
        self._tensors = tensors
        self._tensorflow = tensorflow
        self._people = people

    def ping(self, request: Request) -> Response:
        """`GET /ping`."""
        return Response(200, {"content-type": JSON}, b"{}")

    def invoke(self, request: Request) -> Response:
        """`POST /invocations`."""
        if is_binary(request):
            return self._tensors.infer(request)
        content_type = request.headers.get("content-type", JSON)
        is_json = MediaType.parse(content_type).name == JSON
        document = json_codec.loads(request.body) if is_json else None
        if type(document) is not dict:
            return self._people.run(request, content_type)
        if _is_open_inference(document):
            parsed = open_inference.parse_document(document, None, self._signature)
            return self._tensors.run(request, parsed, for_sagemaker=True)
        if "instances" in document or "inputs" in document:
            return self._tensorflow.run(request, document)
        return self._people.run(request, content_type)


def _is_open_inference(document: dict[str, Any]) -> bool:
    inputs = document.get("inputs")
    return type(inputs) is list and bool(inputs) and type(inputs[0]) is dict and "datatype" in inputs[0]
