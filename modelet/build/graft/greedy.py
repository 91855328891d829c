"""Non-maximum suppression written out: take the best box, drop what overlaps it, go on with the rest."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from modelet.build.graft.base import Array

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Limits:
    """What suppresses; as in `NonMaxSuppression`."""

    iou: float
    score: float
    most: int
    form: Literal["corners", "center"]


def suppress(boxes: Array, scores: Array, limits: Limits) -> tuple[Array, Array, Array, Array]:
    """Find the detections of each picture.

    Args:
        boxes: `[rows, boxes, 4]`.
        scores: `[rows, classes, boxes]`.
        limits: What suppresses.

    Returns:
        Boxes, scores, classes and counts, filled up to as many as a picture can have.
    """
    rows, most = len(boxes), limits.most
    chosen = np.zeros((rows, most, 4), np.float32)
    best = np.zeros((rows, most), np.float32)
    classes = np.full((rows, most), -1, np.int64)
    counts = np.zeros(rows, np.int64)
    for row in range(rows):
        corners = _corners(boxes[row].astype(np.float64), limits.form)
        found = [
            (-float(scores[row, number, box]), number, box)
            for number in range(scores.shape[1])
            for box in _greedy(corners, scores[row, number], limits)
        ]
        counts[row] = min(most, len(found))
        for place, (score, number, box) in enumerate(sorted(found)[:most]):
            chosen[row, place], best[row, place], classes[row, place] = boxes[row, box], -score, number
    return chosen, best, classes, counts


def _greedy(corners: _Floats, scores: Array, limits: Limits) -> list[int]:
    """The boxes of one class that stay, best first."""
    fitting = np.flatnonzero(scores > limits.score)
    order = fitting[np.argsort(-scores[fitting], kind="stable")]
    kept: list[int] = []
    while order.size and len(kept) < limits.most:
        best, order = int(order[0]), order[1:]
        kept.append(best)
        order = order[_overlaps(corners[best], corners[order]) <= limits.iou]
    return kept


def _corners(boxes: _Floats, form: Literal["corners", "center"]) -> _Floats:
    """The lower and the upper corner of each box."""
    if form == "center":
        half = boxes[:, 2:] / 2
        return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)
    first, second = boxes[:, :2], boxes[:, 2:]
    return np.concatenate([np.minimum(first, second), np.maximum(first, second)], axis=1)


def _overlaps(box: _Floats, others: _Floats) -> _Floats:
    """Intersection over union of a box with others; boxes without an area overlap nothing."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.where((sides > 0).all(axis=1), sides.prod(axis=1), 0.0)
    union = (box[2:] - box[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(axis=1) - shared
    overlaps: _Floats = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return overlaps
