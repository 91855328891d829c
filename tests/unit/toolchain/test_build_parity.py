import math

import numpy as np
import pytest

from modelet.build.arrays import to_tensor
from modelet.build.parity import OutputParity, Parity
from modelet.golden import Tolerance

TOLERANCE = Tolerance(rtol=0.1, atol=0.01)


def compared(expected, actual, tolerance=TOLERANCE):
    parity = OutputParity("y")
    parity.add(to_tensor("y", np.asarray(expected)), to_tensor("y", np.asarray(actual)), tolerance)
    return parity


@pytest.mark.parametrize(
    ("expected", "actual", "outside", "largest"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0, 0.0),
        ([1.0, 2.0], [1.1, 1.8], 0, 0.2),
        ([1.0, 2.0], [1.12, 2.0], 1, 0.12),
        ([0.0], [0.01], 0, 0.01),
        ([0.0], [0.011], 1, 0.011),
        ([math.nan, math.inf], [math.nan, math.inf], 0, 0.0),
        ([math.nan], [0.0], 1, 0.0),
        ([math.inf], [-math.inf], 1, 0.0),
        ([1.0], [math.nan], 1, 0.0),
        (1.5, 1.5, 0, 0.0),
    ],
)
def test_floats_are_compared_with_tolerance(expected, actual, outside, largest):
    parity = compared(expected, actual)
    assert (parity.outside, parity.max_abs_diff) == (outside, pytest.approx(largest))


@pytest.mark.parametrize(
    ("expected", "actual", "outside"),
    [
        ([1, 2, 3], [1, 2, 3], 0),
        ([1, 2, 3], [1, 2, 4], 1),
        ([True, False], [True, True], 1),
        (["a", "b"], ["a", "c"], 1),
        ([[1, 2]], [1, 2], 2),
        ([1], [1.0], 1),
        ([], [], 0),
    ],
)
def test_all_else_is_equal(expected, actual, outside):
    assert compared(expected, actual).outside == outside


def test_rows_of_scores_agree_on_the_best():
    parity = compared([[0.1, 0.9], [0.6, 0.4]], [[0.2, 0.8], [0.4, 0.6]])
    figures = parity.to_dict()
    assert figures["top1_agreement"] == 0.5
    # By hand: (0.6*0.4 + 0.4*0.6) / (0.52 * 1) is the smaller cosine of the two rows.
    assert figures["cosine_min"] == pytest.approx(0.48 / 0.52)


def test_runs_add_up():
    parity = Parity(TOLERANCE)
    for actual in ([1.0], [5.0]):
        parity.add([to_tensor("y", np.array([1.0]))], [to_tensor("y", np.array(actual))])
    assert parity.worst is parity.outputs["y"]
    assert (parity.worst.elements, parity.worst.outside, parity.worst.max_abs_diff) == (2, 1, 4.0)
