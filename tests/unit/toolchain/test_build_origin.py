"""Opening a source: keys that do not belong to it, and frameworks that are not there."""

from importlib.util import find_spec

import pytest
from support.graphs import identity
from support.sources import write_model, write_recipe

from modelet.build.origin import opened
from modelet.errors import MissingExtra, OwnerCodeFailed, Refused, SourceRefused
from modelet.recipe import Recipe

TRAIN = """
from sklearn.linear_model import LinearRegression

def build(): return LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])
"""


def refused(error, folder):
    with pytest.raises(error) as caught, opened(Recipe.load(folder), folder):
        pass
    return str(caught.value)


@pytest.mark.parametrize("key", ["module", "unused_weights"])
def test_an_onnx_file_has_no_module(tmp_path, key):
    value = "model.py:make" if key == "module" else ["head.*"]
    write_model(tmp_path / "demo_net", identity(), model={key: value})
    expected = f"model.{key}: an ONNX file is a whole model: remove the key"
    assert refused(SourceRefused, tmp_path / "demo_net") == expected


def test_an_onnx_file_says_its_inputs_itself(tmp_path):
    write_model(tmp_path / "demo_net", identity(), export={"outputs": ["y"]})
    assert refused(Refused, tmp_path / "demo_net").startswith("export.outputs: a model of ONNX has no such")


def test_an_estimator_has_its_weights_already(tmp_path):
    folder = write_recipe(tmp_path / "demo_net", "train.py:build", model={"module": "train.py:build"}).path
    (folder / "train.py").write_text(TRAIN)
    assert "a model of scikit-learn has its weights already" in refused(OwnerCodeFailed, folder)


def test_a_module_is_a_function(tmp_path):
    folder = write_recipe(tmp_path / "demo_net", "train.py:build", model={"module": "train"}).path
    (folder / "train.py").write_text(TRAIN)
    assert refused(SourceRefused, folder) == "model.module: 'train' is no function: write FILE.py:FUNCTION"


@pytest.mark.skipif(find_spec("torch") is not None, reason="PyTorch is installed here")
@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pth", "model.pt2"])
def test_a_file_of_a_framework_that_is_not_there(tmp_path, name):
    folder = write_recipe(tmp_path / "demo_net", name).path
    (folder / name).touch()
    assert "torch is not installed: run `pip install 'modelet[torch]'`" in refused(MissingExtra, folder)
