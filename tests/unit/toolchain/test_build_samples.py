from math import prod
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.manifests import manifest, specs

from modelet.build import cases, samples
from modelet.build.arrays import to_array, to_tensor
from modelet.build.random_inputs import LADDER, Ranges, first_that_runs, rows
from modelet.errors import GraphRefused, SourceRefused
from modelet.golden import Case
from modelet_runtime.manifest import TensorSpec
from modelet_runtime.steps import pipeline
from modelet_runtime.steps.base import Answered, Encoded, Model
from modelet_runtime.tensor import DATATYPES

ROWS = manifest(specs(x=("FP32", -1, 4)), specs(y=("FP32", -1, 2)))
TABLE = manifest(specs(age=("FP32", -1, 1), job=("BYTES", -1, 1)), specs(y=("FP32", -1, 2)))
WHOLE = manifest(specs(x=("FP32", 2, 2)), specs(y=("FP32", 2)))


def rows_of(given, of=ROWS):
    owner = [
        {name: to_tensor(name, np.asarray(value)) for name, value in row.items()}
        if isinstance(row, dict)
        else to_tensor("sample", np.asarray(row))
        for row in given
    ]
    return samples.from_owner(owner, Model(of, Path()), "train.py:samples")


class TestOwnersRows:
    @pytest.mark.parametrize(
        "row", [np.arange(4.0), [0, 1, 2, 3], np.arange(4.0).reshape(1, 4), {"x": [0.0, 1, 2, 3]}]
    )
    def test_any_form_of_a_row_fits(self, row):
        [made] = rows_of([row])
        assert (made["x"].shape, list(made["x"].values())) == ((4,), [0, 1, 2, 3])

    def test_records_give_one_tensor_per_column(self):
        [made] = rows_of([{"job": "clerk", "age": 39}], TABLE)
        assert (list(made["age"].values()), made["job"].elements) == ([39.0], (b"clerk",))

    @pytest.mark.parametrize("row", [np.arange(5.0), ["a", "b", "c", "d"], {"z": [0, 1, 2, 3]}])
    def test_a_row_that_does_not_fit_is_refused_by_number(self, row):
        with pytest.raises(SourceRefused, match=r"golden\.samples: row 1 of train.py:samples"):
            rows_of([np.arange(4.0), row])

    def test_many_rows_are_thinned_evenly(self):
        given = [np.full(4, float(number)) for number in range(5 * samples.MAX_ROWS)]
        first = [to_array(row["x"])[0] for row in rows_of(given)]
        assert (len(first), first[:3]) == (samples.MAX_ROWS, [0, 5, 10])


class TestRuns:
    def test_several_rows_run_together_first_and_each_alone(self):
        runs = samples.runs(rows_of([np.full(4, float(i)) for i in range(6)]), ROWS)
        assert [inputs[0].shape for inputs in runs] == [(4, 4), *[(1, 4)] * 6]
        assert to_array(runs[0][0])[:, 0].tolist() == [0, 1, 2, 3]

    def test_without_a_batch_axis_each_row_is_a_run(self):
        runs = samples.runs(rows_of([np.ones((2, 2))] * 3, WHOLE), WHOLE)
        assert [inputs[0].shape for inputs in runs] == [(2, 2)] * 3


class Words:
    """Input steps that take text and JSON, and answer the empty text themselves."""

    media_types = ("text/plain", "application/json")

    def encode(self, value):
        text = (
            value if isinstance(value, str) else value["text"] if isinstance(value, dict) else value.decode()
        )
        return (
            Encoded({"x": to_tensor("x", np.full(4, float(len(text)), np.float32))})
            if text
            else Answered(None)
        )

    def decode(self, outputs, context):
        raise NotImplementedError


class TestFiles:
    def test_files_go_through_the_steps_as_bodies_do(self, tmp_path):
        for name, content in {"a.txt": "abc", "b.json": '{"text": "ab"}', "c.bin": "a", "d.txt": ""}.items():
            (tmp_path / name).write_text(content)
        made = samples.from_files(sorted(tmp_path.iterdir()), Words())
        assert {path.name: row["x"].values()[0] for path, row in made.items()} == {
            "a.txt": 3,
            "b.json": 2,
            "c.bin": 1,
        }

    def test_files_that_never_reach_the_graph_are_no_samples(self, tmp_path):
        (tmp_path / "a.txt").touch()
        with pytest.raises(SourceRefused, match="answer every file without the graph"):
            samples.from_files([tmp_path / "a.txt"], Words())

    def test_a_file_that_the_steps_refuse_is_named(self, tmp_path):
        (tmp_path / "a.json").write_text("[1, 2]")
        with pytest.raises(SourceRefused, match=r"golden\.samples: a\.json: .*x"):
            samples.from_files([tmp_path / "a.json"], pipeline.build(ROWS, tmp_path))


@given(
    st.sampled_from(list(DATATYPES)),
    st.lists(st.integers(-1, 3).filter(bool), max_size=3),
    st.builds(Ranges, st.integers(1, 8), st.sampled_from([1, 2, 10])),
)
def test_made_up_inputs_fit_the_signature_and_are_always_the_same(datatype, shape, ranges):
    spec = TensorSpec("x", datatype, tuple(shape))
    first, again = (rows([spec], ranges, 3) for _ in range(2))
    expected = tuple(ranges.axis if size == -1 else size for size in shape)
    assert [row["x"].shape for row in first] == [expected] * 3
    assert [tuple(row["x"].data) for row in first] == [tuple(row["x"].data) for row in again]
    values = [value for row in first for value in row["x"].values()]
    assert len(values) == 3 * prod(expected)
    if datatype.startswith("INT") or datatype in {"UINT16", "UINT32", "UINT64"}:
        assert all(0 <= value < ranges.integers for value in values)
    elif DATATYPES[datatype].is_float:
        assert all(-1 <= value <= 1 for value in values)


def test_the_first_ranges_that_the_model_takes_are_used():
    tried = []

    def run(ranges: Ranges) -> Ranges:
        tried.append(ranges)
        if ranges.axis < 32 or ranges.integers > 2:
            raise GraphRefused("no")
        return ranges

    assert first_that_runs(run) == Ranges(32, 2)
    assert tried == list(LADDER[:5])


def test_a_model_that_takes_none_is_refused():
    def run(ranges: Ranges) -> None:
        raise GraphRefused("never")

    with pytest.raises(GraphRefused, match="never"):
        first_that_runs(run)


def case(size: int) -> Case:
    tensor = to_tensor("x", np.zeros(size, np.uint8))
    return Case((tensor,), ())


class TestKeptCases:
    def test_a_small_proof_is_kept_whole(self):
        given = [case(10) for _ in range(9)]
        assert cases.keep(given) == tuple(given)

    def test_a_long_one_is_thinned_evenly_and_keeps_the_batch(self):
        given = [case(number) for number in range(1, 513)]
        kept = cases.keep(given)
        assert len(kept) == 32
        assert kept[0] is given[0]
        assert kept[-1].inputs[0].shape[0] > 450

    def test_a_large_one_stays_within_the_budget(self):
        kept = cases.keep([case(100_000), case(30_000), case(90_000), case(20_000)])
        assert [len(one.inputs[0].data) for one in kept] == [30_000, 20_000]

    def test_one_case_is_always_kept(self):
        kept = cases.keep([case(900_000), case(400_000)])
        assert [len(one.inputs[0].data) for one in kept] == [400_000]
