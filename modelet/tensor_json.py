"""Tensors as JSON, without loss: numbers as base64 of their bytes, strings as text where they are text."""

from collections.abc import Mapping
from typing import Any

import pybase64

from modelet_runtime.tensor import DATATYPES, Tensor


def to_json(tensor: Tensor) -> dict[str, Any]:
    """`{"name", "datatype", "shape", "data"}`; `from_json` gives an equal tensor back."""
    if isinstance(tensor.data, tuple):
        data: object = [_element(element) for element in tensor.data]
    else:
        data = pybase64.b64encode(tensor.data).decode("ascii")
    return {
        "name": tensor.name,
        "datatype": tensor.datatype.name,
        "shape": list(tensor.shape),
        "data": data,
    }


def from_json(document: Mapping[str, Any]) -> Tensor:
    """Read what `to_json` made."""
    datatype, data = DATATYPES[document["datatype"]], document["data"]
    if datatype.size:
        data = memoryview(pybase64.b64decode(data, validate=True))
    else:
        data = tuple(item.encode() if isinstance(item, str) else _bytes(item) for item in data)
    return Tensor(document["name"], datatype, tuple(document["shape"]), data)


def _element(element: bytes) -> object:
    try:
        return element.decode()
    except UnicodeDecodeError:
        return {"b64": pybase64.b64encode(element).decode("ascii")}


def _bytes(item: Mapping[str, str]) -> bytes:
    return pybase64.b64decode(item["b64"], validate=True)
