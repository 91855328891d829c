import numpy as np
import pytest

from modelet.build.quantise.accuracy import Accuracy, Bound, compare, distance, suitable_metric

SCORES = [{"y": np.array([[0.7, 0.2, 0.1]])}, {"y": np.array([[0.1, 0.1, 0.8]])}]
MOVED = [{"y": np.array([[0.6, 0.3, 0.1]])}, {"y": np.array([[0.1, 0.6, 0.3]])}]


def test_answers_are_compared_in_the_terms_people_use():
    found = compare(SCORES, MOVED)
    assert (found.runs, found.top1_agreement) == (2, 0.5)
    assert found.max_abs_diff == pytest.approx(0.5)
    first = (0.42 + 0.06 + 0.01) / np.sqrt(0.54 * 0.46)
    second = (0.01 + 0.06 + 0.24) / np.sqrt(0.66 * 0.46)
    assert found.cosine == pytest.approx((first + second) / 2)
    assert found.cosine_min == pytest.approx(second)


def test_a_batch_counts_row_by_row():
    together = [{"y": np.concatenate([answer["y"] for answer in SCORES])}]
    moved = [{"y": np.concatenate([answer["y"] for answer in MOVED])}]
    assert compare(together, moved).top1_agreement == 0.5


def test_right_answers_are_counted_where_they_are_known():
    found = compare(SCORES, MOVED, targets=[0, 2])
    assert (found.accuracy, found.accuracy_drop) == (0.5, 0.5)
    labels = [{"label": np.array([name], object)} for name in ("cat", "dog")]
    assert compare(labels, labels, targets=["cat", "cow"]).accuracy == 0.5


def test_labels_and_numbers_have_to_be_equal():
    ours = [{"n": np.array([1, 2, 3, 4])}]
    theirs = [{"n": np.array([1, 2, 3, 5])}]
    assert compare(theirs, ours).top1_agreement == 0.75


def test_another_shape_is_refused():
    with pytest.raises(ValueError, match="output 'y' has another shape"):
        compare(SCORES, [{"y": np.zeros((1, 2))}] * 2)


def test_what_is_not_finite_agrees_only_with_itself():
    nan = [{"y": np.array([[np.nan, 1.0]])}]
    assert compare(nan, nan).cosine == 1.0
    assert compare(nan, [{"y": np.array([[2.0, 1.0]])}]).cosine == 0.0


def test_single_numbers_are_one_vector_over_all_runs():
    theirs = [{"y": np.array([[float(n)]])} for n in (1, 2, 3)]
    ours = [{"y": np.array([[float(-n)]])} for n in (1, 2, 3)]
    assert compare(theirs, ours).cosine == pytest.approx(-1.0)


@pytest.mark.parametrize(
    ("bound", "accuracy", "admits"),
    [
        (Bound("top1_agreement", 0.99), Accuracy(1, top1_agreement=0.99), True),
        (Bound("top1_agreement", 0.99), Accuracy(1, top1_agreement=0.98), False),
        (Bound("cosine", 0.9), Accuracy(1, top1_agreement=1.0), False),
        (Bound("max_abs_diff", 0.1), Accuracy(1, max_abs_diff=0.1), True),
        (Bound("max_abs_diff", 0.1), Accuracy(1, max_abs_diff=0.2), False),
        (Bound("accuracy_drop", 0.01), Accuracy(1, accuracy_drop=-0.1), True),
    ],
)
def test_a_bound_admits_what_is_inside(bound, accuracy, admits):
    assert bound.admits(accuracy) is admits


def test_nearness_grows_towards_the_bound_whatever_the_metric():
    agreement, difference = Bound("top1_agreement", 0.99), Bound("max_abs_diff", 0.1)
    worse, better = (Accuracy(1, top1_agreement=0.5, max_abs_diff=0.9), Accuracy(1, 0.9, max_abs_diff=0.2))
    assert agreement.nearness(worse) < agreement.nearness(better)
    assert difference.nearness(worse) < difference.nearness(better)
    assert agreement.nearness(Accuracy(1)) == -np.inf


@pytest.mark.parametrize(
    ("answers", "has_labels", "metric"),
    [
        (SCORES, False, "top1_agreement"),
        ([{"y": np.array([[3.0, -1.0]])}], False, "cosine"),
        ([{"y": np.array([[3.0, -1.0]])}], True, "top1_agreement"),
        ([{"label": np.array(["cat"], object)}], False, "top1_agreement"),
    ],
)
def test_the_metric_suits_the_outputs(answers, has_labels, metric):
    assert suitable_metric(answers, has_labels) == metric


def test_distance_is_the_relative_squared_error():
    assert distance([{"y": np.array([[3.0, 4.0]])}], [{"y": np.array([[3.0, 3.0]])}]) == pytest.approx(1 / 25)
    assert distance(SCORES, SCORES) == 0.0
