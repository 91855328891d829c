"""The first golden row of a version, as an Open Inference Protocol request and as API Gateway's event."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pybase64

from modelet import paths
from modelet.golden import Golden
from modelet.repository import Version
from modelet_runtime.protocols.open_inference_binary import write_tensor
from modelet_runtime.settings import MIB_PER_VCPU
from modelet_runtime.tensor import Tensor

_PATH = "/v2/models/{name}/infer"


@dataclass(frozen=True, slots=True)
class Subject:
    """A model under measurement, with one real input.

    Attributes:
        name: The model's name.
        folder: The version folder.
        graph_file: What its function loads.
        inputs: One row of its golden inputs, with the batch axis.
    """

    name: str
    folder: Path
    graph_file: Path
    inputs: tuple[Tensor, ...]

    @classmethod
    def of(cls, version: Version) -> "Subject":
        """Take the last golden case: a single row, where the first may be a batch."""
        inputs = Golden.load(version.folder).cases[-1].inputs
        return cls(version.manifest.name, version.folder, version.graph_file, inputs)

    def environment(self) -> dict[str, str]:
        """What its function needs to run: where the runtime and the model lie, and Lambda's own variables."""
        return {
            "PYTHONPATH": str(paths.runtime_layer()),
            "MODELET_MODEL_DIR": str(self.folder.resolve()),
            "AWS_LAMBDA_FUNCTION_NAME": self.name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(MIB_PER_VCPU),
            "AWS_LAMBDA_FUNCTION_TIMEOUT": "30",
        }

    def json_body(self) -> bytes:
        """The request with its numbers as JSON."""
        inputs = [{**_header(tensor), "data": _json_values(tensor)} for tensor in self.inputs]
        return json.dumps({"inputs": inputs}).encode()

    def json_event(self) -> dict[str, Any]:
        """The JSON request as API Gateway hands it over."""
        return self._event(self.json_body(), {"content-type": "application/json"}, is_text=True)

    def binary_event(self) -> dict[str, Any]:
        """The request in the binary form: tensors behind a JSON header, in base64 as API Gateway sends it."""
        parts = [b"".join(write_tensor(tensor)) for tensor in self.inputs]
        inputs = [
            {**_header(tensor), "parameters": {"binary_data_size": len(part)}}
            for tensor, part in zip(self.inputs, parts, strict=True)
        ]
        header = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
        body = header + b"".join(parts)
        headers = {
            "content-type": "application/octet-stream",
            "inference-header-content-length": str(len(header)),
        }
        return self._event(body, headers, is_text=False)

    def _event(self, body: bytes, headers: Mapping[str, str], is_text: bool) -> dict[str, Any]:
        path = _PATH.format(name=self.name)
        return {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": "",
            "headers": {**headers, "content-length": str(len(body)), "host": "localhost"},
            "requestContext": {
                "http": {"method": "POST", "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"},
                "requestId": "bench",
                "stage": "$default",
            },
            "body": body.decode() if is_text else pybase64.b64encode_as_string(body),
            "isBase64Encoded": not is_text,
        }


def _header(tensor: Tensor) -> dict[str, Any]:
    return {"name": tensor.name, "shape": list(tensor.shape), "datatype": tensor.datatype.name}


def _json_values(tensor: Tensor) -> list[Any]:
    return [value.decode() if isinstance(value, bytes) else value for value in tensor.values()]
