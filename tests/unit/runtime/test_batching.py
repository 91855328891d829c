"""Rows of unequal length run together where a mask tells the graph what is padding."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.artifacts import write_version
from support.graphs import masked_sum
from support.manifests import FunctionSession, manifest, specs

from modelet_runtime.batching import plan
from modelet_runtime.manifest import Endpoint, Step
from modelet_runtime.ort import OrtSession
from modelet_runtime.predictor import Predictor
from modelet_runtime.stacking import stack
from modelet_runtime.steps.base import Encoded, Padding
from modelet_runtime.steps.pipeline import build
from modelet_runtime.tensor import DATATYPES, Tensor

GOLDEN = Path(__file__).parents[2] / "golden" / "steps"
INT64, FP32 = DATATYPES["INT64"], DATATYPES["FP32"]


def row(length: int, masked: bool = True, width: int = 1) -> Encoded:
    ids = Tensor.from_values("ids", INT64, (length,), list(range(1, length + 1)))
    extra = Tensor.from_values("extra", FP32, (width,), [0.5] * width)
    return Encoded({"ids": ids, "extra": extra}, padding={"ids": Padding(-1)} if masked else {})


class TestPlan:
    def test_rows_of_about_one_length_run_together(self):
        rows = [row(length) for length in (10, 40, 11, 10, 41)]
        assert list(plan(rows, None)) == [[0, 3, 2], [1, 4]]

    def test_a_row_joins_where_padding_costs_less_than_a_run(self):
        assert list(plan([row(10), row(22)], None)) == [[0, 1]]
        assert list(plan([row(10), row(23)], None)) == [[0], [1]]
        assert list(plan([row(10), row(10), row(17)], None)) == [[0, 1], [2]]

    def test_without_a_mask_only_equals_run_together(self):
        assert list(plan([row(3, False), row(4, False), row(3, False)], None)) == [[0, 2], [1]]

    def test_other_shapes_part_rows(self):
        assert list(plan([row(3, width=1), row(3, width=2), row(4, width=1)], None)) == [[0, 2], [1]]

    def test_a_run_is_cut_at_its_limit_and_a_large_row_runs_alone(self):
        assert list(plan([row(9)] * 5, 20)) == [[0, 1], [2, 3], [4]]
        assert list(plan([row(50), row(50)], 20)) == [[0], [1]]

    @given(st.lists(st.tuples(st.integers(0, 60), st.booleans(), st.integers(1, 2)), max_size=20))
    def test_each_row_runs_once_and_fits_its_run(self, kinds):
        rows = [row(*kind) for kind in kinds]
        runs = list(plan(rows, 100, 3))
        assert sorted(index for run in runs for index in run) == list(range(len(rows)))
        for run in runs:
            made = stack([rows[index].tensors for index in run], rows[run[0]].padding)
            assert {tensor.shape[0] for tensor in made} == {len(run)}
            assert len(run) <= 3
            assert len(run) == 1 or sum(tensor.element_count for tensor in made) <= 100


class TestStack:
    def test_shorter_rows_are_padded(self):
        tensors = [row(length).tensors for length in (2, 3)]
        ids, extra = stack(tensors, {"ids": Padding(7)})
        assert (ids.shape, list(ids.values())) == ((2, 3), [1, 2, 7, 1, 2, 3])
        assert extra.shape == (2, 1)

    def test_pads_what_is_wider_than_one(self):
        tensors = [
            {"x": Tensor.from_values("x", FP32, (length, 2), [1.0] * (2 * length))} for length in (1, 2)
        ]
        [made] = stack(tensors, {"x": Padding(0.5)})
        assert list(made.values()) == [1, 1, 0.5, 0.5, 1, 1, 1, 1]

    def test_an_empty_row_becomes_padding_alone(self):
        ids, _ = stack([row(0).tensors, row(2).tensors], {"ids": Padding(9)})
        assert list(ids.values()) == [9, 9, 1, 2]


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    folder = tmp_path_factory.mktemp("version")
    step = Step("text", {"tokenizer": "bpe.json", "max_length": 24})
    assets = {"bpe.json": (GOLDEN / "bpe.json").read_bytes()}
    made = write_version(folder, masked_sum(), assets=assets, input_steps=(step,))
    with OrtSession(folder / "model.ort") as session:
        yield Predictor(made, session, build(made, folder))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.text(max_size=40), max_size=8))
def test_a_batch_of_texts_is_its_singles(predictor, texts):
    assert predictor.predict(texts) == [answer for text in texts for answer in predictor.predict([text])]


def test_texts_run_in_few_runs(predictor):
    before = predictor.statistics.execution_count
    predictor.predict(["one", "a b", "three", "ok", "x", "the longest of these texts by far, it is"])
    assert predictor.statistics.execution_count == before + 2


def test_an_endpoint_gets_as_many_rows_at_once_as_it_takes():
    inputs, outputs = specs(x=("FP32", -1, 20_000)), specs(y=("FP32", -1))

    def count(**changes: Any) -> int:
        made = manifest(inputs, outputs, **changes)
        session = FunctionSession(
            made.signature,
            lambda given: [Tensor.from_values("y", FP32, (n := given["x"].shape[0],), [0.0] * n)],
        )
        Predictor(made, session, build(made, Path())).predict([[0.0] * 20_000] * 3)
        return len(session.calls)

    assert count(target="cpu") == 3
    assert count(target="gpu") == 1
    assert count(target="gpu", endpoint=Endpoint(max_batch_size=2)) == 2
