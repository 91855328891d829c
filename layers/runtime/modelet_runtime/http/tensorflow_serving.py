"""The routes of TensorFlow Serving's REST API, version 1."""

from modelet_runtime.errors import UnsupportedExtension
from modelet_runtime.http.messages import Request, Response
from modelet_runtime.predictor import Predictor
from modelet_runtime.protocols import json_codec, tensorflow_serving

CLASSIFY_OR_REGRESS = "classify and regress are not supported: use predict"


class TensorFlowServingRoutes:
    """Answers for one model, as TensorFlow Serving would."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._manifest = predictor.manifest

    def status(self, request: Request) -> Response:
        """`GET /v1/models/{m}`."""
        return Response.json(tensorflow_serving.status(self._manifest))

    def metadata(self, request: Request) -> Response:
        """`GET /v1/models/{m}/metadata`."""
        return Response.json(tensorflow_serving.metadata(self._manifest))

    def classify_or_regress(self, request: Request) -> Response:
        """`POST /v1/models/{m}:classify` and `:regress`: refused, they take TensorFlow's own examples."""
        raise UnsupportedExtension(CLASSIFY_OR_REGRESS)

    def predict(self, request: Request) -> Response:
        """`POST /v1/models/{m}:predict`."""
        return self.run(request, json_codec.read_object(request.body))

    def run(self, request: Request, document: dict[str, object]) -> Response:
        """Answer a parsed body."""
        inputs, rows = tensorflow_serving.parse(document, self._manifest.signature)
        tensors = self._predictor.infer(inputs, None, request.remaining_s)
        return Response.json(tensorflow_serving.render(tensors, rows))
