"""The friendly route: a body as people have it in, an answer as people read it out."""

from modelet_runtime.http.messages import Request, Response
from modelet_runtime.predictor import Predictor
from modelet_runtime.protocols import friendly


class FriendlyRoutes:
    """Answers for one model, through its steps."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def predict(self, request: Request) -> Response:
        """`POST /models/{m}/predict`."""
        return self.run(request, request.headers.get("content-type", ""))

    def run(self, request: Request, content_type: str) -> Response:
        """Answer a body of that content type."""
        values, many = friendly.parse(request.body, content_type, self._predictor.pipeline.media_types)
        if not many and (rows := self._predictor.pipeline.rows(values[0])) is not None:
            values, many = list(rows), True
        answers = self._predictor.predict(values, request.remaining_s)
        body, rendered = friendly.render(answers, many, request.headers.get("accept", ""))
        return Response(200, {"content-type": rendered}, body)
