"""TensorFlow Serving's REST API, version 1: predict in row and column form, status, metadata.

Source: https://www.tensorflow.org/tfx/serving/api_rest
"""

import binascii
from collections.abc import Mapping, Sequence
from typing import Any

import pybase64

from modelet_runtime.errors import ClientError, InvalidRequest, MissingTensor, UnknownTensor
from modelet_runtime.manifest import Manifest, Signature, TensorSpec
from modelet_runtime.protocols import json_codec
from modelet_runtime.tensor import DATATYPES, Tensor, nest

_SIGNATURE_NAME = "serving_default"

_DTYPES = {
    "BOOL": "DT_BOOL",
    "UINT8": "DT_UINT8",
    "UINT16": "DT_UINT16",
    "UINT32": "DT_UINT32",
    "UINT64": "DT_UINT64",
    "INT8": "DT_INT8",
    "INT16": "DT_INT16",
    "INT32": "DT_INT32",
    "INT64": "DT_INT64",
    "FP16": "DT_HALF",
    "FP32": "DT_FLOAT",
    "FP64": "DT_DOUBLE",
    "BF16": "DT_BFLOAT16",
    "BYTES": "DT_STRING",
}


class MalformedPredict(ClientError):
    """A predict body that is JSON, but not of the form TensorFlow Serving takes; its wording."""

    code = "invalid_request"


def parse(document: Mapping[str, Any], signature: Signature) -> tuple[list[Tensor], int | None]:
    """Parse a predict request.

    Args:
        document: The body, an object with `instances` (row form) or `inputs` (column form).
        signature: The model's, which gives the inputs' names and datatypes.

    Returns:
        The inputs, and in row form how many rows there are.

    Raises:
        ClientError: (400) The body is not a request; the text names the field.
    """
    _check_signature_name(document)
    if ("instances" in document) == ("inputs" in document):
        if "inputs" in document:
            raise MalformedPredict("expecting only one of 'inputs' or 'instances' keys to exist")
        raise MalformedPredict("Missing 'inputs' or 'instances' key")
    specs = {spec.name: spec for spec in signature.inputs}
    if "inputs" in document:
        return _read_columns(document["inputs"], specs), None
    rows = document["instances"]
    if type(rows) is not list:
        raise MalformedPredict("Expecting 'instances' to be a list/array")
    if not rows:
        raise MalformedPredict("No values in 'instances' array")
    return _read_rows(rows, specs), len(rows)


def render(tensors: Sequence[Tensor], rows: int | None) -> dict[str, Any]:
    """Render the response in the form of the request: `predictions` for rows, `outputs` for columns.

    Raises:
        InvalidRequest: (400) An output cannot be split into the rows asked for, or has no JSON form.
    """
    values = {}
    non_finite = 0
    for tensor in tensors:
        if rows is not None and tensor.shape[:1] != (rows,):
            expected = "the column form, as it has no row per instance"
            raise InvalidRequest(f"output '{tensor.name}'", expected, "rows")
        values[tensor.name], count = _nested(tensor)
        non_finite += count
    answer: Any = next(iter(values.values())) if len(values) == 1 else values
    if rows is not None and len(values) != 1:
        answer = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
    document = {"outputs" if rows is None else "predictions": answer}
    return {**document, "parameters": {"non_finite": non_finite}} if non_finite else document


def status(manifest: Manifest) -> dict[str, Any]:
    """The status of the one version that is here."""
    healthy = {"error_code": "OK", "error_message": ""}
    return {
        "model_version_status": [{"version": str(manifest.version), "state": "AVAILABLE", "status": healthy}]
    }


def metadata(manifest: Manifest) -> dict[str, Any]:
    """The model's signature, as a SavedModel's signature definition."""
    definition = {
        "inputs": {spec.name: _tensor_info(spec) for spec in manifest.signature.inputs},
        "outputs": {spec.name: _tensor_info(spec) for spec in manifest.signature.outputs},
        "method_name": "tensorflow/serving/predict",
        "defaults": {},
    }
    return {
        "model_spec": {"name": manifest.name, "signature_name": "", "version": str(manifest.version)},
        "metadata": {"signature_def": {"signature_def": {_SIGNATURE_NAME: definition}}},
    }


def _check_signature_name(document: Mapping[str, Any]) -> None:
    name = document.get("signature_name", _SIGNATURE_NAME)
    if type(name) is not str:
        raise MalformedPredict("'signature_name' key must be a string value.")
    if name not in ("", _SIGNATURE_NAME):
        raise MalformedPredict(f'Serving signature name: "{name}" not found in signature def')


def _read_rows(rows: list[Any], specs: Mapping[str, TensorSpec]) -> list[Tensor]:
    if not _is_named(rows[0]):
        return [_read_tensor(_only(specs, "instances"), rows)]
    for index, row in enumerate(rows):
        if not _is_named(row):
            raise MalformedPredict(f"Expecting object but got {json_codec.kind_of(row)} at item {index}")
        _check_names(row, specs)
    return [_read_tensor(spec, [row[name] for row in rows]) for name, spec in specs.items()]


def _read_columns(columns: Any, specs: Mapping[str, TensorSpec]) -> list[Tensor]:
    if not _is_named(columns):
        return [_read_tensor(_only(specs, "inputs"), columns)]
    _check_names(columns, specs)
    return [_read_tensor(spec, columns[name]) for name, spec in specs.items()]


def _is_named(value: Any) -> bool:
    """Whether an object holds tensors by name, and is not base64 text."""
    return type(value) is dict and not (len(value) == 1 and type(value.get("b64")) is str)


def _only(specs: Mapping[str, TensorSpec], key: str) -> TensorSpec:
    if len(specs) != 1:
        raise MalformedPredict(
            f"{key} is a plain value/list, but expecting an object as multiple input tensors required: "
            f"{', '.join(specs)}"
        )
    return next(iter(specs.values()))


def _check_names(values: Mapping[str, Any], specs: Mapping[str, TensorSpec]) -> None:
    for name in values:
        if name not in specs:
            raise UnknownTensor("input", name, specs)
    for name in specs:
        if name not in values:
            raise MissingTensor(name, values)


def _read_tensor(spec: TensorSpec, data: Any) -> Tensor:
    datatype = DATATYPES[spec.datatype]
    values, shape = json_codec.flatten(spec.name, data)
    if datatype.name != "BYTES":
        return json_codec.pack(spec.name, datatype, shape, values)
    return Tensor.from_values(spec.name, datatype, shape, [_text(spec.name, value) for value in values])


def _text(name: str, value: Any) -> str | bytes:
    if type(value) is str:
        return value
    if type(value) is not dict or _is_named(value):
        expected = 'a string or {"b64": "..."}'
        raise InvalidRequest(f"input '{name}'", expected, json_codec.kind_of(value))
    try:
        return pybase64.b64decode(value["b64"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(f"input '{name}': b64", "base64", str(error)) from error


def _nested(tensor: Tensor) -> tuple[Any, int]:
    if isinstance(tensor.data, tuple) and tensor.name.endswith("_bytes"):
        texts = [{"b64": pybase64.b64encode_as_string(element)} for element in tensor.data]
        return nest(texts, tensor.shape), 0
    values, non_finite = json_codec.unpack(tensor)
    return nest(values, tensor.shape), non_finite


def _tensor_info(spec: TensorSpec) -> dict[str, Any]:
    return {
        "dtype": _DTYPES[spec.datatype],
        "tensor_shape": {
            "dim": [{"size": str(size), "name": ""} for size in spec.shape],
            "unknown_rank": False,
        },
        "name": f"{spec.name}:0",
    }
