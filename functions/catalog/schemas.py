"""JSON Schemas of one version's bodies, from its signature.

Source: https://json-schema.org/draft/2020-12/schema
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from modelet_runtime.manifest import Manifest, Signature, TensorSpec
from modelet_runtime.tensor import DATATYPES

Schema = dict[str, Any]

_FLOAT: Schema = {"type": ["number", "null"]}
_FREE: Schema = {"type": "object"}


def of_version(manifest: Manifest) -> dict[str, Schema]:
    """What is sent to a version and what comes back, each by a short name."""
    signature = manifest.signature
    return {
        "infer": _infer_request(signature),
        "inferred": _infer_response(manifest),
        "predict": _predict_request(signature),
        "predicted": _predict_response(signature),
    }


def _infer_request(signature: Signature) -> Schema:
    tensors = [_tensor(spec, is_request=True) for spec in signature.inputs]
    names = [spec.name for spec in signature.outputs]
    wanted = {"name": {"enum": names}, "parameters": _FREE}
    return _object(
        {
            "id": {"type": "string"},
            "parameters": _FREE,
            "inputs": _list(_one_of(tensors), len(tensors)),
            "outputs": {"type": "array", "items": _object(wanted, ["name"])},
        },
        ["inputs"],
    )


def _infer_response(manifest: Manifest) -> Schema:
    tensors = [_tensor(spec, is_request=False) for spec in manifest.signature.outputs]
    return _object(
        {
            "model_name": {"const": manifest.name},
            "model_version": {"const": str(manifest.version)},
            "id": {"type": "string"},
            "parameters": _FREE,
            "outputs": {"type": "array", "items": _one_of(tensors)},
        },
        ["model_name", "model_version", "outputs"],
    )


def _tensor(spec: TensorSpec, *, is_request: bool) -> Schema:
    """A tensor of the Open Inference Protocol, its data flat or (in a request) nested."""
    axes: list[Schema] = [
        {"type": "integer", "minimum": 0} if size == -1 else {"const": size} for size in spec.shape
    ]
    flat = {"type": "array", "items": _element(spec.datatype)}
    nests = is_request and len(spec.shape) > 1
    properties: dict[str, Schema] = {
        "name": {"const": spec.name},
        "datatype": {"const": spec.datatype},
        "shape": {"type": "array", "prefixItems": axes, "minItems": len(axes), "maxItems": len(axes)}
        if axes
        else {"type": "array", "maxItems": 0},
        "parameters": _FREE,
    }
    # Without a JSON form it travels in binary, and so may any other.
    if DATATYPES[spec.datatype].has_json:
        properties["data"] = {"anyOf": [flat, _nested(spec, spec.shape)]} if nests else flat
    return _object(properties, ["name", "datatype", "shape"])


def _predict_request(signature: Signature) -> Schema:
    """TensorFlow Serving's row form, for graphs that have rows, or its column form."""
    common = {"signature_name": {"type": "string"}}
    columns = _values(signature.inputs, 0)
    forms = [_object({**common, "inputs": columns}, ["inputs"])]
    if signature.has_batch_axis:
        rows = {"type": "array", "minItems": 1, "items": _values(signature.inputs, 1)}
        forms.insert(0, _object({**common, "instances": rows}, ["instances"]))
    return _one_of(forms)


def _predict_response(signature: Signature) -> Schema:
    forms = [_object({"outputs": _values(signature.outputs, 0), "parameters": _FREE}, ["outputs"])]
    if signature.has_batch_axis:
        rows = {"type": "array", "items": _values(signature.outputs, 1)}
        forms.insert(0, _object({"predictions": rows, "parameters": _FREE}, ["predictions"]))
    return _one_of(forms)


def _values(specs: Sequence[TensorSpec], skipped: int) -> Schema:
    """Tensors without their first axes: bare if there is one, else an object by name."""
    by_name = {spec.name: _nested(spec, spec.shape[skipped:]) for spec in specs}
    if len(by_name) != 1:
        return _object(by_name, list(by_name))
    ((name, bare),) = by_name.items()
    return {"anyOf": [bare, _object({name: bare}, [name])]}


def _nested(spec: TensorSpec, shape: Sequence[int]) -> Schema:
    """Lists in lists, as long as the axes that are fixed."""
    schema = _element(spec.datatype)
    for size in reversed(shape):
        schema = _list(schema, None if size == -1 else size)
    return schema


def _element(datatype: str) -> Schema:
    if datatype == "BYTES":
        return {"anyOf": [{"type": "string"}, _object({"b64": {"type": "string"}}, ["b64"])]}
    if datatype == "BOOL":
        return {"type": "boolean"}
    if DATATYPES[datatype].is_float:
        return dict(_FLOAT)
    bits = 8 * DATATYPES[datatype].size
    lowest, numbers = (0, bits) if datatype.startswith("U") else (-(2 ** (bits - 1)), bits - 1)
    return {"type": "integer", "minimum": lowest, "maximum": 2**numbers - 1}


def _object(properties: Mapping[str, Schema], required: Sequence[str]) -> Schema:
    return {"type": "object", "properties": dict(properties), "required": list(required)}


def _list(items: Schema, size: int | None) -> Schema:
    bounds = {} if size is None else {"minItems": size, "maxItems": size}
    return {"type": "array", "items": items, **bounds}


def _one_of(schemas: Iterable[Schema]) -> Schema:
    found = list(schemas)
    return found[0] if len(found) == 1 else {"anyOf": found}
