"""Normalising, reading facts, and ORT files that are the same every time."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from support.graphs import add_and_scale, identity, model, softmax, table_lookup, value
from support.networks import mlp

from modelet.build import facts, ort_format
from modelet.build.arrays import to_tensor
from modelet.build.normalise import normalise
from modelet.build.optimise import Candidate, optimise
from modelet.build.quantise.half import halve
from modelet.build.quantise.prepare import prepare
from modelet.build.reference import ReferenceSession
from modelet.errors import GraphRefused
from modelet_runtime.manifest import TensorSpec

FLOAT = TensorProto.FLOAT


def wide() -> onnx.ModelProto:
    """Many operators and a subgraph: what makes hash maps come out in different orders."""
    random = np.random.default_rng(0)
    weights = [numpy_helper.from_array(random.random((8, 8), np.float32), f"w{i}") for i in range(12)]
    kinds = ["Relu", "Tanh", "Sigmoid", "Erf", "Abs", "Neg", "Exp", "Softplus", "Floor", "Ceil", "Cos", "Sin"]
    nodes = [helper.make_node("MatMul", ["x", f"w{i}"], [f"m{i}"]) for i in range(12)]
    nodes += [helper.make_node(kind, [f"m{i}"], [f"a{i}"]) for i, kind in enumerate(kinds)]
    nodes.append(helper.make_node("Sum", [f"a{i}" for i in range(12)], ["s"]))
    branch = helper.make_graph(
        [helper.make_node("Mul", ["s", "s"], ["out"])],
        "b",
        [],
        [helper.make_tensor_value_info("out", FLOAT, None)],
    )
    nodes.append(helper.make_node("If", ["flag"], ["y"], then_branch=branch, else_branch=branch))
    inputs = [value("x", FLOAT, ("n", 8)), value("flag", TensorProto.BOOL, ())]
    return model(nodes, inputs, [value("y", FLOAT, ("n", 8))], weights)


class TestOrtFormat:
    def save(self, proto, path):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.optimized_model_filepath = str(path)
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.add_session_config_entry("session.save_model_format", "ORT")
        onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return path.read_bytes()

    def test_many_saves_have_one_canonical_form(self, tmp_path):
        saved = {self.save(wide(), tmp_path / f"{i}.ort") for i in range(10)}
        assert len(saved) > 1, "ONNX Runtime is reproducible now: `ort_format` can go"
        assert len({ort_format.canonical(data) for data in saved}) == 1

    def test_the_canonical_form_is_its_own(self, tmp_path):
        canonical = ort_format.canonical(self.save(wide(), tmp_path / "m.ort"))
        assert ort_format.canonical(canonical) == canonical

    @pytest.mark.parametrize("mapped", ["0", "1"])
    def test_it_runs_as_before(self, tmp_path, mapped):
        plain, canonical = tmp_path / "plain.ort", tmp_path / "canonical.ort"
        self.save(wide(), plain)
        canonical.write_bytes(ort_format.canonical(plain.read_bytes()))
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.use_memory_mapped_ort_model", mapped)
        options.add_session_config_entry("session.use_ort_model_bytes_for_initializers", mapped)
        feed = {"x": np.ones((2, 8), np.float32), "flag": np.array(True)}
        [expected], [actual] = (
            onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"]).run(None, feed)
            for path in (plain, canonical)
        )
        assert actual.tobytes() == expected.tobytes()

    def test_another_file_is_not_rewritten(self):
        with pytest.raises(ValueError, match="not an ORT file"):
            ort_format.canonical(bytes(64))


class TestOptimise:
    @pytest.mark.parametrize("proto", [wide(), softmax(), table_lookup()], ids=["wide", "softmax", "lookup"])
    def test_the_same_bytes_every_time(self, tmp_path, proto):
        first, second = (optimise(Candidate("fp32", proto), "cpu", tmp_path / name) for name in "ab")
        assert first.ort.read_bytes() == second.ort.read_bytes()
        assert first.onnx.read_bytes() == second.onnx.read_bytes()

    def test_the_graph_for_a_gpu_has_standard_operators_only(self, tmp_path):
        nodes = [
            helper.make_node("MatMul", ["x", "w"], ["m"]),
            helper.make_node("Add", ["m", "b"], ["a"]),
            helper.make_node("Erf", ["a"], ["e"]),
            helper.make_node("Add", ["e", "one"], ["p"]),
            helper.make_node("Mul", ["a", "p"], ["y"]),
        ]
        weights = [
            numpy_helper.from_array(np.ones((8, 8), np.float32), "w"),
            numpy_helper.from_array(np.ones(8, np.float32), "b"),
            numpy_helper.from_array(np.ones((), np.float32), "one"),
        ]
        proto = model(nodes, [value("x", FLOAT, ("n", 8))], [value("y", FLOAT, ("n", 8))], weights)
        graph = optimise(Candidate("fp32", proto), "gpu", tmp_path / "gpu").graph
        assert {node.domain for node in graph.graph.node} == {""}

    def test_the_graph_for_a_gpu_computes_in_the_bits_it_was_halved_to(self, tmp_path):
        """ONNX Runtime has no such products on a CPU, and would write casts to 32 bits around them."""
        graph = optimise(Candidate("fp16", halve(prepare(mlp()))), "gpu", tmp_path / "gpu").graph
        types = {tensor.name: tensor.data_type for tensor in graph.graph.initializer}
        products = [node for node in graph.graph.node if node.op_type == "Gemm"]
        assert len(products) == 2
        for node in products:
            assert [types.get(name) for name in node.input[1:]] == [TensorProto.FLOAT16] * 2
        onnx.checker.check_model(graph, full_check=True)

    def test_a_graph_that_cannot_be_loaded_is_refused(self, tmp_path):
        proto = identity(TensorProto.STRING)
        proto.graph.node[0].op_type = "Abs"
        with pytest.raises(GraphRefused, match="cannot optimise"):
            optimise(Candidate("fp32", proto), "cpu", tmp_path)


class TestNormalise:
    def test_what_differs_between_machines_goes(self):
        proto = add_and_scale()
        proto.producer_name, proto.doc_string = "pytorch", "exported from /home/ann/train.py"
        proto.metadata_props.add(key="date", value="2026-11-23")
        proto.graph.name, proto.graph.doc_string = "5c0ffee", "/home/ann"
        proto.graph.node[0].doc_string = "/home/ann/train.py:7"
        proto.graph.node[0].metadata_props.add(key="stack", value="/home/ann/train.py")
        proto.graph.input[0].doc_string = "/home/ann"
        normalise(proto, "demo_sum")
        data = proto.SerializeToString()
        assert not any(word in data for word in (b"/home/ann", b"pytorch", b"2026", b"5c0ffee"))
        onnx.checker.check_model(proto)

    def test_operator_sets_are_listed_once_and_only_if_used(self):
        proto = add_and_scale()
        for domain, version in (("", 18), ("ai.onnx.ml", 3), ("com.microsoft.nchwc", 1)):
            proto.opset_import.append(helper.make_opsetid(domain, version))
        normalise(proto, "demo_sum")
        assert [(entry.domain, entry.version) for entry in proto.opset_import] == [("", 20)]

    def test_initializers_are_no_inputs(self):
        proto = add_and_scale()
        proto.ir_version = 3
        proto.graph.input.append(value("two", FLOAT, ()))
        normalise(proto, "demo_sum")
        assert [spec.name for spec in facts.signature(proto).inputs] == ["a", "b"]
        assert proto.ir_version >= 4

    @pytest.mark.parametrize(("given", "kept"), [(None, "C.UTF-8"), ("en_US.UTF-8", "C.UTF-8"), ("C", "C")])
    def test_strings_are_folded_in_a_locale_that_every_machine_has(self, given, kept):
        extra = {"locale": given} if given else {}
        node = helper.make_node("StringNormalizer", ["x"], ["y"], case_change_action="LOWER", **extra)
        strings = [value(name, TensorProto.STRING, ("n",)) for name in "xy"]
        proto = model([node], strings[:1], strings[1:])
        normalise(proto, "demo_text")
        assert [a.s.decode() for a in proto.graph.node[0].attribute if a.name == "locale"] == [kept]
        if kept == "C.UTF-8":
            session = ReferenceSession(proto.SerializeToString())
            [lower] = session.run([to_tensor("x", np.array(["ÄÖ Ab"], dtype=object))])
            assert lower.elements == ("äö ab".encode(),)


class TestFacts:
    def test_signature_and_graph(self):
        proto = table_lookup()
        signature = facts.signature(proto)
        assert signature.inputs == (TensorSpec("index", "INT64", (-1,)),)
        assert signature.outputs == (TensorSpec("y", "FP32", (-1,)),)
        found = facts.graph(proto, "fp32")
        assert (found.opsets, found.operators) == ({"ai.onnx": 20}, {"Gather": 1})

    def test_a_missing_shape_is_inferred(self):
        proto = softmax(4)
        proto.graph.output[0].type.tensor_type.ClearField("shape")
        facts.settle_outputs(proto)
        assert facts.signature(proto).outputs == (TensorSpec("probabilities", "FP32", (-1, 4)),)

    def test_a_shape_that_depends_on_values_is_seen(self):
        shape = helper.make_node("Cast", ["x"], ["size"], to=TensorProto.INT64)
        proto = model(
            [shape, helper.make_node("Expand", ["one", "size"], ["y"])],
            [value("x", FLOAT, (3,))],
            [value("y", FLOAT, (1,))],
            [numpy_helper.from_array(np.ones((), np.float32), "one")],
        )
        proto.graph.output[0].type.tensor_type.ClearField("shape")
        facts.settle_outputs(proto)
        assert facts.signature(proto).outputs == (TensorSpec("y", "FP32", (-1, -1, -1)),)

    def test_an_axis_that_was_declared_wrong_is_variable(self):
        node = helper.make_node("TopK", ["x", "k"], ["y", "i"])
        k = numpy_helper.from_array(np.array([2]), "k")
        outputs = [value("y", FLOAT, ("n", 2)), value("i", TensorProto.INT64, ("n", 2))]
        proto = model([node], [value("x", FLOAT, ("n", 5))], outputs, [k])
        proto.graph.output[1].type.tensor_type.shape.dim[1].dim_value = 3
        facts.settle_outputs(proto)
        assert [spec.shape for spec in facts.signature(proto).outputs] == [(-1, 2), (-1, -1)]
