"""Non-maximum suppression against the definition, written once more and as simply as can be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from support.grafts import graft
from support.graphs import model, value

FLOAT = TensorProto.FLOAT
LABELS = ("bird", "cat", "dog")


def detector(boxes, scores, datatype=FLOAT):
    """`boxes = b`, `scores = s`: what a detector answers before suppression."""
    nodes = [helper.make_node("Identity", ["b"], ["boxes"]), helper.make_node("Identity", ["s"], ["scores"])]
    return model(
        nodes,
        [value("b", datatype, boxes), value("s", datatype, scores)],
        [value("boxes", datatype, boxes), value("scores", datatype, scores)],
    )


def overlap(a, b):
    """Intersection over union of `[x1, y1, x2, y2]`."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def simplest(boxes, scores, iou, least, most):
    """Detections of one picture as `(score, class, box)`: a box goes if a better one that stays covers it."""
    found = []
    for number in range(scores.shape[1]):
        kept = []
        for score, box in sorted(((-s, i) for i, s in enumerate(scores[:, number]) if s > least)):
            if all(overlap(boxes[other], boxes[box]) <= iou for other in kept):
                kept.append(box)
                found.append((-score, number, box))
    return sorted(found, key=lambda item: (-item[0], item[1], item[2]))[:most]


@st.composite
def scenes(draw):
    """Rows of boxes with corners on a grid and scores of few values: overlaps and ties are common."""
    rows, count = draw(st.integers(1, 3)), draw(st.integers(1, 8))
    place = st.integers(0, 6)
    size = st.integers(1, 4)
    corners = [
        [(x := draw(place), y := draw(place), x + draw(size), y + draw(size)) for _ in range(count)]
        for _ in range(rows)
    ]
    level = st.integers(0, 20)
    scores = [[[draw(level) / 20 for _ in LABELS] for _ in range(count)] for _ in range(rows)]
    return np.array(corners, np.float32), np.array(scores, np.float32)


@given(scene=scenes(), iou=st.sampled_from([0.0, 0.31, 0.52, 1.0]), most=st.integers(1, 12))
def test_what_the_definition_says(scene, iou, most):
    boxes, scores = scene
    step = {
        "name": "non_max_suppression",
        "iou_threshold": iou,
        "score_threshold": 0.22,
        "max_detections": most,
        "scores_per": "box",
    }
    grafted = graft(detector(("n", "boxes", 4), ("n", "boxes", 3)), after=[step])
    answer = grafted.agreed(b=boxes, s=scores)
    for row in range(len(boxes)):
        found = simplest(boxes[row].tolist(), scores[row], iou, 0.22, most)
        count = answer["count"][row]
        assert count == len(found)
        classes = answer["classes"][row].tolist()
        assert classes == [number for _, number, _ in found] + [-1] * (most - count)
        assert answer["scores"][row][:count].tolist() == [score for score, _, _ in found]
        assert answer["boxes"][row][:count].tolist() == [boxes[row, box].tolist() for _, _, box in found]
        assert not answer["scores"][row][count:].any()
        assert not answer["boxes"][row][count:].any()


@given(scene=scenes())
def test_a_batch_is_its_rows(scene):
    boxes, scores = scene
    step = {"name": "non_max_suppression", "max_detections": 4}
    grafted = graft(detector(("n", "boxes", 4), ("n", "boxes", 3)), after=[step])
    together = grafted.answer(b=boxes, s=scores)
    for row in range(len(boxes)):
        alone = grafted.answer(b=boxes[row : row + 1], s=scores[row : row + 1])
        for name, array in together.items():
            np.testing.assert_array_equal(array[row], alone[name][0], err_msg=name)


TWO = np.array([[[0, 0, 2, 2], [0.5, 0, 2.5, 2], [5, 5, 6, 6]]], np.float32)
SCORES = np.array([[[0.1, 0.6, 0], [0.2, 0.7, 0], [0.9, 0, 0]]], np.float32)


def test_what_people_read_of_a_scene():
    after = [
        {
            "name": "non_max_suppression",
            "max_detections": 3,
            "score_threshold": 0.3,
            "scores_per": "box",
        },
        {"name": "class_names", "rename": "labels"},
    ]
    grafted = graft(detector(("n", "m", 4), ("n", "m", 3)), after=after, labels=LABELS)
    assert grafted.signature == {
        "b": "FLOAT[n,m,4]",
        "s": "FLOAT[n,m,3]",
        "boxes": "FLOAT[n,3,4]",
        "scores": "FLOAT[n,3]",
        "labels": "STRING[n,3]",
        "count": "INT64[n]",
    }
    answer = grafted.agreed(b=TWO, s=SCORES)
    assert answer["labels"].tolist() == [["bird", "cat", ""]]
    assert answer["count"].tolist() == [2]
    assert answer["boxes"].tolist() == [[[5, 5, 6, 6], [0.5, 0, 2.5, 2], [0, 0, 0, 0]]]


@pytest.mark.parametrize("form", ["corners", "center"])
def test_centers_are_corners_of_another_kind(form):
    sizes = TWO[..., 2:] - TWO[..., :2]
    boxes = TWO if form == "corners" else np.concatenate([TWO[..., :2] + sizes / 2, sizes], axis=-1)
    step = {"name": "non_max_suppression", "form": form, "scores_per": "box", "max_detections": 9}
    answer = graft(detector(("n", 3, 4), ("n", 3, 3)), after=[step]).agreed(b=boxes, s=SCORES)
    assert answer["count"].tolist() == [3]
    assert answer["classes"][0, :3].tolist() == [0, 1, 0]


def test_scores_by_class_and_corners_in_any_order():
    turned = TWO[..., [2, 1, 0, 3]]
    grafted = graft(
        detector(("n", "m", 4), ("n", 3, "m")), after=[{"name": "non_max_suppression", "max_detections": 4}]
    )
    answer = grafted.agreed(b=turned, s=SCORES.transpose(0, 2, 1).copy())
    assert answer["classes"].tolist() == [[0, 1, 0, -1]]
    assert answer["boxes"][0, 1].tolist() == [2.5, 0, 0.5, 2]


def test_no_box_at_all():
    step = {"name": "non_max_suppression", "max_detections": 2, "scores_per": "box"}
    grafted = graft(detector(("n", "m", 4), ("n", "m", 3)), after=[step])
    answer = grafted.agreed(b=np.zeros((2, 0, 4), np.float32), s=np.zeros((2, 0, 3), np.float32))
    assert answer["count"].tolist() == [0, 0]
    assert answer["classes"].tolist() == [[-1, -1]] * 2


def test_half_precision_comes_out_as_single():
    step = {"name": "non_max_suppression", "max_detections": 2, "scores_per": "box"}
    grafted = graft(detector(("n", 3, 4), ("n", 3, 3), TensorProto.FLOAT16), after=[step])
    answer = grafted.agreed(b=TWO.astype(np.float16), s=SCORES.astype(np.float16))
    assert answer["boxes"].dtype == np.float32


@pytest.mark.parametrize(
    ("boxes", "scores", "parameters", "message"),
    [
        (
            ("n", 5, 4),
            ("n", 5),
            {},
            r"output 'scores': expected scores per box and class \(3 axes\), got FP32\[\?,5\]",
        ),
        (
            ("n", 5, 5),
            ("n", 5, 3),
            {},
            r"output 'boxes': expected boxes \[rows, boxes, 4\], got FP32\[\?,5,5\]",
        ),
        (("n", 5, 4), ("n", 6, 3), {}, "do not tell what the middle axis of the scores is"),
        (("n", 3, 4), ("n", 3, 3), {}, "do not tell what the middle axis of the scores is"),
        (
            ("n", 5, 4),
            ("n", 5, 3),
            {"scores_per": "class"},
            r"expected scores of 5 boxes, got 3 in FP32\[\?,5,3\]",
        ),
        (("n", 5, 4), ("n", 5, 3), {"boxes": "b"}, "boxes: there is no output 'b'"),
        (("n", 5, 4), ("n", 5, 3), {"iou_threshold": 1.5}, "iou_threshold: expected 0 to 1, got 1.5"),
        (("n", 5, 4), ("n", 5, 3), {"max_detections": 0}, "max_detections: expected at least 1, got 0"),
        (
            ("n", 5, 4),
            ("n", 5, 3),
            {"count": "classes"},
            "expected four names, got boxes, scores, classes, classes",
        ),
    ],
)
def test_misfits(boxes, scores, parameters, message):
    with pytest.raises(Exception, match=rf"output.steps\[0\]: step 'non_max_suppression': .*{message}"):
        graft(detector(boxes, scores), after=[{"name": "non_max_suppression", **parameters}])
