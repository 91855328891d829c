"""The golden inputs and outputs of a model, as the toolchain proved them."""

import base64
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FORMAT = 1
# The letters of `struct` for the datatypes of the Open Inference Protocol; BF16 is read as the upper
# half of an FP32.
_LETTERS = {
    "BOOL": "?",
    "UINT8": "B",
    "UINT16": "H",
    "UINT32": "I",
    "UINT64": "Q",
    "INT8": "b",
    "INT16": "h",
    "INT32": "i",
    "INT64": "q",
    "FP16": "e",
    "FP32": "f",
    "FP64": "d",
}
_FLOATS = frozenset({"FP16", "FP32", "FP64", "BF16"})


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor in the protocol's binary form.

    Attributes:
        name: Its name.
        datatype: Of the Open Inference Protocol.
        shape: Its dimensions.
        data: Little-endian, row-major; strings each with their length before them.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: bytes

    @property
    def is_float(self) -> bool:
        """Whether its values are compared within a tolerance."""
        return self.datatype in _FLOATS

    def values(self) -> list[float]:
        """The elements of a floating tensor."""
        if self.datatype == "BF16":
            halves = struct.unpack(f"<{len(self.data) // 2}H", self.data)
            return list(
                struct.unpack(f"<{len(halves)}f", struct.pack(f"<{len(halves)}I", *(h << 16 for h in halves)))
            )
        letter = _LETTERS[self.datatype]
        return list(struct.unpack(f"<{len(self.data) // struct.calcsize(letter)}{letter}", self.data))


@dataclass(frozen=True, slots=True)
class Case:
    """One run of the graph."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


@dataclass(frozen=True, slots=True)
class Golden:
    """All cases.

    Attributes:
        rtol: Allowed difference of floating outputs, relative to the expected value.
        atol: Allowed absolute difference besides.
        cases: The runs.
    """

    rtol: float
    atol: float
    cases: tuple[Case, ...]

    @classmethod
    def load(cls, path: Path) -> "Golden":
        """Read `golden.json`.

        Raises:
            ValueError: It has another format.
        """
        document = json.loads(path.read_bytes())
        if document["format"] != FORMAT:
            raise ValueError(f"{path}: format: expected {FORMAT}, got {document['format']}")
        tolerance = document["tolerance"]
        cases = tuple(Case(_tensors(case["inputs"]), _tensors(case["outputs"])) for case in document["cases"])
        return cls(tolerance["rtol"], tolerance["atol"], cases)


def _tensors(documents: list[Mapping[str, Any]]) -> tuple[Tensor, ...]:
    return tuple(Tensor(d["name"], d["datatype"], tuple(d["shape"]), _data(d)) for d in documents)


def _data(document: Mapping[str, Any]) -> bytes:
    """Numbers are base64 of their bytes; strings a list of texts, or of `{"b64"}` where they are none."""
    if document["datatype"] != "BYTES":
        return base64.b64decode(document["data"])
    elements = [
        item.encode() if isinstance(item, str) else base64.b64decode(item["b64"]) for item in document["data"]
    ]
    return b"".join(struct.pack("<I", len(element)) + element for element in elements)
