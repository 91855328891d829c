"""Applications over small Python functions, and requests to them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelet_runtime.http.application import Application
from modelet_runtime.http.messages import Request, Response
from modelet_runtime.manifest import TensorSpec
from modelet_runtime.predictor import Predictor
from modelet_runtime.steps.pipeline import build
from modelet_runtime.tensor import Tensor
from support.manifests import Function, FunctionSession, manifest


def echo(inputs: Mapping[str, Tensor]) -> list[Tensor]:
    """`y = x`."""
    return [inputs["x"].renamed("y")]


def predictor(
    inputs: tuple[TensorSpec, ...],
    outputs: tuple[TensorSpec, ...],
    function: Function = echo,
    **changes: Any,
) -> Predictor:
    """A predictor of that signature whose graph is a function; `changes` are of its manifest."""
    made = manifest(inputs, outputs, **changes)
    return Predictor(made, FunctionSession(made.signature, function), build(made, Path()))


class Client:
    """Sends requests to an application and keeps the last response."""

    def __init__(self, model: Predictor, **options: Any) -> None:
        self.model = model
        self.application = Application(model, **options)

    def send(self, method: str, path: str, body: Any = b"", **fields: Any) -> Response:
        """Send a body: bytes as they are, anything else as JSON."""
        data = body if isinstance(body, bytes | memoryview) else json.dumps(body).encode()
        return self.application(Request(method, path, body=data, **fields))

    def get(self, path: str, **fields: Any) -> Response:
        """GET a path."""
        return self.send("GET", path, **fields)

    def post(self, path: str, body: Any = b"", **fields: Any) -> Response:
        """POST a body."""
        return self.send("POST", path, body, **fields)

    def infer(self, document: Any, **fields: Any) -> Response:
        """POST to the model's `infer`."""
        return self.post(f"/v2/models/{self.model.manifest.name}/infer", document, **fields)

    def predict(self, document: Any, **fields: Any) -> Response:
        """POST to the model's `:predict`."""
        return self.post(f"/v1/models/{self.model.manifest.name}:predict", document, **fields)


def body_of(response: Response) -> Any:
    """The JSON of a body, read by a strict parser: no NaN, no Infinity."""

    def refuse(token: str) -> Any:
        raise AssertionError(f"{token} is not JSON")

    return json.loads(response.body, parse_constant=refuse)
