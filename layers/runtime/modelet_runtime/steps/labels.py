"""Class names for scores."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, ClassVar

from modelet_runtime.errors import ArtifactError
from modelet_runtime.manifest import TensorSpec
from modelet_runtime.steps.base import Answer, Decode, Model
from modelet_runtime.tensor import DATATYPES, Tensor


@dataclass(frozen=True, slots=True)
class Labels:
    """Name the classes: `{"label": best, "score": its score, "scores": {label: score}}`.

    Attributes:
        scores: The output that holds a score per class; by default the only one with as many
            floating-point elements as the model has labels.
        top_k: How many labels `scores` lists, best first; by default all, in the model's order.
        threshold: `label` is null if no score reaches this, as it is if no score is a number.
    """

    scores: str | None = None
    top_k: int | None = None
    threshold: float | None = None

    layers: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        """Check what the annotations cannot say."""
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"top_k: expected at least 1, got {self.top_k}")

    def bind(self, model: Model) -> Decode:
        """Find the output and pair its elements with the model's labels."""
        labels = model.manifest.labels
        if not labels:
            raise ArtifactError("output.steps: step 'labels': the model has no labels")
        name = self._output(model.outputs, len(labels))

        def decode(outputs: Mapping[str, Tensor], context: Any) -> Answer:
            return self._answer(labels, list(outputs[name].values()))

        return decode

    def _output(self, outputs: Mapping[str, TensorSpec], classes: int) -> str:
        if self.scores is not None:
            fitting = [self.scores] if _holds(outputs.get(self.scores), classes) else []
        else:
            fitting = [name for name, spec in outputs.items() if _holds(spec, classes)]
        if len(fitting) != 1:
            given = f"'{self.scores}' is not" if self.scores is not None else f"{len(fitting)} outputs are"
            raise ArtifactError(
                f"output.steps: step 'labels': scores: expected one output of {classes} floating-point"
                f" elements, one per label: {given}; the model has {', '.join(outputs)}"
            )
        return fitting[0]

    def _answer(self, labels: tuple[str, ...], scores: list[float]) -> Answer:
        ranks = [score if score == score else -inf for score in scores]  # noqa: PLR0124 (NaN is never best)
        best = max(range(len(labels)), key=ranks.__getitem__)
        shown: list[int] | range = range(len(labels))
        if self.top_k is not None:
            shown = sorted(shown, key=ranks.__getitem__, reverse=True)[: self.top_k]
        is_sure = scores[best] >= (-inf if self.threshold is None else self.threshold)
        return {
            "label": labels[best] if is_sure else None,
            "score": scores[best],
            "scores": {labels[index]: scores[index] for index in shown},
        }


def _holds(spec: TensorSpec | None, classes: int) -> bool:
    """Whether an output has one score per class; axes of size 1 aside."""
    if spec is None or not DATATYPES[spec.datatype].is_float:
        return False
    return [size for size in spec.shape if size != 1] in ([classes], [-1])
