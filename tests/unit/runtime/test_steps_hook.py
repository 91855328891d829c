from pathlib import Path

import pytest
from support.manifests import manifest, specs

from modelet_runtime.errors import ArtifactError, InvalidRequest
from modelet_runtime.manifest import Step
from modelet_runtime.steps.base import Answered, Encoded, Pipeline
from modelet_runtime.steps.pipeline import build
from modelet_runtime.tensor import DATATYPES, Tensor

HOOKS = """
from modelet_runtime.errors import InvalidRequest
from modelet_runtime.steps.base import Answered, Encoded
from modelet_runtime.tensor import DATATYPES, Tensor

class Hooks:
    media_types = ("text/plain",)

    def __init__(self, folder, manifest):
        self.suffix = (folder / "suffix.txt").read_text() + manifest.name

    def encode(self, value):
        if not value:
            return Answered("nothing")
        if not value.isascii():
            raise InvalidRequest("text", "ASCII", value)
        codes = Tensor.from_values("x", DATATYPES["INT64"], (len(value),), list(value.encode()))
        return Encoded({"x": codes}, context=value)

    def decode(self, outputs, context):
        return context + self.suffix
"""


def pipeline(folder: Path, source: str = HOOKS) -> Pipeline:
    (folder / "hooks.py").write_text(source)
    (folder / "suffix.txt").write_text("!")
    steps = {"input_steps": (Step("hook"),), "output_steps": (Step("hook"),)}
    return build(manifest(specs(x=("INT64", -1, -1)), specs(y=("FP32", -1)), **steps), folder)


def test_calls_the_models_own_code(tmp_path):
    hooked = pipeline(tmp_path)
    assert hooked.media_types == ("text/plain",)
    encoded = hooked.encode("ab")
    assert isinstance(encoded, Encoded)
    assert list(encoded.tensors["x"].values()) == [97, 98]
    outputs = {"y": Tensor.from_values("y", DATATYPES["FP32"], (), [1])}
    assert hooked.decode(outputs, encoded.context) == "ab!demo_model"
    assert hooked.encode("") == Answered("nothing")
    with pytest.raises(InvalidRequest):
        hooked.encode("ü")


def test_loads_once_for_both_sides(tmp_path):
    pipeline(tmp_path, HOOKS + "\nimport pathlib\npathlib.Path(__file__).with_name('loaded').mkdir()\n")
    assert (tmp_path / "loaded").is_dir()


def test_writes_nothing_into_the_version_folder(tmp_path):
    pipeline(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hooks.py", "suffix.txt"]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("class Other: pass", "Hooks"),
        (
            "class Hooks:\n    def __init__(self, folder, manifest): raise KeyError('config')",
            "KeyError: 'config'",
        ),
        ("class Hooks:\n    def __init__(self, folder, manifest): pass", "media_types"),
        ("def (", "SyntaxError"),
        ("import no_such_module", "ModuleNotFoundError"),
    ],
)
def test_says_what_is_wrong_with_them(tmp_path, source, text):
    with pytest.raises(ArtifactError) as caught:
        pipeline(tmp_path, source)
    assert str(caught.value).startswith("hooks.py: ")
    assert text in str(caught.value)


def test_says_when_there_are_none(tmp_path):
    made = manifest(specs(x=("INT64", -1)), specs(y=("FP32", -1)), input_steps=(Step("hook"),))
    with pytest.raises(ArtifactError, match="FileNotFoundError"):
        build(made, tmp_path)
