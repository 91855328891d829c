"""Whole graphs in fewer bits: near the original, always the same, and what is left out stays."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto
from support.graphs import identity
from support.networks import FEATURES, convolutions, feeds, mlp

from modelet.build.quantise.accuracy import Bound, compare, distance
from modelet.build.quantise.calibrate import METHODS, observe
from modelet.build.quantise.candidates import formulas
from modelet.build.quantise.engine import Binding
from modelet.build.quantise.formula import PRECISIONS, Formula
from modelet.build.quantise.graph import GraphIndex
from modelet.build.quantise.quantiser import Quantiser
from modelet.build.quantise.sample_set import SampleSet
from modelet.build.quantise.targets import Excluded

MLP, CONVOLUTIONS = mlp(), convolutions()
INPUTS = {"mlp": feeds(64), "convolutions": feeds(24, (3, 16, 16))}
GRAPHS = {"mlp": MLP, "convolutions": CONVOLUTIONS}
EVERY = [
    Formula(),
    Formula(prune=0.3),
    Formula("int8-dynamic", guard="pairs"),
    *(Formula("int8-static", method, "pairs") for method in METHODS),
    Formula("int8-static", "minmax", "7bit"),
    Formula("int8-weights"),
    Formula("int4-weights"),
    Formula("fp16"),
]


def quantiser(name="mlp", **changes):
    return Quantiser(GRAPHS[name], INPUTS[name], **changes)


@pytest.mark.parametrize("formula", EVERY, ids=lambda formula: formula.name)
@pytest.mark.parametrize("name", GRAPHS)
def test_answers_stay_near_the_original(name, formula):
    made = Binding(quantiser(name).make(formula), "all").run_all(INPUTS[name])
    found = compare(Binding(GRAPHS[name]).run_all(INPUTS[name]), made)
    assert found.cosine is not None
    assert found.cosine > (0.9 if formula.prune or formula.precision == "int4-weights" else 0.999)


@pytest.mark.parametrize("formula", EVERY, ids=lambda formula: formula.name)
def test_the_same_formula_makes_the_same_bytes(formula):
    first, again = (quantiser().make(formula).SerializeToString(deterministic=True) for _ in range(2))
    assert first == again


@pytest.mark.parametrize("formula", EVERY[2:8], ids=lambda formula: formula.name)
def test_fewer_bits_are_fewer_bytes(formula):
    assert quantiser().make(formula).ByteSize() < 0.6 * MLP.ByteSize()


@given(
    st.builds(
        Formula,
        st.sampled_from(PRECISIONS),
        st.none() | st.sampled_from(METHODS),
        st.sampled_from(["pairs", "7bit", "none"]),
        st.sampled_from([0.0, 0.5]),
        st.lists(st.text(min_size=1), max_size=2).map(tuple),
    )
)
def test_a_formula_comes_back_from_its_json(formula):
    assert Formula.from_dict(formula.to_dict()) == formula


def test_a_plain_formula_says_nothing():
    assert Formula().to_dict() == {}
    assert Formula.from_dict({}) == Formula()


class TestFormulas:
    def names(self, name="mlp", wanted="auto", calibration="auto", prune=0.0, target="cpu", **changes):
        return [
            formula.name
            for formula in formulas(quantiser(name, **changes), wanted, calibration, prune, target)
        ]

    def test_auto_tries_all_that_fits(self):
        statics = [f"int8-static-{method}" for method in METHODS]
        assert self.names() == ["fp32", "int8-dynamic", *statics, "int8-weights", "int4-weights"]
        assert self.names("convolutions") == ["fp32", "int8-dynamic", *statics]
        assert self.names(target="gpu") == ["fp32", "fp16"]

    def test_one_precision_and_one_method(self):
        assert self.names(wanted="int8-static", calibration="mse") == ["fp32", "int8-static-mse"]

    def test_pruning_is_tried_alone_and_with_all(self):
        names = self.names(wanted="int8-dynamic", prune=0.5)
        assert names == ["fp32", "fp32-pruned50", "int8-dynamic-pruned50"]

    def test_nothing_fits_a_graph_without_weights(self):
        bare = Quantiser(identity(TensorProto.FLOAT), [])
        assert [formula.name for formula in formulas(bare, "auto", "auto", 0.0, "cpu")] == ["fp32"]

    def test_what_a_person_excludes_stays(self):
        assert self.names(excluded=Excluded(operators=("Gemm", "MatMul"))) == ["fp32"]


def operators(graph):
    return Counter(node.op_type for node in graph.graph.node)


def test_excluded_nodes_stay_in_floating_point():
    whole = quantiser().make(Formula("int8-static", "minmax", "pairs"))
    part = quantiser(excluded=Excluded(nodes=("sec*",))).make(Formula("int8-static", "minmax", "pairs"))
    assert operators(part)["DequantizeLinear"] < operators(whole)["DequantizeLinear"]
    assert "w2" in GraphIndex(part).initializers


def test_matrix_products_that_are_left_out_store_their_weights_block_by_block():
    mixed = quantiser().make(Formula("int8-static", "minmax", "pairs", left_out=("first", "relu")))
    assert operators(mixed)["MatMulNBits"] == 1


@pytest.mark.parametrize("left_out", [("second",), ("first", "relu"), ("first",)])
def test_no_activation_is_lost_beside_what_is_left_out(left_out):
    mixed = quantiser().make(Formula("int8-static", "minmax", "7bit", left_out=left_out))
    found = compare(Binding(MLP).run_all(INPUTS["mlp"]), Binding(mixed, "all").run_all(INPUTS["mlp"]))
    assert found.cosine is not None
    assert found.cosine > 0.999


def test_arm_multiplies_signed_with_signed():
    graph = quantiser(architecture="arm64").make(Formula("int8-static", "minmax", "none"))
    kinds = {tensor.data_type for tensor in graph.graph.initializer if tensor.name.endswith("zero_point")}
    assert TensorProto.UINT8 not in kinds


class TestCalibration:
    def test_the_range_holds_every_value(self):
        found = observe(quantiser().prepared, ["x"], INPUTS["mlp"])["x"]
        values = np.concatenate([feed["x"] for feed in INPUTS["mlp"]])
        low, high = found.range("minmax", 99.99)
        assert low <= values.min() <= values.max() <= high
        assert (high - low) / (values.max() - values.min()) < 1.002

    @pytest.mark.parametrize("method", ["percentile", "entropy"])
    def test_outliers_are_cut_off(self, method):
        normal = np.random.default_rng(0).standard_normal((200, FEATURES)).astype(np.float32)
        normal[0, 0] = 500.0
        found = observe(quantiser().prepared, ["x"], [{"x": normal}])["x"]
        low, high = found.range(method, 99.9)
        assert low <= 0 <= high < 400


class TestSampleSet:
    def test_calibration_and_evaluation_are_apart_and_always_the_same(self):
        first, again = (SampleSet.divide(INPUTS["mlp"], 20, 30) for _ in range(2))
        calibrated = {id(feed) for feed in first.calibration}
        judged = {id(INPUTS["mlp"][position]) for position in first.evaluation}
        assert (len(calibrated), len(judged), first.held_out) == (20, 30, True)
        assert not calibrated & judged
        assert first.evaluation == again.evaluation

    def test_never_more_than_half_calibrate(self):
        assert len(SampleSet.divide(INPUTS["mlp"], 64, 200).evaluation) == 32

    def test_a_handful_does_both(self):
        found = SampleSet.divide(INPUTS["mlp"][:5], 64, 200)
        assert (len(found.calibration), len(found.evaluation), found.held_out) == (5, 5, False)


class TestSensitivity:
    def test_the_node_that_int8_cannot_afford_is_found(self):
        """A huge weight for a unit that is never active: eight bits leave nothing of the channel's rest."""
        graph = mlp()
        index = GraphIndex(graph)
        dead, bias, huge = (index.array(name).copy() for name in ("w1", "b1", "w2"))
        dead[:, 0], bias[0], huge[0] = 0.0, 0.0, 300.0
        for name, array in {"w1": dead, "b1": bias, "w2": huge}.items():
            index.initializers[name].raw_data = array.tobytes()
        inputs = [{"x": feed["x"]} for feed in feeds(32)]
        found = Quantiser(graph, inputs).sensitive(
            Formula("int8-static", "minmax", "none"), Bound("cosine", 0.9999999), lambda done, total: None
        )
        worst, error = found.errors[0]
        assert "second" in worst.nodes
        assert error >= found.errors[-1][1]

    def test_nothing_is_left_out_when_nothing_helps(self):
        found = quantiser().sensitive(
            Formula("int8-static", "minmax", "pairs"), Bound("max_abs_diff", 0.0), lambda done, total: None
        )
        assert found.left_out is None

    def test_leaving_out_is_as_good_as_measured(self):
        plain = Binding(quantiser().prepared).run_all(INPUTS["mlp"])
        formula = Formula("int8-static", "minmax", "7bit")
        whole = distance(plain, Binding(quantiser().make(formula), "all").run_all(INPUTS["mlp"]))
        found = quantiser().sensitive(formula, Bound("cosine", 0.5), lambda done, total: None)
        names = tuple(found.errors[0][0].nodes)
        mixed = quantiser().make(Formula("int8-static", "minmax", "7bit", left_out=names))
        assert distance(plain, Binding(mixed, "all").run_all(INPUTS["mlp"])) < whole
