"""PyTorch modules and exported programs: what the graph answers, and what people read when there is none."""

import numpy as np
import pytest

from modelet.build.arrays import dtype_of, to_array, to_tensor
from modelet.build.check import check
from modelet.build.facts import settle_outputs, signature
from modelet.build.normalise import normalise
from modelet.build.owner import OwnerProcess
from modelet.build.reference import ReferenceSession
from modelet.errors import OwnerCodeFailed
from modelet_runtime.tensor import DATATYPES

NETS = '''
import collections
import torch
from torch import nn

DYNAMIC = torch.export.Dim.DYNAMIC


class Net(nn.Module):
    """A module whose behaviour is one function; the dropout shows whether it is in evaluation."""

    def __init__(self, function, **parts):
        super().__init__()
        self.function = function
        self.dropout = nn.Dropout(0.5)
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self.function(self, x)


class Pooled(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(50, 4)

    def forward(self, ids, mask):
        vectors = self.table(ids) * mask[:, :, None]
        return {"embedding": vectors.sum(1) / mask.sum(1, keepdim=True), "vectors": vectors}


def linear():
    torch.manual_seed(0)
    return nn.Linear(4, 3)


def bare(): return linear()
def with_example(): return linear(), torch.zeros(1, 4)
def dropping(): return Net(lambda self, x: self.dropout(x)), torch.zeros(1, 4)
def pooled(): torch.manual_seed(0); return Pooled()
def pair(): return Net(lambda self, x: (x + 1, x * 2)), {"pixels": torch.zeros(3, 4)}
def itself():
    return Net(lambda self, x: {"x": x, "same": x, "relu": x.relu(), "again": x.relu()}), torch.zeros(1, 4)
def halves(): return Net(lambda self, x: x * 2), torch.zeros(1, 4, dtype=torch.bfloat16)
def convolution():
    torch.manual_seed(0)
    block = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU6(), nn.AdaptiveAvgPool2d(1))
    return Net(lambda self, x: self.block(x).flatten(1), block=block)
def recurrent():
    torch.manual_seed(0)
    return Net(lambda self, x: self.lstm(x)[0], lstm=nn.LSTM(4, 5, batch_first=True))
def program():
    torch.manual_seed(0)
    axes = ({0: DYNAMIC, 1: DYNAMIC}, {0: DYNAMIC, 1: DYNAMIC})
    example = (torch.ones(2, 5, dtype=torch.int64), torch.ones(2, 5))
    return torch.export.export(Pooled().eval(), example, dynamic_shapes=axes)
def static_program(): return torch.export.export(linear(), (torch.zeros(1, 4),))

def branching(): return Net(lambda self, x: x if x.sum() > 0 else -x), torch.zeros(1, 4)
def reshaping(): return Net(lambda self, x: x.reshape(2, 4)), torch.zeros(1, 4)
def decomposing(): return Net(lambda self, x: torch.linalg.svd(x)[0]), torch.zeros(1, 4)
def raising(): return Net(lambda self, x: {}["weights"]), torch.zeros(1, 4)
def counting(): return Net(lambda self, x: (x, len(x))), torch.zeros(1, 4)
def complex_(): return Net(lambda self, x: torch.complex(x, x)), torch.zeros(1, 4)
def scalar_example(): return linear(), torch.tensor(1.0)
def too_many(): return linear(), (torch.zeros(1, 4), torch.zeros(1, 4))
def no_module(): return (linear(), 1, 2)
def enormous(): return Net(lambda self, x: x, table=nn.Embedding.from_pretrained(torch.empty(1000, 500_000)))
'''
ROW = {"inputs": [{"name": "row", "datatype": "FP32", "shape": ["batch", 4]}]}
TOKENS = {
    "inputs": [
        {"name": "token_ids", "datatype": "INT64", "shape": ["batch", "sequence"]},
        {"name": "mask", "datatype": "FP32", "shape": ["batch", "sequence"]},
    ]
}


@pytest.fixture(scope="module")
def owner(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo_net")
    (folder / "nets.py").write_text(NETS)
    with OwnerProcess(folder) as process:
        yield process


def built(owner, name, **export):
    """The original, its signature as a version would have it, and a session of its graph."""
    original = owner.build(f"nets.py:{name}", export=export)
    graph = original.export()
    check(graph, name)
    normalise(graph, name)
    settle_outputs(graph)
    return original, signature(graph), ReferenceSession(graph.SerializeToString())


def shapes(specs):
    return {spec.name: spec.shape for spec in specs}


def agree(original, session, *arrays):
    """Both answer alike; gives the answers by name."""
    inputs = [to_tensor(spec.name, array) for spec, array in arrays]
    expected, actual = original.run(inputs), session.run(inputs)
    for one, other in zip(expected, actual, strict=True):
        assert (one.name, one.shape, one.datatype) == (other.name, other.shape, other.datatype)
        np.testing.assert_allclose(to_array(one).astype(float), to_array(other).astype(float), 1e-4, 1e-5)
    return {tensor.name: to_array(tensor) for tensor in expected}


def numbers(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


class TestModules:
    @pytest.mark.parametrize("rows", [1, 2, 7])
    def test_declared_inputs_and_outputs_have_the_recipes_names(self, owner, rows):
        original, form, session = built(owner, "bare", **ROW, outputs=["scores"])
        assert (shapes(form.inputs), shapes(form.outputs)) == ({"row": (-1, 4)}, {"scores": (-1, 3)})
        agree(original, session, (form.inputs[0], numbers(rows, 4)))

    def test_an_example_says_names_datatypes_and_shapes(self, owner):
        original, form, session = built(owner, "with_example")
        assert (shapes(form.inputs), shapes(form.outputs)) == ({"input": (-1, 4)}, {"output": (-1, 3)})
        agree(original, session, (form.inputs[0], numbers(3, 4)))

    def test_a_module_is_in_evaluation(self, owner):
        original, form, session = built(owner, "dropping")
        answer = agree(original, session, (form.inputs[0], np.ones((2, 4), np.float32)))
        assert (answer["output"] == 1).all()

    @pytest.mark.parametrize(("rows", "length"), [(1, 1), (1, 9), (3, 4)])
    def test_batch_and_sequence_vary(self, owner, rows, length):
        original, form, session = built(owner, "pooled", **TOKENS)
        assert shapes(form.inputs) == {"token_ids": (-1, -1), "mask": (-1, -1)}
        assert shapes(form.outputs) == {"embedding": (-1, 4), "vectors": (-1, -1, 4)}
        ids = np.arange(rows * length).reshape(rows, length) % 50
        mask = np.ones((rows, length), np.float32)
        mask[:, 1:] = numbers(rows, length - 1) > 0
        agree(original, session, (form.inputs[0], ids), (form.inputs[1], mask))

    def test_outputs_of_a_tuple_are_numbered_and_inputs_of_a_dictionary_named(self, owner):
        _, form, _ = built(owner, "pair")
        assert list(shapes(form.inputs)) == ["pixels"]
        assert list(shapes(form.outputs)) == ["output_0", "output_1"]

    def test_an_output_may_be_an_input_and_have_the_name_of_what_is_inside(self, owner):
        original, form, session = built(owner, "itself", outputs=["y", "same", "relu", "relu_1"])
        agree(original, session, (form.inputs[0], numbers(2, 4)))

    def test_axes_of_an_image_vary_from_a_size_that_is_named(self, owner):
        image = {"name": "pixels", "datatype": "FP32", "shape": ["batch", 3, "height", "width"]}
        original, form, session = built(
            owner, "convolution", inputs=[image], axes={"height": 32, "width": 48}, outputs=["features"]
        )
        assert shapes(form.inputs) == {"pixels": (-1, 3, -1, -1)}
        agree(original, session, (form.inputs[0], numbers(2, 3, 17, 64)))

    def test_a_recurrent_network(self, owner):
        steps = {"name": "steps", "datatype": "FP32", "shape": ["batch", "time", 4]}
        original, form, session = built(owner, "recurrent", inputs=[steps])
        assert shapes(form.outputs) == {"output": (-1, -1, 5)}
        agree(original, session, (form.inputs[0], numbers(3, 6, 4)))

    def test_numbers_that_numpy_does_not_have_come_through(self, owner):
        original = owner.build("nets.py:halves")
        [answer] = original.run([to_tensor("x", np.array([[1, 2, 3, 4]], dtype_of(DATATYPES["BF16"])))])
        assert answer.datatype.name == "BF16"
        assert to_array(answer).astype(float).tolist() == [[2, 4, 6, 8]]

    def test_an_empty_batch(self, owner):
        original, form, session = built(owner, "with_example")
        agree(original, session, (form.inputs[0], numbers(0, 4)))

    @pytest.mark.parametrize("opset", [18, 20, 22])
    def test_the_opset_is_the_recipes(self, owner, opset):
        graph = owner.build("nets.py:with_example", export={"opset": opset}).export()
        assert [entry.version for entry in graph.opset_import if entry.domain == ""] == [opset]

    def test_the_same_module_makes_the_same_bytes(self, owner):
        first, second = (owner.build("nets.py:pooled", export=TOKENS).export() for _ in range(2))
        assert first.SerializeToString(deterministic=True) == second.SerializeToString(deterministic=True)


class TestPrograms:
    def test_a_program_is_what_it_was_exported_as(self, owner):
        original, form, session = built(owner, "program")
        assert shapes(form.inputs) == {"ids": (-1, -1), "mask": (-1, -1)}
        assert shapes(form.outputs) == {"embedding": (-1, 4), "vectors": (-1, -1, 4)}
        for rows, length in ((1, 3), (4, 6)):
            ids = np.arange(rows * length).reshape(rows, length)
            agree(original, session, (form.inputs[0], ids), (form.inputs[1], np.ones(ids.shape, np.float32)))

    def test_outputs_can_be_named(self, owner):
        _, form, _ = built(owner, "program", outputs=["sentence", "words"])
        assert list(shapes(form.outputs)) == ["sentence", "words"]

    def test_axes_that_were_exported_as_fixed_stay_so(self, owner):
        _, form, _ = built(owner, "static_program")
        assert shapes(form.inputs) == {"input": (1, 4)}


class TestRefusals:
    @pytest.mark.parametrize(
        ("name", "export", "message"),
        [
            ("bare", {}, "does not say what its inputs are: list them as inputs in"),
            ("branching", {}, r"forward goes another way depending on the data \(nets\.py, line \d+\)"),
            ("reshaping", {}, "axis 0 .* is always 2 in forward, so it cannot vary"),
            ("decomposing", {}, "ONNX has no operator for aten._linalg_svd"),
            (
                "raising",
                {},
                r"the module fails on x \[2, 4\] with KeyError: 'weights' \(nets\.py, line \d+\)",
            ),
            ("counting", {}, "the model returns a int as output_1: return tensors only"),
            ("complex_", {}, "output 'output_0' is of torch.complex64: return real numbers"),
            ("scalar_example", {}, "the example of input 'input' is no tensor with a batch axis"),
            ("too_many", {}, "the example has 2 inputs, and forward names 1"),
            ("no_module", {}, "a tuple is no model"),
            ("with_example", {"outputs": ["a", "b"]}, "the model has 1 outputs, and .* has 2 names"),
            ("with_example", {"opset": 99}, "PyTorch exports this model to opset .*, not 99"),
            ("bare", {**ROW, "axes": {"time": 3}}, "no input has an axis 'time': there are batch"),
            (
                "bare",
                {"inputs": [{"name": "row", "datatype": "FP32", "shape": ["batch", 5]}]},
                r"the module fails on row \[2, 5\] with RuntimeError",
            ),
            ("itself", {}, "'x' is the name of more than one input or output: write outputs in"),
            ("program", ROW, "an exported program has its inputs already"),
            ("enormous", ROW, "2,000,000,000 bytes of weights, more than the limit of 1,900,000,000"),
        ],
    )
    def test_what_cannot_be_exported_is_said_in_one_sentence(self, owner, name, export, message):
        with pytest.raises(OwnerCodeFailed, match=message) as caught:
            owner.build(f"nets.py:{name}", export=export).export()
        assert "\n" not in str(caught.value)

    def test_a_key_that_belongs_to_another_framework_is_refused(self, owner, tmp_path):
        (tmp_path / "train.py").write_text(
            "from sklearn.linear_model import LinearRegression\n"
            "def build(): return LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])\n"
        )
        with (
            OwnerProcess(tmp_path) as process,
            pytest.raises(OwnerCodeFailed, match=r"export\.opset: a model of"),
        ):
            process.build("train.py:build", export={"opset": 20})
