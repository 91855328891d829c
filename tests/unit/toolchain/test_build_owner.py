"""The owner's code in its own process: what it returns, and what happens when it does not."""

import os
import socket

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelet.build.arrays import to_array, to_tensor
from modelet.build.framing import receive, send
from modelet.build.owner import OwnerProcess, reproducible_environment
from modelet.errors import OwnerCodeFailed

TRAIN = """
import os
import numpy as np
import onnx
from onnx import TensorProto, helper
from beside import SCALE

print("training")

def build():
    value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 2])
    scale = helper.make_tensor("scale", TensorProto.FLOAT, [], [SCALE])
    node = helper.make_node("Mul", ["x", "scale"], ["y"])
    graph = helper.make_graph([node], "graph", [value("x")], [value("y")], [scale])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)

def arrays(): return np.arange(6.0).reshape(3, 2)
def records(): return [{"x": [1.5, 2], "name": "ann"}, {"x": np.float32(3), "name": "bob"}]
def scalars(): return [1, 2.5, "text", b"bytes"]
def environment(): return [os.environ["PYTHONHASHSEED"], os.environ["OMP_NUM_THREADS"], os.getcwd()]
def nothing(): return []
def number(): return 7
def odd(): return [object()]
def raises(): raise KeyError("digits")
def ends(): print("out of memory"); os._exit(9)
def unknown(): return {"weights": 1}
not_a_function = 3
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo_model")
    (folder / "train.py").write_text(TRAIN)
    (folder / "beside.py").write_text("SCALE = 3.0")
    (folder / "broken.py").write_text("def build(:\n")
    (folder / "absent.py").write_text("import a_package_that_is_absent\n")
    return folder


@pytest.fixture(scope="module")
def owner(folder):
    with OwnerProcess(folder) as process:
        yield process


def test_a_model_is_built_exported_and_asked(owner):
    built = owner.build("train.py:build")
    graph = built.export()
    [output] = built.run([to_tensor("x", np.array([[1, 2]], np.float32))])
    assert (built.kind, graph.graph.node[0].op_type) == ("onnx", "Mul")
    assert to_array(output).tolist() == [[3, 6]]


def test_rows_of_arrays_records_and_scalars(owner):
    assert [to_array(row).tolist() for row in owner.samples("train.py:arrays")] == [[0, 1], [2, 3], [4, 5]]
    first, second = owner.samples("train.py:records")
    assert (to_array(first["x"]).tolist(), first["name"].elements) == ([1.5, 2], (b"ann",))
    assert second["x"].datatype.name == "FP32"
    kinds = [row.datatype.name for row in owner.samples("train.py:scalars")]
    assert kinds == ["INT64", "FP64", "BYTES", "BYTES"]


def test_the_process_runs_under_reproducible_conditions(owner, folder):
    given = [row.elements[0].decode() for row in owner.samples("train.py:environment")]
    assert given == ["0", "1", str(folder)]
    assert "PYTHONHASHSEED" not in os.environ or os.environ["PYTHONHASHSEED"] != "given"
    assert reproducible_environment()["OPENBLAS_NUM_THREADS"] == "1"


def test_nothing_is_left_in_the_folder(owner, folder):
    owner.samples("train.py:arrays")
    assert {path.name for path in folder.iterdir()} == {"train.py", "beside.py", "broken.py", "absent.py"}


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("train.py:raises", r"train\.py:raises raised KeyError: 'digits' \(train\.py, line \d+\)"),
        ("train.py:missing", r"train\.py has no function 'missing'"),
        ("train.py:not_a_function", r"train\.py has no function 'not_a_function'"),
        ("none.py:build", r"none\.py is not in the model's folder"),
        ("broken.py:build", r"broken\.py:build raised SyntaxError"),
        ("absent.py:build", "raised ModuleNotFoundError: No module named 'a_package_that_is_absent'"),
        ("train.py:unknown", r"train\.py:unknown returned a dict: return a model of ONNX or scikit-learn"),
    ],
)
def test_a_build_that_fails_says_why(owner, function, reason):
    with pytest.raises(OwnerCodeFailed, match=reason):
        owner.build(function)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("train.py:nothing", "returned list: return a list of inputs, one per row"),
        ("train.py:number", "returned int: return a list"),
        ("train.py:odd", "returned a object that is no array"),
    ],
)
def test_samples_that_are_none_are_refused(owner, function, reason):
    with pytest.raises(OwnerCodeFailed, match=reason):
        owner.samples(function)


def test_a_process_that_ends_is_told_with_what_it_printed(folder):
    with OwnerProcess(folder) as process:
        with pytest.raises(OwnerCodeFailed, match=r"train\.py:ends ended its process with code 9") as caught:
            process.build("train.py:ends")
        assert caught.value.output.splitlines() == ["training", "out of memory"]


@given(st.lists(st.binary(max_size=70_000), max_size=4))
def test_messages_arrive_whole_and_in_order(messages):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for message in messages:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            send(ours, message)
            assert receive(theirs) == message
        ours.close()
        with pytest.raises(EOFError):
            receive(theirs)
