"""A batch of n equals n singles, over the real engine."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from support.artifacts import write_version
from support.graphs import add_and_scale, identity, model, softmax, table_lookup, value

from modelet_runtime.errors import InferenceRejected
from modelet_runtime.ort import OrtSession
from modelet_runtime.predictor import Predictor
from modelet_runtime.steps.pipeline import build

FLOATS = st.floats(-1e6, 1e6, width=32)


def row_sums() -> Any:
    """`total = sum(x)` of each row, of any width: rows of unequal width cannot run together."""
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    return model(
        [helper.make_node("ReduceSum", ["x", "axes"], ["total"], keepdims=0)],
        [value("x", TensorProto.FLOAT, ("n", "width"))],
        [value("total", TensorProto.FLOAT, ("n",))],
        [axes],
    )


GRAPHS = {
    "two inputs, two outputs": (
        add_and_scale(),
        st.fixed_dictionaries({name: st.lists(FLOATS, min_size=2, max_size=2) for name in "ab"}),
    ),
    "softmax": (softmax(), st.lists(FLOATS, min_size=4, max_size=4)),
    "lookup": (table_lookup(), st.integers(0, 3)),
    "text": (identity(TensorProto.STRING, ("n",)), st.text(max_size=8)),
    "booleans": (identity(TensorProto.BOOL, ("n", 2)), st.lists(st.booleans(), min_size=2, max_size=2)),
    "any width": (row_sums(), st.lists(st.integers(-9, 9), min_size=1, max_size=4)),
    "no batch axis": (identity(TensorProto.FLOAT, (3,)), st.lists(FLOATS, min_size=3, max_size=3)),
}


@pytest.fixture(scope="module", params=GRAPHS)
def served(request, tmp_path_factory) -> Iterator[tuple[Predictor, st.SearchStrategy[Any]]]:
    proto, records = GRAPHS[request.param]
    folder = tmp_path_factory.mktemp("version")
    manifest = write_version(folder, proto)
    with OrtSession(folder / "model.ort") as session:
        yield Predictor(manifest, session, build(manifest, folder)), records


@settings(deadline=None)
@given(data=st.data())
def test_a_batch_is_its_singles(served, data):
    predictor, records = served
    rows = data.draw(st.lists(records, max_size=6))
    assert predictor.predict(rows) == [answer for row in rows for answer in predictor.predict([row])]


def test_the_row_that_the_graph_refuses_is_named(tmp_path):
    manifest = write_version(tmp_path, table_lookup())
    with OrtSession(tmp_path / "model.ort") as session:
        predictor = Predictor(manifest, session, build(manifest, tmp_path))
        assert predictor.predict([3, 0, 1]) == [3.0, 0.0, 1.0]
        with pytest.raises(InferenceRejected, match=r"^row 2: "):
            predictor.predict([3, 0, 9, 1])
        assert predictor.predict([2]) == [2.0]
