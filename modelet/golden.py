"""`golden.json`: inputs with the outputs that the original framework gives for them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelet.tensor_json import from_json, to_json
from modelet_runtime.errors import ArtifactError
from modelet_runtime.tensor import Tensor

FORMAT = 1
FILE_NAME = "golden.json"


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a floating-point output may be from the original's: `atol + rtol * |expected|`."""

    rtol: float
    atol: float


@dataclass(frozen=True, slots=True)
class Case:
    """One run of the graph.

    Attributes:
        inputs: A tensor per input, with the batch axis where the graph has one.
        outputs: What the original framework answers, a tensor per output.
        is_decided: Whether classes that are chosen from scores stay the same however floats are rounded.
            A case that is not decided proves nothing, and is not kept.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    is_decided: bool = True


@dataclass(frozen=True, slots=True)
class Golden:
    """The cases of a version.

    Attributes:
        origin: Where the inputs come from: `train.py:samples`, a glob, or `random`.
        tolerance: For floating-point outputs; all others are equal.
        cases: The runs.
    """

    origin: str
    tolerance: Tolerance
    cases: tuple[Case, ...]

    @classmethod
    def load(cls, folder: Path) -> "Golden":
        """Read `golden.json` of a version folder.

        Raises:
            ArtifactError: It is missing or malformed.
        """
        path = folder / FILE_NAME
        try:
            document = json.loads(path.read_bytes())
            if document["format"] != FORMAT:
                raise ArtifactError(f"{path}: format: expected {FORMAT}, got {document['format']}")
            return cls(
                document["origin"],
                Tolerance(**document["tolerance"]),
                tuple(_case(case) for case in document["cases"]),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtifactError(f"{path}: {error}") from error

    def to_bytes(self) -> bytes:
        """The file's content: a line per case."""
        head = {
            "format": FORMAT,
            "origin": self.origin,
            "tolerance": {"rtol": self.tolerance.rtol, "atol": self.tolerance.atol},
        }
        cases = ",\n  ".join(json.dumps(_document(case), ensure_ascii=False) for case in self.cases)
        return f'{json.dumps(head)[:-1]},\n "cases": [\n  {cases}\n ]}}\n'.encode()


def _case(document: Mapping[str, Any]) -> Case:
    return Case(
        tuple(from_json(tensor) for tensor in document["inputs"]),
        tuple(from_json(tensor) for tensor in document["outputs"]),
    )


def _document(case: Case) -> dict[str, Any]:
    return {
        "inputs": [to_json(tensor) for tensor in case.inputs],
        "outputs": [to_json(tensor) for tensor in case.outputs],
    }
