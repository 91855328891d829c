"""Who owns which memory, that none is lost, and that answers do not depend on where it lies."""

import gc
import os
from collections.abc import Callable, Iterator
from ctypes import CDLL, Structure, c_size_t
from pathlib import Path

import pytest
from onnx import TensorProto, helper
from support.binding import Binding, bits_of, save
from support.graphs import identity, model, softmax, table_lookup, value

from modelet_runtime.errors import InferenceRejected
from modelet_runtime.ort import OrtSession
from modelet_runtime.tensor import DATATYPES, Tensor

FP32 = DATATYPES["FP32"]
KIB, MIB = 1 << 10, 1 << 20
REQUESTS = 10_000


def resident_bytes() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Heap(Structure):
    """What glibc's `mallinfo2` answers."""

    _fields_ = tuple(
        (name, c_size_t)
        for name in (
            *("arena", "free_chunks", "fast_chunks", "mapped_chunks", "mapped_bytes", "highest_bytes"),
            *("fast_bytes", "used_bytes", "free_bytes", "top_bytes"),
        )
    )


def heap_bytes() -> int:
    """Bytes that malloc has given out: exact, where resident pages hide what is small."""
    gc.collect()
    mallinfo2 = CDLL(None).mallinfo2
    mallinfo2.restype = Heap
    heap = mallinfo2()
    return int(heap.used_bytes + heap.mapped_bytes)


def growth(
    work: Callable[[], object], times: int = REQUESTS, used_bytes: Callable[[], int] = resident_bytes
) -> int:
    """Bytes the process grows by while something is done again and again, once it is warm."""
    for _ in range(times // 5):
        work()
    before = used_bytes()
    for _ in range(times):
        work()
    return used_bytes() - before


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("graphs")


@pytest.fixture(scope="module")
def echo(folder: Path) -> Iterator[OrtSession]:
    with OrtSession(save(folder, identity(TensorProto.FLOAT, ("n",)), "echo.ort")) as session:
        yield session


@pytest.fixture(scope="module")
def words(folder: Path) -> Iterator[OrtSession]:
    with OrtSession(save(folder, identity(TensorProto.STRING, ("n",)), "words.ort")) as session:
        yield session


@pytest.fixture(scope="module")
def lookup(folder: Path) -> Iterator[OrtSession]:
    with OrtSession(save(folder, table_lookup(), "lookup.ort")) as session:
        yield session


def floats(count: int, start: float = 0) -> Tensor:
    return Tensor.from_values("x", FP32, (count,), [start + index for index in range(count)])


def index(place: int) -> Tensor:
    return Tensor.from_values("index", DATATYPES["INT64"], (1,), [place])


def test_ten_thousand_requests_of_one_shape(echo: OrtSession) -> None:
    request = [floats(100)]
    assert growth(lambda: echo.run(request)) < MIB


def test_ten_thousand_requests_of_changing_shapes(echo: OrtSession) -> None:
    requests = [[floats(count)] for count in (1, 100, 3)]
    turn = iter(range(10**9))
    assert growth(lambda: echo.run(requests[next(turn) % 3])) < MIB


def test_ten_thousand_large_requests(echo: OrtSession) -> None:
    """40 kB each, which would be 400 MB."""
    request = [floats(10_000)]
    assert growth(lambda: echo.run(request)) < MIB


def test_ten_thousand_requests_of_strings(words: OrtSession) -> None:
    request = [Tensor.from_values("x", DATATYPES["BYTES"], (3,), ["a" * 100, "b" * 100, "\0c" * 50])]
    assert growth(lambda: words.run(request)) < MIB


def test_ten_thousand_requests_with_a_deadline(echo: OrtSession) -> None:
    request = [floats(100)]
    assert growth(lambda: echo.run(request, timeout_s=60)) < MIB


def test_ten_thousand_refused_requests(lookup: OrtSession) -> None:
    good, bad = [index(1)], [index(9)]

    def work() -> None:
        lookup.run(good)
        for request in (bad, [Tensor("index", FP32, (1,), memoryview(bytes(4)))]):
            with pytest.raises(InferenceRejected):
                lookup.run(request)

    assert growth(work) < MIB


def test_many_selections_of_outputs(folder: Path) -> None:
    names = [f"y{number}" for number in range(7)]
    graph = model(
        [helper.make_node("Neg", ["x"], [name]) for name in names],
        [value("x", TensorProto.FLOAT, ("n",))],
        [value(name, TensorProto.FLOAT, ("n",)) for name in names],
    )
    turn = iter(range(10**9))
    with OrtSession(save(folder, graph, "many.ort")) as session:

        def work() -> None:
            chosen = [name for bit, name in enumerate(names) if (next(turn) % 127 + 1) >> bit & 1] or names
            assert [output.name for output in session.run([floats(3)], chosen)] == chosen

        assert growth(work) < MIB


def test_sessions_are_freed(folder: Path) -> None:
    path = save(folder, softmax(), "softmax.ort")
    request = [Tensor.from_values("logits", FP32, (1, 4), [0, 0, 0, 0])]

    def work() -> None:
        session = OrtSession(path)
        session.run(request)
        session.run(request, timeout_s=60)
        session.close()

    def forget() -> None:
        OrtSession(path).run(request)

    assert growth(work, 100, heap_bytes) < 8 * KIB
    assert growth(forget, 100, heap_bytes) < 8 * KIB


def test_failed_sessions_are_freed(folder: Path) -> None:
    sequence = helper.make_graph(
        [helper.make_node("SequenceConstruct", ["x"], ["y"])],
        "graph",
        [value("x", TensorProto.FLOAT, ("n",))],
        [helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, None)],
    )
    path = folder / "sequence.onnx"
    proto = helper.make_model(sequence, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    path.write_bytes(proto.SerializeToString())

    def work() -> None:
        with pytest.raises(Exception, match="is a sequence"):
            OrtSession(path)

    assert growth(work, 100, heap_bytes) < 8 * KIB


@pytest.mark.parametrize("count", [1, 100, 10_000, 300_000])
def test_outputs_outlive_later_runs_and_the_session(count: int, folder: Path) -> None:
    session = OrtSession(save(folder, identity(TensorProto.FLOAT, ("n",)), "echo.ort"))
    answers = [session.run([floats(count, start)])[0] for start in range(5)]
    tails = [answer.buffer[-4:] for answer in answers]
    session.close()
    del session
    gc.collect()
    for start, answer in enumerate(answers):
        assert answer.values().tolist() == [start + place for place in range(count)]
    del answers, answer
    gc.collect()
    assert [tail.cast("f").tolist() for tail in tails] == [[start + count - 1] for start in range(5)]


def test_outputs_cannot_be_written(echo: OrtSession) -> None:
    for count in (1, 1, 1, 100_000):
        assert echo.run([floats(count)])[0].buffer.readonly


def test_inputs_are_left_alone(echo: OrtSession) -> None:
    for count in (1, 100, 100, 100, 100_000):
        data = bytearray(floats(count, 5).buffer)
        tensor = Tensor.from_buffer("x", FP32, (count,), data)
        [answer] = echo.run([tensor])
        assert answer.buffer == data
        data[:] = bytes(len(data))
        assert answer.values().tolist() == [5 + place for place in range(count)]


@pytest.mark.parametrize("count", [2003, 20_003], ids=["copied", "in place"])
def test_the_answer_does_not_depend_on_where_the_input_lies(count: int, folder: Path) -> None:
    """A sum's last bits do, in ONNX Runtime: a slice of a request's body lies anywhere."""
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    graph = model(
        [helper.make_node("ReduceSum", ["x", "axes"], ["y"]), helper.make_node("Exp", ["x"], ["z"])],
        [value("x", TensorProto.FLOAT, ("n", "m"))],
        [value("y", TensorProto.FLOAT, ("n", 1)), value("z", TensorProto.FLOAT, ("n", "m"))],
        [axes],
    )
    path = save(folder, graph, "sum.ort")
    row = Tensor.from_values(
        "x", FP32, (1, count), [(place * 7919 % 1009) / 1009 - 0.5 for place in range(count)]
    )
    [expected_sum, expected] = Binding(path).run([row])
    with OrtSession(path) as session:
        for offset in range(65):
            body = bytes(offset) + row.buffer.tobytes() + b"behind"
            view = memoryview(body)[offset : offset + len(row.buffer)]
            answer = session.run([Tensor("x", FP32, (1, count), view)])
            assert bits_of(answer) == [expected_sum, expected]
