"""SavedModels and functions of TensorFlow: exported with the same answers, or refused with the reason."""

import numpy as np
import pytest
import tensorflow as tf

from modelet.build.arrays import to_array, to_tensor
from modelet.build.check import check
from modelet.build.facts import settle_outputs, signature
from modelet.build.normalise import normalise
from modelet.build.owner import OwnerProcess
from modelet.build.reference import ReferenceSession
from modelet.errors import OwnerCodeFailed

CODE = """
import tensorflow as tf

class Scale(tf.Module):
    def __init__(self):
        self.factor = tf.Variable(3.0)

    @tf.function(input_signature=[tf.TensorSpec((None, 2), tf.float32, name="x")])
    def __call__(self, x):
        return self.factor * x

def module(): return Scale()
def function():
    @tf.function(input_signature=[tf.TensorSpec((None, 2), name="x"), tf.TensorSpec((None, 2), name="y")])
    def total(x, y):
        return {"total": x + y, "product": x * y}
    return total
def unsigned(): return tf.function(lambda x: x)
def unknown():
    return tf.function(tf.math.special.bessel_j0, input_signature=[tf.TensorSpec((None,), name="x")])
"""
X = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)
pytestmark = pytest.mark.filterwarnings("default")


class Net(tf.Module):
    """Two layers, with a signature of two inputs."""

    def __init__(self):
        self.weights = tf.Variable(tf.random.stateless_normal((2, 4), (1, 2)))

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, 2), tf.float32, name="y"),
            tf.TensorSpec((None, 2), tf.float32, name="x"),
        ]
    )
    def serve(self, y, x):
        hidden = tf.nn.relu((x - 2 * y) @ self.weights)
        return {"scores": tf.nn.softmax(hidden), "best": tf.argmax(hidden, axis=1)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo_net")
    (folder / "model.py").write_text(CODE)
    return folder


@pytest.fixture(scope="module")
def process(folder):
    with OwnerProcess(folder) as process:
        yield process


def agree(model, inputs):
    graph = model.export()
    check(graph, "graph")
    normalise(graph, "demo_net")
    settle_outputs(graph)
    tensors = [to_tensor(name, array) for name, array in inputs.items()]
    expected, actual = model.run(tensors), ReferenceSession(graph.SerializeToString()).run(tensors)
    for one, other in zip(expected, actual, strict=True):
        assert (one.name, one.shape, one.datatype) == (other.name, other.shape, other.datatype)
        np.testing.assert_allclose(to_array(other), to_array(one), rtol=1e-4, atol=1e-5)
    return signature(graph)


def test_a_saved_model_answers_by_its_signature(folder, process):
    net = Net()
    tf.saved_model.save(net, folder / "saved", signatures=net.serve)
    model = process.read("tensorflow", folder / "saved" / "saved_model.pb")
    found = agree(model, {"x": X, "y": -X})
    assert sorted(spec.name for spec in found.inputs) == ["x", "y"]
    assert [spec.name for spec in found.outputs] == ["best", "scores"]
    assert found.has_batch_axis


def test_a_module_and_a_function_answer_as_they_are(process):
    found = agree(process.build("model.py:module", export={"outputs": ["scaled"]}), {"x": X})
    assert [spec.name for spec in found.outputs] == ["scaled"]
    found = agree(process.build("model.py:function"), {"x": X, "y": X[::-1]})
    assert [spec.name for spec in found.outputs] == ["product", "total"]


@pytest.mark.parametrize(
    ("function", "message"),
    [("unsigned", "does not say what its inputs are"), ("unknown", "BesselJ0")],
)
def test_says_why_a_function_is_refused(process, function, message):
    with pytest.raises(OwnerCodeFailed, match=message):
        process.build(f"model.py:{function}").export()


def test_several_signatures_are_refused(folder, process):
    net = Net()
    tf.saved_model.save(net, folder / "both", signatures={"one": net.serve, "other": net.serve})
    with pytest.raises(OwnerCodeFailed, match="signatures one, other"):
        process.read("tensorflow", folder / "both" / "saved_model.pb")


def test_a_broken_file_is_refused(folder, process):
    (folder / "saved_model.pb").write_bytes(b"nothing")
    with pytest.raises(OwnerCodeFailed, match="save the model again"):
        process.read("tensorflow", folder / "saved_model.pb")
