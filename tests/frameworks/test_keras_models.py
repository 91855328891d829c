"""Keras models of every kind: exported with the same answers, or refused with the reason."""

import json
import zipfile

import keras
import numpy as np
import pytest

from modelet.build.arrays import to_array, to_tensor
from modelet.build.check import check
from modelet.build.facts import settle_outputs, signature
from modelet.build.normalise import normalise
from modelet.build.owner import OwnerProcess
from modelet.build.reference import ReferenceSession
from modelet.errors import OwnerCodeFailed

MODELS = """
import keras
import tensorflow as tf
from keras import layers

keras.utils.set_random_seed(1)

def cnn():
    return keras.Sequential([
        keras.Input((12, 12, 1), name="pixels"),
        layers.Rescaling(1 / 255),
        layers.Conv2D(4, 3, activation="relu", padding="same"),
        layers.BatchNormalization(),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dropout(0.5),
        layers.Dense(3, activation="softmax", name="probabilities"),
    ])

def recurrent(layer, mask):
    tokens = keras.Input((9,), dtype="int32", name="tokens")
    embedded = layers.Embedding(30, 6, mask_zero=mask)(tokens)
    return keras.Model(tokens, layers.Dense(4, name="topics")(layer(embedded)))

def lstm(): return recurrent(layers.LSTM(5), False)
def masked_lstm(): return recurrent(layers.LSTM(5), True)
def gru(): return recurrent(layers.Bidirectional(layers.GRU(5)), True)
def transformer():
    x = keras.Input((None, 8), name="x")
    y = layers.LayerNormalization()(layers.MultiHeadAttention(2, 4)(x, x))
    return keras.Model(x, layers.GlobalAveragePooling1D(name="pooled")(y))

def several():
    left, right = keras.Input((3,), name="left"), keras.Input((2,), name="right")
    joined = layers.Concatenate()([left, right])
    total = layers.Dense(1, name="total")(joined)
    best = layers.Softmax(name="best")(joined)
    return keras.Model({"left": left, "right": right}, {"total": total, "best": best})

class Own(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)
    def call(self, x, training=False):
        return self.dense(x) * (0.0 if training else 2.0)

def own(): return Own()
def by_lambda():
    return keras.Sequential([keras.Input((2,), name="x"), layers.Lambda(lambda x: x * 3)])
def texts():
    words = layers.TextVectorization(vocabulary=["a", "b"])
    return keras.Sequential([keras.Input((1,), dtype="string", name="text"), words])
def no_model(): return layers.Dense(2)
"""
MAKERS = """
import keras

def make(): return keras.Sequential([keras.Input((2,), name="x"), keras.layers.Dense(3)])

@keras.saving.register_keras_serializable(package="demo")
class Own(keras.layers.Layer):
    def call(self, x): return x * 2

def register(): return None
def objects(): return {"Own": Own}
def nothing(): return 3
"""
RANDOM = np.random.default_rng(0)
TOKENS = RANDOM.integers(1, 30, size=(4, 9)).astype(np.int32)
TOKENS[0, 5:] = 0
OWN = {"inputs": [{"name": "x", "datatype": "FP32", "shape": ["batch", 2]}], "outputs": ["doubled"]}
pytestmark = pytest.mark.filterwarnings("default")


def floats(*shape):
    return RANDOM.normal(size=shape).astype(np.float32)


@pytest.fixture(scope="module")
def owner(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo_net")
    (folder / "model.py").write_text(MODELS)
    with OwnerProcess(folder) as process:
        yield process


def exported(model):
    graph = model.export()
    check(graph, "graph")
    normalise(graph, "demo_net")
    settle_outputs(graph)
    return graph


def agree(model, inputs):
    graph = exported(model)
    tensors = [to_tensor(name, array) for name, array in inputs.items()]
    expected, actual = model.run(tensors), ReferenceSession(graph.SerializeToString()).run(tensors)
    for one, other in zip(expected, actual, strict=True):
        assert (one.name, one.shape, one.datatype) == (other.name, other.shape, other.datatype)
        np.testing.assert_allclose(to_array(other), to_array(one), rtol=1e-4, atol=1e-5)
    return graph


@pytest.mark.parametrize(
    ("function", "export", "inputs", "outputs"),
    [
        ("cnn", {}, {"pixels": np.abs(floats(5, 12, 12, 1)) * 90}, ["probabilities"]),
        ("lstm", {}, {"tokens": TOKENS}, ["topics"]),
        ("masked_lstm", {}, {"tokens": TOKENS}, ["topics"]),
        ("gru", {}, {"tokens": TOKENS}, ["topics"]),
        ("transformer", {}, {"x": floats(2, 6, 8)}, ["pooled"]),
        ("several", {}, {"left": floats(3, 3), "right": floats(3, 2)}, ["best", "total"]),
        ("own", OWN, {"x": floats(3, 2)}, ["doubled"]),
        ("by_lambda", {"outputs": ["tripled"], "opset": 17}, {"x": floats(3, 2)}, ["tripled"]),
    ],
)
def test_answers_as_keras_does(owner, function, export, inputs, outputs):
    found = signature(agree(owner.build(f"model.py:{function}", export=export), inputs))
    assert [spec.name for spec in found.inputs] == list(inputs)
    assert [spec.name for spec in found.outputs] == outputs
    assert found.has_batch_axis


def test_an_lstm_is_one_operator(owner):
    operators = [node.op_type for node in exported(owner.build("model.py:lstm")).graph.node]
    assert operators.count("LSTM") == 1
    assert not {"Loop", "Scan"} & set(operators)


def test_the_opset_is_the_recipes(owner):
    model = owner.build("model.py:by_lambda", export={"opset": 17})
    assert {entry.domain: entry.version for entry in model.export().opset_import}[""] == 17


@pytest.mark.parametrize(
    ("function", "export", "message"),
    [
        ("own", {}, "does not say what its inputs are"),
        ("cnn", {"inputs": OWN["inputs"]}, "says its inputs itself"),
        ("several", {"outputs": ["one"]}, "has 2 outputs, and export.outputs has 1"),
        ("lstm", {"outputs": ["tokens"]}, "'tokens' is the name of more than one"),
        ("texts", {}, "no operator for LookupTableFind.*an input step, such as words"),
        ("no_model", {}, "a Dense is no model"),
    ],
)
def test_says_why_a_model_is_refused(owner, function, export, message):
    with pytest.raises(OwnerCodeFailed, match=message):
        owner.build(f"model.py:{function}", export=export).export()


def test_another_backend_is_refused(tmp_path):
    (tmp_path / "model.py").write_text(
        "import os\nos.environ['KERAS_BACKEND'] = 'torch'\n" + MODELS.replace("import tensorflow as tf", "")
    )
    with OwnerProcess(tmp_path) as process, pytest.raises(OwnerCodeFailed, match="Keras runs on torch here"):
        process.build("model.py:cnn")


class TestFiles:
    @pytest.fixture(scope="class")
    def files(self, tmp_path_factory):
        folder = tmp_path_factory.mktemp("demo_files")
        (folder / "model.py").write_text(MAKERS)
        with OwnerProcess(folder) as process:
            yield folder, process

    @pytest.fixture
    def folder(self, files):
        return files[0]

    @pytest.fixture
    def read(self, files):
        folder, process = files

        def read(name, maker=None):
            model = process.read("keras", folder / name, maker)
            return agree(model, {"x": floats(3, 2)})

        return read

    def test_a_whole_model(self, folder, read):
        model = keras.Sequential([keras.Input((2,), name="x"), keras.layers.Dense(3, name="y")])
        model.compile("adam", "mse")
        model.save(folder / "model.keras")
        assert [value.name for value in read("model.keras").graph.output] == ["y"]

    def test_weights_of_a_model_that_code_makes(self, folder, read):
        made = keras.Sequential([keras.Input((2,), name="x"), keras.layers.Dense(3)])
        made.save_weights(folder / "model.weights.h5")
        read("model.weights.h5", "model.py:make")

    @pytest.mark.parametrize("maker", ["model.py:register", "model.py:objects"])
    def test_classes_of_the_owners_own(self, folder, read, maker):
        @keras.saving.register_keras_serializable(package="demo")
        class Own(keras.layers.Layer):
            def call(self, x):
                return x * 2

        keras.Sequential([keras.Input((2,), name="x"), Own()]).save(folder / "own.keras")
        read("own.keras", maker)

    def test_a_lambda_is_refused(self, folder, read):
        model = keras.Sequential([keras.Input((2,), name="x"), keras.layers.Lambda(lambda x: x + 1)])
        model.save(folder / "lambda.keras")
        with pytest.raises(OwnerCodeFailed, match="Lambda"):
            read("lambda.keras")

    def test_a_class_from_elsewhere_is_refused(self, folder, read):
        config = {"module": "os", "class_name": "system", "config": {"command": "touch mark"}}
        with zipfile.ZipFile(folder / "bad.keras", "w") as archive:
            archive.writestr("config.json", json.dumps(config))
            archive.writestr("metadata.json", json.dumps({"keras_version": keras.__version__}))
            archive.writestr("model.weights.h5", b"")
        with pytest.raises(OwnerCodeFailed, match=r"bad\.keras: "):
            read("bad.keras")
        assert not (folder / "mark").exists()

    @pytest.mark.parametrize(
        ("name", "content", "maker", "message"),
        [
            ("broken.keras", b"\x89HDF", None, r"is no \.keras file"),
            ("empty.keras", b"", "model.py:nothing", "returned a int"),
            ("lone.weights.h5", b"", None, "holds weights and no model"),
            ("broken.weights.h5", b"nothing", "model.py:make", r"broken\.weights\.h5: "),
        ],
    )
    def test_says_what_is_wrong_with_a_file(self, folder, read, name, content, maker, message):
        (folder / name).write_bytes(content)
        with pytest.raises(OwnerCodeFailed, match=message):
            read(name, maker)
