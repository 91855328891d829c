"""How near an artifact's outputs are to the original's."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from modelet.build.arrays import to_array
from modelet.golden import Tolerance
from modelet_runtime.tensor import Tensor


@dataclass(slots=True)
class OutputParity:
    """One output, over all runs.

    Attributes:
        name: The output.
        elements: How many elements were compared.
        outside: How many of them are not equal, or not within the tolerance if floating.
        max_abs_diff: The largest absolute difference; 0 for strings that agree.
        cosine: The smallest cosine of an expected and an actual row; None for other than floats.
        top1_rows: Rows of at least two scores that were compared.
        top1_agreed: How many of those have their largest score at the same place.
    """

    name: str
    elements: int = 0
    outside: int = 0
    max_abs_diff: float = 0.0
    cosine: float | None = None
    top1_rows: int = 0
    top1_agreed: int = 0

    def add(self, expected: Tensor, actual: Tensor, tolerance: Tolerance) -> None:
        """Compare one run's tensors; a different shape or datatype counts as all outside."""
        self.elements += max(expected.element_count, 1)
        if expected.shape != actual.shape or expected.datatype is not actual.datatype:
            self.outside += max(expected.element_count, 1)
        elif expected.datatype.is_float:
            self._add_floats(_doubles(expected), _doubles(actual), tolerance)
        else:
            differs = np.asarray(to_array(expected) != to_array(actual))
            self.outside += int(differs.sum())
            if expected.datatype.size and differs.any():
                self._widen(np.abs(_doubles(expected) - _doubles(actual)))

    def _add_floats(
        self, expected: npt.NDArray[np.float64], actual: npt.NDArray[np.float64], tolerance: Tolerance
    ) -> None:
        same = (expected == actual) | (np.isnan(expected) & np.isnan(actual))
        with np.errstate(invalid="ignore"):
            difference = np.where(same, 0.0, np.abs(expected - actual))
            near = np.isfinite(difference) & (
                difference <= tolerance.atol + tolerance.rtol * np.abs(expected)
            )
        self.outside += int((~(same | near)).sum())
        self._widen(difference)
        if expected.ndim and expected.shape[-1] > 1 and expected.size:
            self._add_rows(expected.reshape(-1, expected.shape[-1]), actual.reshape(-1, actual.shape[-1]))

    def _add_rows(self, expected: npt.NDArray[np.float64], actual: npt.NDArray[np.float64]) -> None:
        self.top1_rows += len(expected)
        self.top1_agreed += int((expected.argmax(axis=1) == actual.argmax(axis=1)).sum())
        lengths = np.linalg.norm(expected, axis=1) * np.linalg.norm(actual, axis=1)
        products = np.einsum("ij,ij->i", expected, actual)
        cosines = (
            products[np.isfinite(lengths) & (lengths > 0)] / lengths[np.isfinite(lengths) & (lengths > 0)]
        )
        if cosines.size:
            self.cosine = min(1.0 if self.cosine is None else self.cosine, float(cosines.min()))

    def _widen(self, difference: npt.NDArray[np.float64]) -> None:
        finite = difference[np.isfinite(difference)]
        if finite.size:
            self.max_abs_diff = max(self.max_abs_diff, float(finite.max()))

    def to_dict(self) -> dict[str, object]:
        """For the passport."""
        agreement = self.top1_agreed / self.top1_rows if self.top1_rows else None
        return {
            "output": self.name,
            "elements": self.elements,
            "outside_tolerance": self.outside,
            "max_abs_diff": self.max_abs_diff,
            "cosine_min": self.cosine,
            "top1_agreement": agreement,
        }


@dataclass(slots=True)
class Parity:
    """All outputs, over all runs."""

    tolerance: Tolerance
    outputs: dict[str, OutputParity] = field(default_factory=dict)

    def add(self, expected: Sequence[Tensor], actual: Sequence[Tensor]) -> None:
        """Compare the outputs of one run."""
        by_name = {tensor.name: tensor for tensor in actual}
        for tensor in expected:
            parity = self.outputs.setdefault(tensor.name, OutputParity(tensor.name))
            parity.add(tensor, by_name[tensor.name], self.tolerance)

    @property
    def worst(self) -> OutputParity | None:
        """The output with the most elements outside; None if there are none outside."""
        worst = max(self.outputs.values(), key=lambda parity: parity.outside)
        return worst if worst.outside else None


def _doubles(tensor: Tensor) -> npt.NDArray[np.float64]:
    return to_array(tensor).astype(np.float64)
