"""What grafting does to a graph: names, axes, scopes, old operators; and what a recipe may say."""

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from support.grafts import graft, steps
from support.graphs import add_and_scale, model, softmax, value
from support.sources import write_recipe

from modelet.build import contents
from modelet.build.graft import registry
from modelet.build.graft.registry import split_input, split_output
from modelet.errors import GraphRefused, RecipeRefused
from modelet.recipe import Recipe
from modelet_runtime.errors import ArtifactError
from modelet_runtime.steps import registry as runtime

FLOAT = TensorProto.FLOAT
LETTERS = ("a", "b", "c", "d")


def linear(opset=20):
    """`logits = x @ w` over `FP32[n,4]`."""
    weights = numpy_helper.from_array(np.arange(12, dtype=np.float32).reshape(4, 3) / 7 - 0.5, "w")
    return model(
        [helper.make_node("MatMul", ["x", "w"], ["logits"])],
        [value("x", FLOAT, ("n", 4))],
        [value("logits", FLOAT, ("n", 3))],
        [weights],
        opset,
    )


class TestNames:
    def test_inputs_and_outputs_keep_theirs(self):
        grafted = graft(linear(), [{"name": "scale", "divisor": 2}], [{"name": "softmax"}])
        assert grafted.signature == {"x": "FLOAT[n,4]", "logits": "FLOAT[n,3]"}

    def test_they_can_get_others(self):
        before = [{"name": "pixels", "rename": "digits"}, {"name": "scale", "divisor": 2}]
        after = [{"name": "softmax", "rename": "probabilities", "keep": True}]
        grafted = graft(linear(), before, after)
        assert list(grafted.signature) == ["digits", "logits", "probabilities"]
        grafted.agreed(digits=np.arange(8, dtype=np.uint8).reshape(2, 4))

    def test_two_outputs_can_change_theirs(self):
        after = [
            {"name": "scale", "output": "sum", "rename": "other"},
            {"name": "scale", "output": "double", "rename": "sum"},
            {"name": "scale", "output": "other", "rename": "double"},
        ]
        grafted = graft(add_and_scale(), after=after)
        a, b = np.array([[1, 2]], np.float32), np.array([[10, 20]], np.float32)
        answer = grafted.agreed(a=a, b=b)
        assert {name: array.tolist() for name, array in answer.items()} == {
            "double": [[11, 22]],
            "sum": [[2, 4]],
        }

    def test_one_tensor_under_two_names(self):
        grafted = graft(linear(), after=[{"name": "scale", "rename": "same", "keep": True}])
        answer = grafted.agreed(x=np.ones((1, 4), np.float32))
        assert answer["same"].tolist() == answer["logits"].tolist()

    def test_names_of_steps_may_be_taken(self):
        proto = linear()
        proto.graph.node[0].output[0] = proto.graph.output[0].name = "softmax_softmax"
        graft(proto, after=[{"name": "softmax"}, {"name": "softmax"}]).agreed(x=np.ones((1, 4), np.float32))

    @pytest.mark.parametrize(
        ("after", "message"),
        [
            ([{"name": "softmax", "keep": True}], "output 'logits' stays, so the new one needs another name"),
            ([{"name": "softmax", "rename": "x"}], "'x' would be an input and an output: rename one of them"),
            (
                [{"name": "top_k", "k": 1, "scores": "logits", "keep": True}],
                "there is an output 'logits' already: give this one another name",
            ),
        ],
    )
    def test_a_name_twice(self, after, message):
        with pytest.raises(RecipeRefused, match=message):
            graft(linear(), after=after)

    def test_an_input_name_twice(self):
        before = [{"name": "scale", "input": "a", "rename": "b"}]
        with pytest.raises(RecipeRefused, match="input 'a': there is an input 'b' already"):
            graft(add_and_scale(), before)


class TestChoice:
    def test_of_several_inputs_one_is_named(self):
        grafted = graft(add_and_scale(), [{"name": "scale", "input": "b", "factor": 10}])
        answer = grafted.agreed(a=np.ones((1, 2), np.float32), b=np.ones((1, 2), np.float32))
        assert answer["sum"].tolist() == [[11, 11]]

    def test_of_several_outputs_one_must_be_named(self):
        message = r"one output of floating-point scores, the model has sum .*, double .*name one with"
        with pytest.raises(RecipeRefused, match=message):
            graft(add_and_scale(), after=[{"name": "sigmoid"}])

    def test_select_drops_and_orders(self):
        feed = {name: np.ones((1, 2), np.float32) for name in "ab"}
        grafted = graft(add_and_scale(), after=[{"name": "select", "outputs": ["double", "sum"]}])
        assert list(grafted.agreed(**feed)) == ["double", "sum"]
        grafted = graft(add_and_scale(), after=[{"name": "select", "outputs": ["double"]}])
        assert list(grafted.agreed(**feed)) == ["double"]

    @pytest.mark.parametrize(
        ("outputs", "message"),
        [
            (["z"], "outputs: there is no output 'z', the model has sum"),
            ([], "expected one or more different names"),
            (["sum", "sum"], "expected one or more different names"),
        ],
    )
    def test_select_of_what_is_not_there(self, outputs, message):
        with pytest.raises(Exception, match=message):
            graft(add_and_scale(), after=[{"name": "select", "outputs": outputs}])


class TestGraphs:
    @given(rows=st.integers(1, 5))
    def test_a_batch_is_its_rows(self, rows):
        before = [{"name": "pixels"}, {"name": "normalise", "mean": [1, 2, 3, 4], "std": [1, 2, 1, 2]}]
        after = [{"name": "softmax"}, {"name": "top_k", "k": 2}, {"name": "class_names"}]
        grafted = graft(linear(), before, after, LETTERS[:3])
        x = np.random.default_rng(rows).integers(0, 256, (rows, 4), dtype=np.uint8)
        together = grafted.agreed(x=x)
        for row in range(rows):
            for name, array in grafted.answer(x=x[row : row + 1]).items():
                assert array[0].tolist() == together[name][row].tolist()

    @pytest.mark.parametrize("opset", range(7, 27))
    def test_every_operator_set(self, opset):
        before = [{"name": "pixels"}, {"name": "scale", "divisor": 255}]
        after = [
            {"name": "l2_normalise"},
            {"name": "softmax"},
            {"name": "top_k", "k": 2, "keep": True},
            {"name": "class_names"},
        ]
        grafted = graft(linear(opset), before, after, LETTERS[:3])
        assert [entry.version for entry in grafted.model.opset_import] == [max(opset, 13)]
        grafted.agreed(x=np.arange(8, dtype=np.uint8).reshape(2, 4))

    def test_operators_that_cannot_be_converted_are_refused(self):
        proto = linear(8)
        proto.graph.node.append(helper.make_node("Scan", ["x", "x"], ["scanned"], num_scan_inputs=1))
        with pytest.raises(GraphRefused, match="need operator set 13 or newer, and the graph has 8: "):
            graft(proto, after=[{"name": "softmax"}])

    def test_a_graph_without_any_standard_operator(self):
        node = helper.make_node("Scaler", ["x"], ["y"], domain="ai.onnx.ml", offset=[1.0], scale=[2.0])
        sides = ([value("x", FLOAT, ("n", 3))], [value("y", FLOAT, ("n", 3))])
        imports = [helper.make_opsetid("ai.onnx.ml", 3)]
        proto = helper.make_model(helper.make_graph([node], "g", *sides), opset_imports=imports, ir_version=4)
        grafted = graft(proto, [{"name": "scale", "divisor": 2}], [{"name": "sigmoid"}])
        grafted.agreed(x=np.ones((2, 3), np.float32))

    def test_a_subgraph_that_uses_the_input(self):
        def branch(kind):
            node = helper.make_node(kind, ["x"], [f"{kind}_out"])
            return helper.make_graph([node], kind, [], [value(f"{kind}_out", FLOAT, ("n", 3))])

        nodes = [
            helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
            helper.make_node("Greater", ["sum", "zero"], ["is_more"]),
            helper.make_node("If", ["is_more"], ["y"], then_branch=branch("Neg"), else_branch=branch("Abs")),
        ]
        zero = numpy_helper.from_array(np.float32(0), "zero")
        x, y = value("x", FLOAT, ("n", 3)), value("y", FLOAT, ("n", 3))
        grafted = graft(
            model(nodes, [x], [y], [zero]), [{"name": "scale", "factor": -2}], [{"name": "sigmoid"}]
        )
        for sign in (1, -1):
            grafted.agreed(x=np.full((2, 3), sign, np.float32))

    def test_local_functions(self):
        """Exporters write them; inside they may use any name."""
        body = [helper.make_node("Neg", ["x"], ["logits"])]
        imports = [helper.make_opsetid("", 20)]
        function = helper.make_function("local", "Turn", ["x"], ["logits"], body, imports)
        proto = linear()
        proto.graph.node[0].output[0] = "product"
        proto.graph.node.append(helper.make_node("Turn", ["product"], ["logits"], domain="local"))
        proto.opset_import.append(helper.make_opsetid("local", 1))
        proto.functions.append(function)
        onnx.checker.check_model(proto)
        grafted = graft(proto, [{"name": "scale", "factor": 3}], [{"name": "softmax"}])
        grafted.agreed(x=np.ones((1, 4), np.float32))

    def test_an_output_that_is_used_inside_as_well(self):
        proto = softmax()
        proto.graph.node.append(helper.make_node("Neg", ["probabilities"], ["negative"]))
        proto.graph.output.append(value("negative", FLOAT, ("n", 4)))
        grafted = graft(proto, after=[{"name": "top_k", "k": 1, "output": "probabilities"}])
        answer = grafted.agreed(logits=np.array([[1, 2, 3, 4]], np.float32))
        assert answer["negative"].min() == -answer["scores"][0, 0]

    def test_an_input_that_is_an_output_is_refused(self):
        proto = linear()
        proto.graph.output.append(value("x", FLOAT, ("n", 4)))
        with pytest.raises(GraphRefused, match="input 'x' is an output, too"):
            graft(proto, [{"name": "scale"}])

    def test_the_same_bytes_every_time(self):
        made = {
            graft(linear(), [{"name": "pixels"}], [{"name": "top_k", "k": 2}]).model.SerializeToString()
            for _ in range(2)
        }
        assert len(made) == 1

    def test_without_steps_nothing_changes(self):
        proto = linear(9)
        grafted = graft(proto)
        assert grafted.model.SerializeToString() == proto.SerializeToString()


class TestRecipe:
    def test_no_step_has_two_meanings(self):
        assert not set(registry.INPUT) & set(runtime.INPUT)
        assert not set(registry.OUTPUT) & set(runtime.OUTPUT)

    def test_sides(self):
        first, then = split_input(steps([{"name": "image"}, {"name": "pixels"}, {"name": "scale"}]))
        assert [step.name for step in first] == ["image"]
        assert [placed.where for placed in then] == [
            "input.steps[1]: step 'pixels'",
            "input.steps[2]: step 'scale'",
        ]
        first, then = split_output(steps([{"name": "softmax"}, {"name": "labels", "top_k": 1}]))
        assert [placed.written.name for placed in first] == ["softmax"]
        assert [step.parameters for step in then] == [{"top_k": 1}]

    @pytest.mark.parametrize(
        ("split", "written", "message"),
        [
            (
                split_input,
                ["pixels", "image"],
                r"input\.steps\[1\]: step 'image' runs in the runtime and cannot follow 'pixels',"
                " which is part of the graph: put it in front",
            ),
            (
                split_output,
                ["softmax", "labels", "softmax"],
                r"output\.steps\[2\]: step 'softmax' is part of the graph and cannot follow 'labels',"
                " which runs in the runtime: put it in front",
            ),
            (
                split_input,
                ["image", "softmax"],
                r"input\.steps\[1\]: unknown step 'softmax': there are .*hook, image, n",
            ),
            (
                split_output,
                ["pixels"],
                r"output\.steps\[0\]: unknown step 'pixels': there are .*class_names, .*hook",
            ),
        ],
    )
    def test_wrong_orders_and_sides(self, split, written, message):
        with pytest.raises(ArtifactError, match=message):
            split(steps([{"name": name} for name in written]))

    def test_a_wrong_parameter_names_its_key(self):
        with pytest.raises(ArtifactError, match=r"input\.steps\[0\]: step 'scale': unknown parameter 'by'"):
            split_input(steps([{"name": "scale", "by": 3}]))

    def test_a_recipe_is_refused_with_its_file(self, tmp_path):
        folder = write_recipe(
            tmp_path / "demo", "m.onnx", input={"steps": [{"name": "pixels"}, {"name": "image"}]}
        ).path
        with pytest.raises(RecipeRefused, match=r"model\.toml: input\.steps\[1\]: step 'image' runs"):
            contents.read(Recipe.load(folder), folder)

    def test_what_the_manifest_says(self):
        _, before = split_input(steps([{"name": "scale", "factor": [1, 2]}]))
        grafted = contents.Graft(before).to_dict()
        assert grafted == {"input": [{"name": "scale", "parameters": {"factor": [1, 2]}}], "output": []}
        assert contents.Graft().to_dict() == {}
