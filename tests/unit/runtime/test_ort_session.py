"""What OrtSession is told, what it tells, and that it can be shared and closed."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper
from support.binding import Binding, bits_of, save
from support.graphs import add_and_scale, identity, model, softmax, table_lookup, value

from modelet_runtime.errors import ArtifactError, InvalidRequest, NotReady, UnknownTensor
from modelet_runtime.manifest import Signature, TensorSpec
from modelet_runtime.ort import OrtSession, SessionOptions
from modelet_runtime.session import Session
from modelet_runtime.tensor import DATATYPES, Datatype, Tensor

FP32 = DATATYPES["FP32"]


def unchecked(
    nodes: list[onnx.NodeProto], inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto]
) -> onnx.ModelProto:
    """A model that onnx's checker may refuse."""
    graph = helper.make_graph(nodes, "graph", inputs, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def write(folder: Path, proto: onnx.ModelProto) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def numbers(name: str, *rows: list[float]) -> Tensor:
    return Tensor.from_values(
        name, FP32, (len(rows), len(rows[0])), [number for row in rows for number in row]
    )


def test_signature_with_variable_axes_in_the_order_of_the_graph(tmp_path: Path) -> None:
    with OrtSession(save(tmp_path, add_and_scale())) as session:
        assert session.signature == Signature(
            (TensorSpec("a", "FP32", (-1, 2)), TensorSpec("b", "FP32", (-1, 2))),
            (TensorSpec("sum", "FP32", (-1, 2)), TensorSpec("double", "FP32", (-1, 2))),
        )


@pytest.mark.parametrize("suffix", ["ort", "onnx"])
@pytest.mark.parametrize("shape", [(), (3,), ("n", 0, 4)], ids=str)
@pytest.mark.parametrize("datatype", DATATYPES.values(), ids=lambda datatype: datatype.name)
def test_signature_of_every_datatype(
    datatype: Datatype, shape: tuple[int | str, ...], suffix: str, tmp_path: Path
) -> None:
    path = save(tmp_path, identity(datatype.onnx_type, shape), f"model.{suffix}")
    dimensions = tuple(-1 if isinstance(size, str) else size for size in shape)
    with OrtSession(path) as session:
        assert session.signature.inputs == (TensorSpec("x", datatype.name, dimensions),)
        assert session.signature.outputs == (TensorSpec("y", datatype.name, dimensions),)


def test_is_a_session(tmp_path: Path) -> None:
    session: Session = OrtSession(save(tmp_path, softmax()), threads=2)
    [answer] = session.run([numbers("logits", [1, 1, 1, 1])], timeout_s=60)
    assert answer.name == "probabilities"
    assert answer.datatype is FP32
    assert answer.values().tolist() == [0.25] * 4


def test_outputs_are_those_asked_for(tmp_path: Path) -> None:
    inputs = [numbers("a", [1, 2]), numbers("b", [10, 20])]
    expected = {"sum": [11, 22], "double": [2, 4]}
    with OrtSession(save(tmp_path, add_and_scale())) as session:
        for names in (["double"], ["sum"], ["double", "sum"], ["sum", "double"], None):
            for _ in range(3):
                answer = session.run(inputs, names)
                wanted = list(expected) if names is None else names
                assert [output.name for output in answer] == wanted
                assert [output.values().tolist() for output in answer] == [expected[name] for name in wanted]
        with pytest.raises(UnknownTensor, match="unknown output 'product': the model has double, sum"):
            session.run(inputs, ["sum", "product"])
        with pytest.raises(InvalidRequest, match="outputs: expected every output once, got sum, double, sum"):
            session.run(inputs, ["sum", "double", "sum"])


def test_a_graph_without_inputs(tmp_path: Path) -> None:
    constant = helper.make_tensor("constant", TensorProto.FLOAT, [2], [1.0, 2.0])
    graph = model(
        [helper.make_node("Constant", [], ["y"], value=constant)], [], [value("y", TensorProto.FLOAT, (2,))]
    )
    with OrtSession(write(tmp_path, graph)) as session:
        assert [session.run([])[0].values().tolist() for _ in range(3)] == [[1, 2]] * 3


@pytest.mark.parametrize(
    "options",
    [
        SessionOptions(arena=False),
        SessionOptions(spinning=True),
        SessionOptions(optimization="none"),
        SessionOptions(optimization="basic"),
        SessionOptions(optimization="extended"),
    ],
    ids=str,
)
def test_options_leave_the_answer_alone(options: SessionOptions, tmp_path: Path) -> None:
    path = write(tmp_path, softmax())
    request = [numbers("logits", [1, 2, 3, 4], [0, 0, 0, 0])]
    with OrtSession(path, threads=2, options=options) as session:
        assert bits_of(session.run(request)) == Binding(path).run(request)


def sequence() -> onnx.ModelProto:
    return unchecked(
        [helper.make_node("SequenceConstruct", ["x"], ["y"])],
        [value("x", TensorProto.FLOAT, ("n",))],
        [helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, None)],
    )


def mapping() -> onnx.ModelProto:
    zip_map = helper.make_node("ZipMap", ["x"], ["y"], domain="ai.onnx.ml", classlabels_int64s=[0, 1])
    key_type = helper.make_map_type_proto(
        TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, [])
    )
    output = helper.make_value_info("y", helper.make_sequence_type_proto(key_type))
    graph = helper.make_graph([zip_map], "graph", [value("x", TensorProto.FLOAT, ("n", 2))], [output])
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def optional() -> onnx.ModelProto:
    tensor_type = helper.make_tensor_type_proto(TensorProto.FLOAT, ["n"])
    given = helper.make_value_info("x", helper.make_optional_type_proto(tensor_type))
    return unchecked(
        [helper.make_node("OptionalHasElement", ["x"], ["y"])], [given], [value("y", TensorProto.BOOL, ())]
    )


def without_rank() -> onnx.ModelProto:
    nothing = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("x", "y")]
    return unchecked([helper.make_node("Neg", ["x"], ["y"])], nothing[:1], nothing[1:])


def float8() -> onnx.ModelProto:
    return model(
        [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT8E4M3FN)],
        [value("x", TensorProto.FLOAT, ("n",))],
        [value("y", TensorProto.FLOAT8E4M3FN, ("n",))],
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (sequence, "output 'y' is a sequence: only tensors can be served"),
        (mapping, "output 'y' is a sequence: only tensors can be served"),
        (optional, "input 'x' is an optional value: only tensors can be served"),
        (without_rank, "input 'x' has no declared rank: give it a shape in the graph"),
        (float8, "output 'y' holds FLOAT8E4M3FN, which no protocol can carry"),
        (lambda: identity(TensorProto.INT4), r"tensor\(int4\)"),
        (lambda: identity(TensorProto.COMPLEX64), r"tensor\(complex64\)"),
    ],
)
def test_refuses_what_cannot_be_served(
    make: Callable[[], onnx.ModelProto], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ArtifactError, match=message) as caught:
        OrtSession(write(tmp_path, make()))
    assert str(caught.value).startswith("model.onnx: ")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.ort", b"", "empty.ort: Cannot memory-map an empty file"),
        ("zeros.ort", bytes(100), "zeros.ort: ORT model verification failed."),
        ("text.onnx", b"hello", "text.onnx: Load model from text.onnx failed:Protobuf parsing failed."),
        ("empty.onnx", b"", "empty.onnx: Load model from empty.onnx failed:"),
    ],
)
def test_refuses_a_broken_file(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ArtifactError, match=message) as caught:
        OrtSession(tmp_path / name)
    assert str(tmp_path) not in str(caught.value)


def test_refuses_a_cut_file(tmp_path: Path) -> None:
    path = save(tmp_path, softmax())
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ArtifactError, match=r"model\.ort: ORT model verification failed"):
        OrtSession(path)


@pytest.mark.parametrize("name", ["nothing.ort", "."])
def test_refuses_a_missing_file(name: str, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no such file"):
        OrtSession(tmp_path / name)


def test_names_may_hold_any_letters(tmp_path: Path) -> None:
    graph = model(
        [helper.make_node("Neg", ["größe/ein gang"], ["ausgang→"])],
        [value("größe/ein gang", TensorProto.FLOAT, (1,))],
        [value("ausgang→", TensorProto.FLOAT, (1,))],
    )
    folder = tmp_path / "modèle ☃"
    folder.mkdir()
    with OrtSession(save(folder, graph)) as session:
        [answer] = session.run([Tensor.from_values("größe/ein gang", FP32, (1,), [2])])
        assert (answer.name, answer.values().tolist()) == ("ausgang→", [-2])


def test_eight_threads_share_a_session(tmp_path: Path) -> None:
    path = save(tmp_path, table_lookup(rows=5000))
    barrier = threading.Barrier(8)

    def work(thread: int) -> None:
        barrier.wait()
        for round_ in range(200):
            # Constant shapes in half of the threads, changing ones in the other; small and large.
            count = 5 + thread if thread % 2 else 1 + (round_ * 37 + thread) % 5000
            index = [(thread + round_ + place) % 5000 for place in range(count)]
            request = [Tensor.from_values("index", DATATYPES["INT64"], (count,), index)]
            [answer] = session.run(request, ["y"] if thread % 3 else None, 60 if thread % 4 else None)
            assert answer.values().tolist() == index

    with OrtSession(path) as session, ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(work, thread) for thread in range(8)]:
            done.result()


def test_close_waits_for_runs_and_ends_the_session(tmp_path: Path) -> None:
    session = OrtSession(save(tmp_path, softmax()))
    request = [numbers("logits", [0, 0, 0, 0])]
    started, refused = threading.Semaphore(0), []

    def run_until_closed() -> None:
        started.release()
        try:
            while True:
                assert session.run(request)[0].values().tolist() == [0.25] * 4
        except NotReady as error:
            refused.append(str(error))

    threads = [threading.Thread(target=run_until_closed) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in threads:
        started.acquire()
    session.close()
    for thread in threads:
        thread.join()
    assert refused == ["the session is closed"] * 4
    session.close()
