"""OrtSession answers the bits that ONNX Runtime's Python binding answers for the same artifact."""

import random
import struct
from collections.abc import Sequence
from pathlib import Path

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from support.binding import Binding, bits_of, save
from support.graphs import Shape, add_and_scale, identity, model, softmax, table_lookup, value

from modelet_runtime.ort import OrtSession
from modelet_runtime.tensor import DATATYPES, Datatype, Tensor

NUMERIC = [datatype for datatype in DATATYPES.values() if datatype.size]
TEXTS = ["", "a", "é", "0", "naïve \N{SNOWMAN}", "x" * 70]


def tensor(name: str, datatype: Datatype, shape: Sequence[int], seed: int = 0) -> Tensor:
    """Any bits: all of them are values of a numeric datatype, except that a boolean is 0 or 1."""
    chance = random.Random(f"{name} {datatype.name} {shape} {seed}")
    count = 1
    for size in shape:
        count *= size
    if datatype.name == "BYTES":
        return Tensor.from_values(name, datatype, shape, chance.choices(TEXTS, k=count))
    if datatype.name == "BOOL":
        return Tensor.from_values(name, datatype, shape, chance.choices([True, False], k=count))
    return Tensor.from_buffer(name, datatype, shape, chance.randbytes(count * datatype.size))


def floats(name: str, shape: Sequence[int], seed: int = 0) -> Tensor:
    count = 1
    for size in shape:
        count *= size
    chance = random.Random(seed)
    return Tensor.from_values(name, DATATYPES["FP32"], shape, [chance.uniform(-3, 3) for _ in range(count)])


def same(path: Path, *requests: Sequence[Tensor]) -> None:
    """Every request twice and then once more: the first time, learned, and replayed."""
    peer = Binding(path)
    with OrtSession(path) as session:
        for request in requests:
            for _ in range(3):
                assert bits_of(session.run(request)) == peer.run(request)


def copied_and_doubled(datatype: Datatype, rank: int) -> onnx.ModelProto:
    """`same = x`, and `more = x` with itself behind it, or as a vector of one if it is a scalar."""
    axes: Shape = [f"axis{index}" for index in range(rank)]
    more: Shape = [f"more{index}" for index in range(max(rank, 1))]
    if rank:
        nodes = [helper.make_node("Concat", ["x", "x"], ["more"], axis=rank - 1)]
        initializers = []
    else:
        nodes = [helper.make_node("Unsqueeze", ["x", "zero"], ["more"])]
        initializers = [helper.make_tensor("zero", TensorProto.INT64, [1], [0])]
    return model(
        [helper.make_node("Identity", ["x"], ["same"]), *nodes],
        [value("x", datatype.onnx_type, axes)],
        [value("same", datatype.onnx_type, axes), value("more", datatype.onnx_type, more)],
        initializers,
    )


@pytest.mark.parametrize("rank", range(5))
@pytest.mark.parametrize("datatype", DATATYPES.values(), ids=lambda datatype: datatype.name)
def test_every_datatype_and_rank(datatype: Datatype, rank: int, tmp_path: Path) -> None:
    path = save(tmp_path, copied_and_doubled(datatype, rank))
    shapes = [(2, 3, 1, 4)[:rank], (1, 1, 1, 1)[:rank], (5, 7, 11, 13)[:rank]]
    if rank:
        shapes += [(0, 3, 1, 4)[:rank], (*(2, 3, 1)[: rank - 1], 0)]
    same(path, *([tensor("x", datatype, shape)] for shape in shapes))


def test_large_tensors(tmp_path: Path) -> None:
    path = save(tmp_path, softmax(classes=1000))
    same(path, [floats("logits", (33, 1000))], [floats("logits", (1, 1000))], [floats("logits", (64, 1000))])


def test_several_inputs_and_outputs_in_any_order(tmp_path: Path) -> None:
    path = save(tmp_path, add_and_scale())
    a, b = floats("a", (3, 2), 1), floats("b", (3, 2), 2)
    same(path, [a, b], [b, a])


def test_plain_onnx_file(tmp_path: Path) -> None:
    same(save(tmp_path, softmax(), "model.onnx"), [floats("logits", (3, 4))])


def test_weights_and_reductions(tmp_path: Path) -> None:
    chance = random.Random(5)
    weights = helper.make_tensor(
        "weights", TensorProto.FLOAT, [31, 17], [chance.gauss(0, 1) for _ in range(31 * 17)]
    )
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    path = save(
        tmp_path,
        model(
            [
                helper.make_node("MatMul", ["x", "weights"], ["hidden"]),
                helper.make_node("Gelu", ["hidden"], ["active"]),
                helper.make_node("ReduceSum", ["active", "axes"], ["total"], keepdims=0),
                helper.make_node("ReduceMean", ["x", "axes"], ["mean"], keepdims=0),
            ],
            [value("x", TensorProto.FLOAT, ("n", 31))],
            [value("total", TensorProto.FLOAT, ("n",)), value("mean", TensorProto.FLOAT, ("n",))],
            [weights, axes],
        ),
    )
    same(path, *([floats("x", (rows, 31), rows)] for rows in (1, 2, 64, 300)))


def branches() -> onnx.ModelProto:
    """`y = -x` or, of another shape, `x` twice."""
    less = helper.make_graph(
        [helper.make_node("Neg", ["x"], ["negative"])], "less", [], [value("negative", 1, ("k",))]
    )
    more = helper.make_graph(
        [helper.make_node("Concat", ["x", "x"], ["twice"], axis=0)], "more", [], [value("twice", 1, ("k",))]
    )
    return model(
        [helper.make_node("If", ["condition"], ["y"], then_branch=less, else_branch=more)],
        [value("condition", TensorProto.BOOL, ()), value("x", 1, ("n",))],
        [value("y", 1, ("m",))],
    )


def repetition() -> onnx.ModelProto:
    """`last` doubles `x` `times` times; `all` holds every stage."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Add", ["state", "state"], ["doubled"]),
            helper.make_node("Identity", ["doubled"], ["stage"]),
        ],
        "body",
        [value("i", 7, ()), value("go", 9, ()), value("state", 1, ("n",))],
        [value("go_on", 9, ()), value("doubled", 1, ("n",)), value("stage", 1, ("n",))],
    )
    return model(
        [helper.make_node("Loop", ["times", "", "x"], ["last", "all"], body=body)],
        [value("times", 7, ()), value("x", 1, ("n",))],
        [value("last", 1, ("n",)), value("all", 1, ("t", "n"))],
    )


def test_control_flow(tmp_path: Path) -> None:
    x = floats("x", (4,))
    conditions = [
        Tensor.from_values("condition", DATATYPES["BOOL"], (), [choice])
        for choice in (True, True, False, True)
    ]
    same(save(tmp_path, branches(), "if.ort"), *([condition, x] for condition in conditions))
    times = [Tensor.from_values("times", DATATYPES["INT64"], (), [count]) for count in (3, 1, 0, 5)]
    same(save(tmp_path, repetition(), "loop.ort"), *([count, x] for count in times))


def outputs_that_are_other_things() -> onnx.ModelProto:
    """Outputs that are an input, a constant, a value used further on, and copies of each other."""
    weights = helper.make_tensor("weights", TensorProto.FLOAT, [3], [1.0, 2.0, 3.0])
    vectors = [value(name, TensorProto.FLOAT, ("n",)) for name in ("x", "half", "copy", "again", "sum")]
    return model(
        [
            helper.make_node("Neg", ["x"], ["half"]),
            helper.make_node("Identity", ["half"], ["copy"]),
            helper.make_node("Identity", ["half"], ["again"]),
            helper.make_node("Add", ["half", "copy"], ["sum"]),
        ],
        vectors[:1],
        [*vectors, value("weights", TensorProto.FLOAT, (3,))],
        [weights],
    )


def outer_value_in_a_branch() -> onnx.ModelProto:
    """`y` is `x` itself, or a constant."""
    outer = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["same"])], "outer", [], [value("same", 1, (2,))]
    )
    constant = helper.make_graph(
        [], "constant", [], [value("c", 1, (2,))], [helper.make_tensor("c", 1, [2], [7, 8])]
    )
    return model(
        [helper.make_node("If", ["condition"], ["y"], then_branch=outer, else_branch=constant)],
        [value("condition", TensorProto.BOOL, ()), value("x", 1, (2,))],
        [value("y", 1, (2,))],
    )


@pytest.mark.parametrize("suffix", ["ort", "onnx"])
def test_outputs_that_share_memory_in_the_graph(suffix: str, tmp_path: Path) -> None:
    path = save(tmp_path, outputs_that_are_other_things(), f"others.{suffix}")
    same(path, *([floats("x", (count,), count)] for count in (4, 1, 3)))
    conditions = [
        Tensor.from_values("condition", DATATYPES["BOOL"], (), [choice]) for choice in (True, False, True)
    ]
    path = save(tmp_path, outer_value_in_a_branch(), f"branch.{suffix}")
    same(path, *([condition, floats("x", (2,), 1)] for condition in conditions))


def test_shapes_that_depend_on_values(tmp_path: Path) -> None:
    path = save(
        tmp_path,
        model(
            [helper.make_node("NonZero", ["x"], ["places"])],
            [value("x", TensorProto.INT64, ("n",))],
            [value("places", TensorProto.INT64, (1, "k"))],
        ),
    )
    rows = ([1, 1, 0], [1, 0, 1], [1, 1, 1], [0, 0, 0], [0, 0, 1])
    same(path, *([Tensor.from_values("x", DATATYPES["INT64"], (3,), row)] for row in rows))


def test_strings_to_numbers_and_back(tmp_path: Path) -> None:
    words = ["cat", "dog", "naïve"]
    nodes = [
        helper.make_node(
            "LabelEncoder",
            ["word"],
            ["index"],
            domain="ai.onnx.ml",
            keys_strings=words,
            values_int64s=[0, 1, 2],
            default_int64=-1,
        ),
        helper.make_node(
            "LabelEncoder",
            ["index"],
            ["label"],
            domain="ai.onnx.ml",
            keys_int64s=[0, 1, 2],
            values_strings=words,
            default_string="?",
        ),
    ]
    graph = helper.make_graph(
        nodes,
        "labels",
        [value("word", TensorProto.STRING, ("n",))],
        [value("index", TensorProto.INT64, ("n",)), value("label", TensorProto.STRING, ("n",))],
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 2)]
    path = save(tmp_path, helper.make_model(graph, opset_imports=opsets, ir_version=10))
    word = Tensor.from_values("word", DATATYPES["BYTES"], (4,), ["dog", "bird", "naïve", ""])
    same(path, [word])
    with OrtSession(path) as session:
        index, label = session.run([word])
    assert index.values().tolist() == [1, -1, 2, -1]
    assert label.elements == (b"dog", b"?", "naïve".encode(), b"?")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[OrtSession, Binding]]:
    folder = tmp_path_factory.mktemp("pairs")
    graphs = {datatype.name: identity(datatype.onnx_type, ("n", "m")) for datatype in DATATYPES.values()}
    graphs["softmax"] = softmax()
    graphs["lookup"] = table_lookup()
    paths = {name: save(folder, graph, f"{name}.ort") for name, graph in graphs.items()}
    return {name: (OrtSession(path), Binding(path)) for name, path in paths.items()}


@given(
    datatype=st.sampled_from(list(DATATYPES.values())),
    shape=st.tuples(st.integers(0, 9), st.integers(0, 9)),
    seed=st.integers(0, 10),
)
@settings(deadline=None, max_examples=200)
def test_any_bits_of_any_shape(
    pair: dict[str, tuple[OrtSession, Binding]], datatype: Datatype, shape: tuple[int, int], seed: int
) -> None:
    session, peer = pair[datatype.name]
    request = [tensor("x", datatype, shape, seed)]
    answer = bits_of(session.run(request))
    assert answer == peer.run(request)
    assert answer == bits_of(request)


@given(st.lists(st.binary(max_size=9), min_size=1, max_size=6))
@settings(deadline=None)
def test_strings_are_any_bytes(pair: dict[str, tuple[OrtSession, Binding]], elements: list[bytes]) -> None:
    session, _ = pair["BYTES"]
    [answer] = session.run([Tensor.from_values("x", DATATYPES["BYTES"], (1, len(elements)), elements)])
    assert answer.elements == tuple(elements)


@given(st.lists(st.tuples(*[st.floats(width=32)] * 4), min_size=1, max_size=5))
@settings(deadline=None)
def test_any_floats(pair: dict[str, tuple[OrtSession, Binding]], rows: list[tuple[float, ...]]) -> None:
    session, peer = pair["softmax"]
    packed = b"".join(struct.pack("4f", *row) for row in rows)
    request = [Tensor.from_buffer("logits", DATATYPES["FP32"], (len(rows), 4), packed)]
    assert bits_of(session.run(request)) == peer.run(request)
