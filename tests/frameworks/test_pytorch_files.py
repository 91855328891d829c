"""PyTorch's files: weights that fit a module or do not, programs, and files that would run code."""

import io
import json
import os
import pickle
import shutil
import zipfile

import numpy as np
import pytest
import safetensors.torch
import torch

from modelet.build.arrays import to_array, to_tensor
from modelet.build.owner import OwnerProcess
from modelet.build.reference import ReferenceSession
from modelet.cli import run
from modelet.errors import OwnerCodeFailed
from modelet.repository import Repository, served_version
from modelet_runtime.ort import OrtSession

MODEL = """
import torch

class Tied(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(4, 4)
        self.second = torch.nn.Linear(4, 4)
        self.second.weight = self.first.weight
        self.norm = torch.nn.BatchNorm1d(4)

    def forward(self, x):
        return self.norm(self.second(self.first(x)))

def make(): return Tied()
def make_with_example(): return Tied(), torch.zeros(1, 4)
def make_on_meta():
    with torch.device("meta"):
        return torch.nn.Linear(4, 3)
def smaller():
    module = Tied()
    module.norm = torch.nn.BatchNorm1d(3)
    return module
def no_module(): return {"weights": 1}
def trained(): return {"weight": torch.full((3, 4), 2.0), "bias": torch.ones(3)}
"""
EXPORT = {"inputs": [{"name": "x", "datatype": "FP32", "shape": ["batch", 4]}]}
# PyTorch deprecates things from version to version; these tests are not about them.
pytestmark = pytest.mark.filterwarnings("ignore")


class Attack:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo_net")
    (folder / "model.py").write_text(MODEL)
    return folder


@pytest.fixture(scope="module")
def owner(folder):
    with OwnerProcess(folder) as process:
        yield process


@pytest.fixture(scope="module")
def weights():
    generator = torch.Generator().manual_seed(7)

    def random(*shape):
        return torch.rand(*shape, generator=generator)

    return {
        "first.weight": random(4, 4),
        "first.bias": random(4),
        "second.bias": random(4),
        "norm.weight": random(4),
        "norm.bias": random(4),
        "norm.running_mean": random(4),
        "norm.running_var": random(4),
    }


@pytest.fixture(scope="module")
def program():
    class Net(torch.nn.Module):
        def forward(self, x):
            return x[:, 1:] * 2

    example = (torch.zeros(2, 4),)
    axes = ({0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC},)
    return torch.export.export(Net().eval(), example, dynamic_shapes=axes)


def expected(weights, x):
    """By hand, in double precision."""
    parts = {name: tensor.double().numpy() for name, tensor in weights.items()}
    once = x @ parts["first.weight"].T + parts["first.bias"]
    twice = once @ parts["first.weight"].T + parts["second.bias"]
    scaled = (twice - parts["norm.running_mean"]) / np.sqrt(parts["norm.running_var"] + 1e-5)
    return scaled * parts["norm.weight"] + parts["norm.bias"]


def refused(owner, path, function="model.py:make", unused=()):
    with pytest.raises(OwnerCodeFailed) as caught:
        owner.read("torch", path, function, unused, {} if path.suffix == ".pt2" else EXPORT)
    assert "\n" not in str(caught.value)
    return str(caught.value)


class TestWeights:
    @pytest.mark.parametrize("form", ["plain.pth", "plain.pt", "half.safetensors", "legacy.pt", "nested.pth"])
    def test_they_become_the_graphs(self, owner, folder, weights, form):
        path = folder / form
        if path.suffix == ".safetensors":
            weights = {name: tensor.half() for name, tensor in weights.items()}
            safetensors.torch.save_file(weights, path)
        elif path.stem == "nested":
            parallel = {f"module.{name}": tensor for name, tensor in weights.items()}
            torch.save({"epoch": 3, "state_dict": parallel, "optimizer": {"lr": 0.1}}, path)
        else:
            torch.save(weights, path, _use_new_zipfile_serialization=path.stem == "plain")
        original = owner.read("torch", path, "model.py:make", (), EXPORT)
        x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
        session = ReferenceSession(original.export().SerializeToString())
        for answers in (original.run([to_tensor("x", x)]), session.run([to_tensor("x", x)])):
            np.testing.assert_allclose(to_array(answers[0]), expected(weights, x), 1e-5, 1e-5)

    def test_the_function_may_return_an_example_too(self, owner, folder, weights):
        torch.save(weights, folder / "weights.pth")
        original = owner.read("torch", folder / "weights.pth", "model.py:make_with_example")
        assert [value.name for value in original.export().graph.input] == ["x"]

    def test_a_module_without_memory_takes_the_files(self, owner, folder):
        weights = {"weight": torch.full((3, 4), 2.0), "bias": torch.ones(3)}
        safetensors.torch.save_file(weights, folder / "linear.safetensors")
        original = owner.read("torch", folder / "linear.safetensors", "model.py:make_on_meta", (), EXPORT)
        [answer] = original.run([to_tensor("x", np.ones((1, 4), np.float32))])
        assert to_array(answer).tolist() == [[9, 9, 9]]

    def test_a_function_may_return_them(self, owner):
        original = owner.build("model.py:trained", "model.py:make_on_meta", (), EXPORT)
        [answer] = original.run([to_tensor("x", np.ones((1, 4), np.float32))])
        assert to_array(answer).tolist() == [[9, 9, 9]]
        with pytest.raises(OwnerCodeFailed, match="the function's state dict has weights that the module"):
            owner.build("model.py:trained", "model.py:make", (), EXPORT)
        with pytest.raises(OwnerCodeFailed, match="is no state dict: it holds a Linear"):
            owner.build("model.py:make_on_meta", "model.py:make", (), EXPORT)

    def test_what_the_module_leaves_out_is_named(self, owner, folder, weights):
        path = folder / "more.pth"
        torch.save({**weights, "head.weight": torch.ones(2), "head.bias": torch.ones(2)}, path)
        assert "more.pth has weights that the module does not have: head.bias, head.weight" in refused(
            owner, path
        )
        owner.read("torch", path, "model.py:make", ["head.*"], EXPORT)

    def test_missing_weights_are_named(self, owner, folder, weights):
        torch.save(
            {name: value for name, value in weights.items() if "bias" not in name}, folder / "less.pth"
        )
        assert (
            "less.pth has no weights for parts of the module: first.bias, norm.bias, second.bias: correct"
            in refused(owner, folder / "less.pth")
        )

    def test_wrong_shapes_are_told(self, owner, folder, weights):
        torch.save(weights, folder / "weights.pth")
        message = refused(owner, folder / "weights.pth", "model.py:smaller")
        assert "other shapes than the module: norm.weight [4] for [3], norm.bias [4] for [3]" in message
        assert "and 1 more" in message

    def test_a_module_is_needed(self, owner, folder, weights):
        torch.save(weights, folder / "weights.pth")
        assert 'name the function that makes the module they belong to: module = "model.py:make"' in refused(
            owner, folder / "weights.pth", None
        )
        assert "model.module returned a dict" in refused(owner, folder / "weights.pth", "model.py:no_module")

    def test_a_file_that_holds_something_else(self, owner, folder):
        torch.save({"epoch": 3, "loss": torch.ones(1)}, folder / "other.pth")
        assert "is no state dict: it holds epoch, loss" in refused(owner, folder / "other.pth")
        (folder / "broken.safetensors").write_bytes(b"no")
        assert "broken.safetensors is no safetensors file" in refused(owner, folder / "broken.safetensors")
        (folder / "broken.pth").write_bytes(b"no")
        assert "broken.pth" in refused(owner, folder / "broken.pth")


def test_weights_are_added_with_the_function_that_takes_them(tmp_path, weights, capsys):
    """The whole way, as a person goes it: one command, from files that lie elsewhere."""
    (tmp_path / "net.py").write_text(MODEL)
    safetensors.torch.save_file(weights, tmp_path / "weights.safetensors")
    models = tmp_path / "models"
    arguments = ["add", "demo_net", str(tmp_path / "weights.safetensors"), "--models", str(models)]
    assert run([*arguments, "--module", f"{tmp_path}/net.py:make_with_example"]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("demo_net  version 1  built")
    assert "git ignores *.safetensors" in printed.err
    version = served_version(Repository(models).model("demo_net"))
    assert version is not None
    assert version.manifest.source.kind == "torch"
    assert {"torch", "onnxscript"} <= set(version.manifest.tools)
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    with OrtSession(version.folder / "model.ort") as session:
        np.testing.assert_allclose(
            to_array(session.run([to_tensor("x", x)])[0]), expected(weights, x), 1e-5, 1e-5
        )


class TestAttacks:
    @pytest.fixture
    def mark(self, tmp_path):
        return tmp_path / "ran"

    @pytest.mark.parametrize("is_zip", [True, False])
    def test_a_pickle_is_not_run(self, owner, folder, mark, weights, is_zip):
        path = folder / "attack.pth"
        attack = {**weights, "first.bias": Attack(mark)}
        torch.save(attack, path, _use_new_zipfile_serialization=is_zip)
        message = refused(owner, path)
        assert not mark.exists()
        assert "holds more than weights" in message
        assert "mkdir" in message

    def test_a_bare_pickle_is_not_run(self, owner, folder, mark):
        (folder / "attack.pt").write_bytes(pickle.dumps(Attack(mark)))
        refused(owner, folder / "attack.pt")
        assert not mark.exists()

    def test_a_whole_module_is_not_loaded(self, owner, folder):
        torch.save(torch.nn.Linear(4, 3), folder / "module.pt")
        assert "would call torch.nn.modules.linear.Linear: save the weights alone" in refused(
            owner, folder / "module.pt"
        )

    def test_torchscript_is_not_loaded(self, owner, folder):
        torch.jit.save(torch.jit.script(torch.nn.Linear(4, 3)), folder / "script.pt")
        assert "is a TorchScript archive, which holds code" in refused(owner, folder / "script.pt")


class TestPrograms:
    @pytest.fixture
    def archive(self, folder, program):
        path = folder / "program.pt2"
        torch.export.save(program, path)
        return path

    def rewritten(self, archive, change):
        """A copy of an archive; `change` gets each member's name and bytes, and gives bytes or None."""
        path = archive.with_name("attack.pt2")
        with zipfile.ZipFile(archive) as old, zipfile.ZipFile(path, "w") as new:
            for name in old.namelist():
                data = change(name, old.read(name))
                if data is not None:
                    new.writestr(name.replace("program/", "attack/"), data)
        return path

    def test_they_are_run_as_they_are(self, owner, archive):
        original = owner.read("torch", archive)
        session = ReferenceSession(original.export().SerializeToString())
        for rows in (1, 3):
            x = to_tensor("x", np.arange(rows * 5, dtype=np.float32).reshape(rows, 5))
            assert original.run([x]) == session.run([x])
        assert to_array(session.run([x])[0]).tolist()[0] == [2, 4, 6, 8]

    def test_a_module_beside_one_is_refused(self, owner, archive):
        assert "program.pt2 is a whole program: remove module of [model]" in refused(owner, archive)

    def test_no_archive(self, owner, folder):
        (folder / "no.pt2").write_bytes(b"no")
        assert "no.pt2 is no exported program" in refused(owner, folder / "no.pt2", None)

    def test_a_pickled_example_is_not_run(self, owner, archive, tmp_path):
        """PyTorch falls back to the unrestricted loader for it."""
        buffer = io.BytesIO()
        torch.save((Attack(tmp_path / "ran"),), buffer)
        path = self.rewritten(
            archive, lambda name, data: buffer.getvalue() if "sample_inputs" in name else data
        )
        assert "an example of its inputs that is more than tensors" in refused(owner, path, None)
        assert not (tmp_path / "ran").exists()

    def test_a_pickled_weight_is_not_run(self, owner, archive, tmp_path):
        payload = {"path_name": "weight_0", "is_param": False, "use_pickle": True, "tensor_meta": None}
        config = json.dumps({"config": {"w": payload}}).encode()
        path = self.rewritten(archive, lambda name, data: config if "weights_config" in name else data)
        assert "holds 'w' as a pickle" in refused(owner, path, None)

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("torch.ops.aten.mul.Tensor", "torch.os.system", "a call of torch.os.system"),
            ("torch.ops.aten.mul.Tensor", "torch.ops.load_library", "a call of torch.ops.load_library"),
            ("Symbol('", "__import__('", "the expression __import__"),
            ('"guards_code": [', '"guards_code": ["exit()", ', "the expression exit()"),
            ("builtins.tuple", "os.tuple", "of type os.tuple"),
        ],
    )
    def test_code_in_the_graph_is_not_run(self, owner, archive, old, new, message):
        def change(name, data):
            if not name.endswith("models/model.json"):
                return data
            assert old in data.decode()
            return data.decode().replace(old, new).encode()

        assert message in refused(owner, self.rewritten(archive, change), None)

    @pytest.mark.parametrize(
        "name", ["data/aotinductor/model/wrapper.so", "data/weights/model.pt", "code.py"]
    )
    def test_what_is_no_part_of_a_plain_program_is_refused(self, owner, archive, name):
        path = shutil.copy(archive, archive.with_name("attack.pt2"))
        with zipfile.ZipFile(path, "a") as changed:
            changed.writestr(f"program/{name}", b"")
        assert f"'{name}', which is no part of a plain program" in refused(owner, path, None)
