"""Overlapping boxes to detections: the same number for each picture, so that pictures stay rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from onnx import numpy_helper

from modelet.build.graft.base import Array, Arrays, Context, Reference, is_float
from modelet.build.graft.editor import Builder
from modelet.build.graft.greedy import Limits, suppress
from modelet.build.graft.value import Misfit, Value, Values
from modelet_runtime.tensor import DATATYPES

_BOOL, _FP32, _INT64 = DATATYPES["BOOL"], DATATYPES["FP32"], DATATYPES["INT64"]
Axis = Literal["box", "class"]


@dataclass(frozen=True, kw_only=True)
class NonMaxSuppression:
    """Keep the best of overlapping boxes of each class, and of these the best of each picture.

    The outputs of boxes and scores become four: `boxes` FP32[rows, max_detections, 4] as the model gives
    them, best first; `scores`; `classes` INT64; and `count` INT64[rows], how many of them there are.
    Behind these, boxes and scores are 0 and classes -1.

    Attributes:
        boxes: The model's output of boxes, [rows, boxes, 4].
        scores: The model's output of scores, [rows, boxes, classes] or [rows, classes, boxes].
        count: The name of the output that counts the detections of a picture.
        classes: The name of the output with the number of each detection's class.
        form: What the four numbers of a box are: two opposite "corners" in any order, or "center" (its
            x and y, width and height).
        scores_per: What the middle axis of the scores is, "box" or "class"; by default what the sizes say.
        iou_threshold: Of two boxes whose intersection over union is above this, the worse one goes.
        score_threshold: Scores have to be above this.
        max_detections: How many a picture can have.
    """

    boxes: str = "boxes"
    scores: str = "scores"
    count: str = "count"
    classes: str = "classes"
    form: Literal["corners", "center"] = "corners"
    scores_per: Axis | None = None
    iou_threshold: float = 0.5
    score_threshold: float = 0.05
    max_detections: int = 100

    def __post_init__(self) -> None:
        """Check what the annotations cannot say."""
        if not 0 <= self.iou_threshold <= 1:
            raise ValueError(f"iou_threshold: expected 0 to 1, got {self.iou_threshold}")
        if self.max_detections < 1:
            raise ValueError(f"max_detections: expected at least 1, got {self.max_detections}")
        names = (self.boxes, self.scores, self.classes, self.count)
        if len(set(names)) < len(names):
            raise ValueError(f"boxes, scores, classes and count: expected four names, got {', '.join(names)}")

    def graft(self, build: Builder, outputs: Values, context: Context) -> Reference:
        """Put four outputs in the place of two."""
        boxes = outputs[outputs.pick(self.boxes, "boxes [rows, boxes, 4]", _are_boxes, "boxes")]
        wanted = "scores per box and class (3 axes)"
        scores = outputs[outputs.pick(self.scores, wanted, lambda v: is_float(v) and v.rank == 3, "scores")]
        per = self._middle_axis(boxes, scores)
        size = scores.dims[2 if per == "box" else 1]
        rows, classes = boxes.dims[0], size if isinstance(size, int) else None
        most = self.max_detections
        found = self._write(build, boxes, scores, per)
        outputs.swap(self.scores, {})
        outputs.swap(
            self.boxes,
            {
                self.boxes: Value(found[0], _FP32, (rows, most, 4)),
                self.scores: Value(found[1], _FP32, (rows, most)),
                self.classes: Value(found[2], _INT64, (rows, most), classes),
                self.count: Value(found[3], _INT64, (rows,)),
            },
        )

        def reference(answers: Arrays, _: Mapping[str, Array]) -> None:
            per_class = answers[self.scores] if per == "class" else answers[self.scores].transpose(0, 2, 1)
            limits = Limits(self.iou_threshold, self.score_threshold, self.max_detections, self.form)
            found = suppress(answers[self.boxes], per_class, limits)
            names = (self.boxes, self.scores, self.classes, self.count)
            answers.update(zip(names, found, strict=True))

        return reference

    def _middle_axis(self, boxes: Value, scores: Value) -> Axis:
        """What the middle axis of the scores is."""
        count, (_, middle, last) = boxes.dims[1], scores.dims
        if self.scores_per is None:
            if (middle == count) == (last == count):
                both = f"outputs '{self.boxes}' {boxes} and '{self.scores}' {scores}"
                raise Misfit(f"scores_per: {both} do not tell what the middle axis of the scores is")
            return "box" if middle == count else "class"
        actual = middle if self.scores_per == "box" else last
        if isinstance(actual, int) and isinstance(count, int) and actual != count:
            raise Misfit(f"scores_per: expected scores of {count} boxes, got {actual} in {scores}")
        return self.scores_per

    def _write(self, build: Builder, boxes: Value, scores: Value, per: Axis) -> tuple[str, str, str, str]:
        """Add the nodes; gives boxes, scores, classes and count."""
        corners = build.cast(boxes.tensor, boxes.datatype, _FP32)
        per_class = build.cast(scores.tensor, scores.datatype, _FP32)
        if per == "box":
            per_class = build.add("Transpose", per_class, perm=[0, 2, 1])
        best, place = self._best(build, corners, per_class)
        is_found = build.add("Greater", best, build.constant("nothing", -np.inf, _FP32))
        found = build.cast(is_found, _BOOL, _INT64)
        shape = build.add("Shape", corners)
        boxes_per_class = build.add("Gather", shape, build.constant("box_axis", np.int64(1)))
        # Of a picture without any box there is nothing to divide by.
        divisor = build.add("Max", boxes_per_class, build.constant("one", np.int64(1)))
        number = build.add("Div", place, divisor)
        box = build.add("Where", is_found, build.add("Mod", place, divisor), boxes_per_class)
        # Behind the last box stands one of zeros, for places that are not filled.
        padded = build.add("Pad", corners, build.constant("one_box", [0, 0, 0, 0, 1, 0]))
        box = build.add("Unsqueeze", box, build.constant("last", [-1]))
        return (
            build.add("GatherND", padded, box, batch_dims=1),
            build.add("Where", is_found, best, build.constant("zero", 0, _FP32)),
            build.add("Where", is_found, number, build.constant("no_class", np.int64(-1))),
            build.reduce("ReduceSum", found, 1, keep=False),
        )

    def _best(self, build: Builder, corners: str, per_class: str) -> tuple[str, str]:
        """The best scores of each picture after suppression, and where in `[class, box]` they stand.

        The operator answers a list over all pictures. Their scores go back to where they were, over a
        ground of minus infinity, so that each picture can choose its own best.
        """
        kept = build.add(
            "NonMaxSuppression",
            corners,
            per_class,
            build.constant("most", [self.max_detections]),
            build.constant("iou", [self.iou_threshold], _FP32),
            build.constant("least", [self.score_threshold], _FP32),
            center_point_box=int(self.form == "center"),
        )
        nothing = numpy_helper.from_array(np.array([-np.inf], np.float32))
        ground = build.add("ConstantOfShape", build.add("Shape", per_class), value=nothing)
        scores = build.add("ScatterND", ground, kept, build.add("GatherND", per_class, kept))
        # As many again, so that there are always enough to choose from.
        flat = build.add(
            "Pad",
            build.add("Flatten", scores, axis=1),
            build.constant("fill", [0, 0, 0, self.max_detections]),
            build.constant("filling", -np.inf, _FP32),
        )
        best, place = build.add_many("TopK", flat, build.constant("k", [self.max_detections]), outputs=2)
        return best, place


def _are_boxes(value: Value) -> bool:
    return is_float(value) and value.rank == 3 and value.dims[2] == 4
