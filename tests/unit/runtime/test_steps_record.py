import math
from itertools import chain
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from modelet_runtime.errors import (
    ClientError,
    DatatypeMismatch,
    InvalidRequest,
    MissingTensor,
    ShapeMismatch,
    UnknownTensor,
)
from modelet_runtime.manifest import TensorSpec
from modelet_runtime.steps.base import Cell
from modelet_runtime.steps.plain import to_answer, to_value
from modelet_runtime.steps.record import to_inputs, to_tensor
from modelet_runtime.tensor import DATATYPES, Tensor

NUMPY = {
    "BOOL": np.bool_,
    "UINT8": np.uint8,
    "INT64": np.int64,
    "UINT64": np.uint64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
}


def spec(datatype: str, *shape: int) -> TensorSpec:
    return TensorSpec("x", datatype, shape)


def flat(tensor: Tensor) -> list[Any]:
    return list(tensor.values())


@pytest.mark.parametrize(
    ("wanted", "value", "shape", "values"),
    [
        (spec("FP32", 3), [1, 2.5, -3], (3,), [1.0, 2.5, -3.0]),
        (spec("FP32", 2, 2), [[1, 2], [3, 4]], (2, 2), [1.0, 2.0, 3.0, 4.0]),
        (spec("FP32", 2, 2), [1, 2, 3, 4], (2, 2), [1.0, 2.0, 3.0, 4.0]),  # flat
        (spec("FP32", 1, 2), [1, 2], (1, 2), [1.0, 2.0]),  # a leading axis of 1 left out
        (spec("FP32", 1), 7, (1,), [7.0]),  # a column of a table
        (spec("FP32"), 7, (), [7.0]),
        (spec("FP32"), [7], (), [7.0]),
        (spec("INT64", -1), [5, 6], (2,), [5, 6]),
        (spec("INT64", -1, 2), [[5, 6]], (1, 2), [5, 6]),
        (spec("INT64", -1), [], (0,), []),
        (spec("BOOL", 2), [True, False], (2,), [True, False]),
        (spec("FP32", 2), [True, False], (2,), [1.0, 0.0]),
        (spec("BYTES", 1), "ü", (1,), [b"\xc3\xbc"]),
        (spec("BYTES", 2), ["a", b"\xff"], (2,), [b"a", b"\xff"]),
        (spec("BYTES", 2), ["a", {"b64": "/w=="}], (2,), [b"a", b"\xff"]),
        (spec("INT64"), Cell("7"), (), [7]),
        (spec("INT64"), Cell("7.0"), (), [7]),
        (spec("FP32", 2), [Cell("7"), Cell("1e2")], (2,), [7.0, 100.0]),
        (spec("BOOL"), Cell("True"), (), [True]),
        (spec("BYTES"), Cell("007"), (), [b"007"]),
        (spec("UINT64"), 2**64 - 1, (), [2**64 - 1]),
        (spec("BF16", 2), [1.0, -2.5], (2,), [1.0, -2.5]),
    ],
)
def test_takes(wanted, value, shape, values):
    tensor = to_tensor(wanted, value)
    assert (tensor.name, tensor.datatype.name, tensor.shape) == ("x", wanted.datatype, shape)
    assert flat(tensor) == values


@pytest.mark.parametrize("value", [None, Cell(""), Cell(" "), Cell("nan"), math.nan])
@pytest.mark.parametrize("datatype", ["FP16", "FP32", "FP64", "BF16"])
def test_takes_a_missing_value_as_nan(datatype, value):
    assert math.isnan(flat(to_tensor(spec(datatype), value))[0])


@pytest.mark.parametrize(
    ("wanted", "value", "error", "words"),
    [
        (spec("FP32", 3), [1, 2], ShapeMismatch, ["[3]", "[2]"]),
        (spec("FP32", 3), 1, ShapeMismatch, ["[3]", "[]"]),
        (spec("FP32", 2, 2), [[1, 2], [3]], ShapeMismatch, ["unequal"]),
        (spec("FP32", 2, 2), [[1, 2], 3], ShapeMismatch, ["unequal"]),
        (spec("FP32", 2), [1, [2]], ShapeMismatch, ["depth"]),
        (spec("FP32", -1, 2), [1, 2, 3, 4], ShapeMismatch, ["[-1,2]"]),
        (spec("FP32", 2), [1, "2"], DatatypeMismatch, ["FP32", "str '2'"]),
        (spec("FP32", 2), [1, {"a": 1}], DatatypeMismatch, ["dict"]),
        (spec("INT64"), 1.5, DatatypeMismatch, ["INT64", "float 1.5"]),
        (spec("INT64"), None, DatatypeMismatch, ["None"]),
        (spec("INT64"), 2**63, DatatypeMismatch, []),
        (spec("UINT8"), 256, DatatypeMismatch, []),
        (spec("UINT8"), -1, DatatypeMismatch, []),
        (spec("FP32"), 10**400, DatatypeMismatch, []),
        (spec("FP16"), 1e6, DatatypeMismatch, []),
        (spec("BOOL"), 1, DatatypeMismatch, ["BOOL", "int 1"]),
        (spec("BYTES"), 1, DatatypeMismatch, ["BYTES", "int 1"]),
        (spec("BYTES"), "\ud800", DatatypeMismatch, ["Unicode"]),
        (spec("BYTES"), {"b64": "?"}, InvalidRequest, ["b64"]),
        (spec("BYTES"), {"b64": 1}, InvalidRequest, ["b64"]),
        (spec("INT64"), Cell("7.5"), DatatypeMismatch, ["cell", "7.5"]),
        (spec("INT64"), Cell(""), DatatypeMismatch, ["cell"]),
        (spec("INT64"), Cell("inf"), DatatypeMismatch, ["cell"]),
        (spec("FP32"), Cell("seven"), DatatypeMismatch, ["seven"]),
        (spec("BOOL"), Cell("yes"), DatatypeMismatch, ["yes"]),
    ],
)
def test_refuses(wanted, value, error, words):
    with pytest.raises(error) as caught:
        to_tensor(wanted, value)
    assert "x" in str(caught.value) or "b64" in str(caught.value)
    assert all(word in str(caught.value) for word in words)


def test_uses_the_buffer_of_an_array_of_the_same_datatype():
    row = Tensor.from_values("array", DATATYPES["FP32"], (4,), [1, 2, 3, 4])
    tensor = to_tensor(spec("FP32", 2, 2), row)
    assert tensor.data is row.data
    assert (tensor.name, tensor.shape) == ("x", (2, 2))


def test_converts_an_array_as_it_would_numbers():
    row = Tensor.from_values("array", DATATYPES["FP64"], (2,), [1.5, 2])
    assert flat(to_tensor(spec("FP32", 2), row)) == [1.5, 2.0]
    with pytest.raises(DatatypeMismatch):
        to_tensor(spec("INT64", 2), row)


def test_depth_is_no_danger():
    value: Any = 1
    for _ in range(20_000):
        value = [value]
    with pytest.raises(ShapeMismatch):
        to_tensor(spec("FP32", 1), value)


PERSON = {"age": TensorSpec("age", "FP32", (1,)), "job": TensorSpec("job", "BYTES", (1,))}


class TestInputs:
    @pytest.mark.parametrize(
        "value",
        [
            {"age": 39, "job": "clerk"},
            {"job": ["clerk"], "age": [39]},
            [39, "clerk"],
            [Cell("39"), Cell("clerk")],
        ],
    )
    def test_by_name_or_position(self, value):
        tensors = to_inputs(PERSON, value)
        assert list(tensors) == ["age", "job"]
        assert flat(tensors["age"]) == [39.0]
        assert flat(tensors["job"]) == [b"clerk"]

    @pytest.mark.parametrize("value", [[1, 2], {"x": [1, 2]}, [Cell("1"), Cell("2")]])
    def test_a_single_input_needs_no_name(self, value):
        assert flat(to_inputs({"x": spec("FP32", 2)}, value)["x"]) == [1.0, 2.0]

    def test_a_row_of_an_array_counts_by_position(self):
        row = Tensor.from_values("array", DATATYPES["INT64"], (2,), [3, 4])
        specs = {"a": TensorSpec("a", "FP32", (1,)), "b": TensorSpec("b", "FP32", (1,))}
        assert {name: flat(tensor) for name, tensor in to_inputs(specs, row).items()} == {
            "a": [3.0],
            "b": [4.0],
        }

    @pytest.mark.parametrize(
        ("value", "error", "words"),
        [
            ({"age": 39}, MissingTensor, ["'job'", "age"]),
            ({"age": 39, "job": "x", "sex": "f"}, UnknownTensor, ["'sex'", "age, job"]),
            ([39], InvalidRequest, ["age, job"]),
            (39, InvalidRequest, ["age, job", "int 39"]),
            (None, InvalidRequest, []),
        ],
    )
    def test_names_what_is_wrong(self, value, error, words):
        with pytest.raises(error) as caught:
            to_inputs(PERSON, value)
        assert all(word in str(caught.value) for word in words)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.just("x"), inner, max_size=2)
    ),
    max_leaves=12,
)


@given(JSON, st.sampled_from(sorted(DATATYPES)), st.lists(st.sampled_from([-1, 0, 1, 2]), max_size=3))
def test_any_json_gives_a_tensor_or_the_clients_error(value, datatype, shape):
    try:
        [tensor] = to_inputs({"x": spec(datatype, *shape)}, value).values()
    except ClientError:
        return
    assert len(tensor.shape) == len(shape)
    assert all(wanted in (-1, size) for wanted, size in zip(shape, tensor.shape, strict=True))


@given(st.data(), st.sampled_from(sorted(NUMPY)), npst.array_shapes(min_dims=0, min_side=0, max_side=4))
def test_lists_and_back_are_numpys(data, datatype, shape):
    array = data.draw(npst.arrays(NUMPY[datatype], shape))
    tensor = to_tensor(TensorSpec("x", datatype, shape), array.tolist())
    assert tensor.shape == shape
    if array.size and not np.isnan(array).any():
        assert bytes(tensor.buffer) == array.tobytes()
        assert to_value(tensor) == array.tolist()


def test_answers_are_bare_for_one_output_and_named_for_several():
    scalar = Tensor.from_values("y", DATATYPES["FP32"], (), [1.5])
    texts = Tensor("t", DATATYPES["BYTES"], (2,), (b"a", b"\xff"))
    assert to_answer({"y": scalar}) == 1.5
    assert to_answer({"y": scalar, "t": texts}) == {"y": 1.5, "t": ["a", {"b64": "/w=="}]}


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 3)])
def test_empty_answers_keep_their_form(shape):
    tensor = Tensor.from_values("y", DATATYPES["FP32"], shape, [])
    assert to_value(tensor) == np.zeros(shape).tolist()
    assert list(chain(*to_value(tensor))) == []
