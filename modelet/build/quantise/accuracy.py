"""How far answers moved, in the terms people judge models by; and the bound they have to stay within."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from modelet.build.quantise.engine import Array

Metric = Literal["top1_agreement", "cosine", "max_abs_diff", "accuracy_drop"]
Answers = Sequence[Mapping[str, Array]]
Row = npt.NDArray[np.float64]

_PROBABILITY_SLACK = 1e-3
_DEFAULTS: dict[Metric, float] = {
    "top1_agreement": 0.99,
    "cosine": 0.995,
    "max_abs_diff": 1e-2,
    "accuracy_drop": 0.01,
}
_AT_LEAST = frozenset({"top1_agreement", "cosine"})


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Answers beside the original model's, on the same inputs.

    Attributes:
        runs: How many runs were compared.
        top1_agreement: The share of rows with the same best class or label; of the worst output.
        cosine: The mean cosine of a row with the original's; of the worst output.
        cosine_min: The smallest one.
        max_abs_diff: The largest difference of two floats.
        accuracy: The share of rows with the right answer, where right answers are known.
        accuracy_drop: How much of the original's own accuracy that loses.
    """

    runs: int
    top1_agreement: float | None = None
    cosine: float | None = None
    cosine_min: float | None = None
    max_abs_diff: float = 0.0
    accuracy: float | None = None
    accuracy_drop: float | None = None

    def to_dict(self) -> dict[str, object]:
        """For the passport."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Bound:
    """What a candidate may lose.

    Attributes:
        metric: What is looked at.
        limit: The least agreement or cosine, or the most difference or drop.
    """

    metric: Metric
    limit: float

    @classmethod
    def default(cls, metric: Metric) -> "Bound":
        """The bound where a recipe names none."""
        return cls(metric, _DEFAULTS[metric])

    def admits(self, accuracy: Accuracy) -> bool:
        """Whether an accuracy is inside; never when it does not know the metric."""
        value = self.value(accuracy)
        if value is None:
            return False
        return value >= self.limit if self.metric in _AT_LEAST else value <= self.limit

    def value(self, accuracy: Accuracy) -> float | None:
        """The figure the bound looks at."""
        value: float | None = getattr(accuracy, self.metric)
        return value

    def nearness(self, accuracy: Accuracy) -> float:
        """How good the figure is; more is better, whatever the metric."""
        value = self.value(accuracy)
        if value is None:
            return -np.inf
        return value if self.metric in _AT_LEAST else -value

    def loss(self, accuracy: Accuracy) -> tuple[float, float]:
        """How much is lost, and how much of it may be: 0 is nothing, whatever the metric."""
        value = self.value(accuracy)
        if value is None:
            return np.inf, self.limit
        return (1 - value, 1 - self.limit) if self.metric in _AT_LEAST else (max(value, 0.0), self.limit)

    def __str__(self) -> str:
        relation = "at least" if self.metric in _AT_LEAST else "at most"
        return f"{self.metric.replace('_', ' ')} {relation} {self.limit:g}"


def suitable_metric(expected: Answers, has_labels: bool) -> Metric:
    """The metric that a model's own answers suggest: agreement for classes, cosine for all else."""
    outputs = [np.asarray(array) for answer in expected for array in answer.values()]
    if has_labels or not all(_is_float(array) for array in outputs):
        return "top1_agreement"
    return "top1_agreement" if any(map(_are_probabilities, outputs)) else "cosine"


def compare(expected: Answers, actual: Answers, targets: Sequence[object] | None = None) -> Accuracy:
    """Measure answers against the original's.

    Args:
        expected: The original's outputs, by name, for each run.
        actual: The outputs of what is measured, for the same runs.
        targets: The right answer for each run, which is of one row then, as a class's number or label.
    """
    agreements: list[float] = []
    cosines: list[list[float]] = []
    largest = 0.0
    for theirs, ours in _outputs(expected, actual):
        if not _is_float(theirs[0]):
            agreements.append(_equal_share(theirs, ours))
            continue
        pairs = list(zip(_rows(theirs), _rows(ours), strict=True))
        largest = max(largest, *(_difference(a, b) for a, b in pairs))
        cosines.append([_cosine(a, b) for a, b in pairs])
        if all(len(row) > 1 for row, _ in pairs):
            agreements.append(float(np.mean([a.argmax() == b.argmax() for a, b in pairs])))
    right = _right_share(actual, targets) if targets is not None else None
    before = _right_share(expected, targets) if targets is not None else None
    return Accuracy(
        runs=len(expected),
        top1_agreement=min(agreements, default=None),
        cosine=min((float(np.mean(rows)) for rows in cosines), default=None),
        cosine_min=min(map(min, cosines), default=None),
        max_abs_diff=largest,
        accuracy=right,
        accuracy_drop=before - right if before is not None and right is not None else None,
    )


def distance(expected: Answers, actual: Answers) -> float:
    """How far answers are apart, for putting causes in order: the squared error relative to the answers.

    Errors of several small causes add up in it, which agreement and cosine do not.
    """
    worst = 0.0
    for theirs, ours in _outputs(expected, actual):
        if _is_float(theirs[0]):
            a, b = (
                np.concatenate([row.reshape(-1) for row in rows]) for rows in (_rows(theirs), _rows(ours))
            )
            worst = max(worst, float(np.sum((a - b) ** 2) / max(np.sum(a**2), np.finfo(np.float64).tiny)))
        else:
            worst = max(worst, 1.0 - _equal_share(theirs, ours))
    return worst


def _outputs(expected: Answers, actual: Answers) -> Iterator[tuple[list[Array], list[Array]]]:
    """Each output over all runs; empty ones are left out."""
    for name in expected[0]:
        theirs = [np.asarray(answer[name]) for answer in expected]
        ours = [np.asarray(answer[name]) for answer in actual]
        if any(a.shape != b.shape for a, b in zip(theirs, ours, strict=True)):
            raise ValueError(f"output '{name}' has another shape")
        if any(array.size for array in theirs):
            yield theirs, ours


def _rows(arrays: Sequence[Array]) -> list[Row]:
    """One vector per row; outputs with one number per row are a single vector over all runs."""
    rows = [
        row
        for array in arrays
        for row in np.asarray(array, np.float64).reshape(-1, array.shape[-1] if array.ndim else 1)
    ]
    return [np.concatenate(rows)] if all(len(row) == 1 for row in rows) else rows


def _equal_share(theirs: Sequence[Array], ours: Sequence[Array]) -> float:
    same = [np.asarray(a == b).reshape(-1) for a, b in zip(theirs, ours, strict=True)]
    return float(np.concatenate(same).mean())


def _difference(theirs: Row, ours: Row) -> float:
    """The largest finite difference."""
    with np.errstate(invalid="ignore"):
        differences = np.abs(theirs - ours)
    return float(differences[np.isfinite(differences)].max(initial=0.0))


def _cosine(theirs: Row, ours: Row) -> float:
    """The cosine of two vectors; two that are zero or not finite agree only if they are equal."""
    lengths = np.linalg.norm(theirs) * np.linalg.norm(ours)
    if np.isfinite(lengths) and lengths > 0:
        return float(theirs @ ours / lengths)
    return float(np.array_equal(theirs, ours, equal_nan=True))


def _right_share(answers: Answers, targets: Sequence[object]) -> float:
    right = [_chosen(answer) == str(target) for answer, target in zip(answers, targets, strict=True)]
    return sum(right) / len(right)


def _chosen(answer: Mapping[str, Array]) -> str:
    """The class or label a run of one row ends in: the first output of labels, else of the best score."""
    arrays = [np.asarray(array) for array in answer.values()]
    labels = next((array for array in arrays if not _is_float(array)), None)
    return str(labels.reshape(-1)[0] if labels is not None else int(arrays[0].reshape(-1).argmax()))


def _is_float(array: Array) -> bool:
    return array.dtype.kind == "f"


def _are_probabilities(array: Array) -> bool:
    if not _is_float(array) or array.ndim < 2 or array.shape[-1] < 2:
        return False
    values = np.asarray(array, np.float64)
    return bool((values >= 0).all() and np.allclose(values.sum(axis=-1), 1.0, atol=_PROBABILITY_SLACK))
