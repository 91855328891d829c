"""What the proof compares with behind steps, and which runs prove nothing."""

import numpy as np
import pytest
from onnx import TensorProto
from support.grafts import graft
from support.graphs import identity, softmax

from modelet.build import cases
from modelet.build.arrays import to_tensor
from modelet.build.graft.surrounded import Surrounded
from modelet.build.optimise import Candidate, optimise
from modelet.build.prove import prove
from modelet.errors import ProofFailed
from modelet.golden import Case, Tolerance

FLOAT = TensorProto.FLOAT
LABELS = ("cat", "dog", "fox", "owl")
AFTER = [{"name": "top_k", "k": 2}, {"name": "class_names"}]
CLEAR = [0.1, 3.0, 1.0, 2.0]
# The second and the third place differ in the last digit only.
TIED = [0.1, 3.0, 1.0, 1.0 + 2**-23]
TIED_BELOW = [0.1, 0.1, 3.0, 2.0]
TOLERANCE = Tolerance(1e-3, 1e-4)


def answered(grafted, *rows):
    """A run, and whether it proves something."""
    assert isinstance(grafted.original, Surrounded)
    name = grafted.model.graph.input[0].name
    run = (to_tensor(name, np.array(rows, np.float32)),)
    outputs, is_decided = grafted.original.answer(run)
    return Case(run, tuple(outputs), is_decided)


@pytest.mark.parametrize(
    ("rows", "is_decided"),
    [([CLEAR], True), ([TIED], False), ([TIED_BELOW], True), ([CLEAR, TIED], False)],
)
def test_a_choice_between_equals_proves_nothing(rows, is_decided):
    assert answered(graft(softmax(4), after=AFTER, labels=LABELS), *rows).is_decided is is_decided


def test_scores_that_are_not_chosen_from_are_always_compared():
    assert answered(graft(softmax(4), after=[{"name": "softmax"}]), TIED).is_decided


def test_a_score_at_the_threshold():
    grafted = graft(identity(FLOAT, ("n", 1)), after=[{"name": "sigmoid"}, {"name": "threshold"}])
    assert not answered(grafted, [1e-12], [1.0]).is_decided
    assert answered(grafted, [-0.01], [1.0]).is_decided


def test_half_precision_is_coarser():
    near = np.array([[0.1, 3.0, 1.0, 1.004]], np.float16)
    for onnx_type, dtype, expected in ((TensorProto.FLOAT16, np.float16, False), (FLOAT, np.float32, True)):
        grafted = graft(identity(onnx_type, ("n", 4)), after=AFTER, labels=LABELS)
        _, is_decided = grafted.original.answer((to_tensor("x", near.astype(dtype)),))
        assert is_decided is expected


class TestProof:
    @pytest.fixture
    def grafted(self):
        return graft(softmax(4), after=AFTER, labels=LABELS)

    @pytest.fixture
    def artifact(self, grafted, tmp_path):
        return optimise(Candidate("fp32", grafted.model), "cpu", tmp_path / "made")

    def wrong(self, case):
        """The same with another second place."""
        outputs = tuple(
            to_tensor("classes", np.array([["dog", "cat"]], object)) if tensor.name == "classes" else tensor
            for tensor in case.outputs
        )
        return Case(case.inputs, outputs, case.is_decided)

    def test_passes_over_what_is_not_decided(self, grafted, artifact):
        clear, tied = answered(grafted, CLEAR), answered(grafted, TIED)
        assert prove(artifact, [clear, self.wrong(tied)], TOLERANCE).worst is None
        with pytest.raises(ProofFailed, match="1 of 2 elements of output 'classes'"):
            prove(artifact, [self.wrong(clear)], TOLERANCE)

    def test_compares_everything_where_nothing_is_decided(self, grafted, artifact):
        with pytest.raises(ProofFailed):
            prove(artifact, [self.wrong(answered(grafted, TIED))], TOLERANCE)

    def test_a_version_keeps_what_is_decided(self, grafted):
        clear, tied = answered(grafted, CLEAR), answered(grafted, TIED)
        assert cases.keep([tied, clear]) == (clear,)
        assert cases.keep([tied]) == (tied,)
