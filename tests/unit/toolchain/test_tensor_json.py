import json
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelet.build.arrays import dtype_of, to_array, to_tensor
from modelet.golden import Case, Golden, Tolerance
from modelet.tensor_json import from_json, to_json
from modelet_runtime.errors import ArtifactError
from modelet_runtime.tensor import DATATYPES, Tensor

NUMERIC = [datatype for datatype in DATATYPES.values() if datatype.size]


@st.composite
def tensors(draw):
    datatype = draw(st.sampled_from(list(DATATYPES.values())))
    shape = tuple(draw(st.lists(st.integers(0, 3), max_size=3)))
    count = prod(shape)
    if not datatype.size:
        return Tensor(
            "t", datatype, shape, tuple(draw(st.lists(st.binary(), min_size=count, max_size=count)))
        )
    size = count * datatype.size
    return Tensor("t", datatype, shape, memoryview(draw(st.binary(min_size=size, max_size=size))))


@given(tensors())
def test_json_gives_an_equal_tensor_back(tensor):
    again = from_json(json.loads(json.dumps(to_json(tensor))))
    assert (again.name, again.datatype, again.shape) == (tensor.name, tensor.datatype, tensor.shape)
    assert tuple(again.data) == tuple(tensor.data)


def test_strings_are_readable():
    tensor = Tensor("t", DATATYPES["BYTES"], (2,), ("Zürich".encode(), b"\xff"))
    assert to_json(tensor)["data"] == ["Zürich", {"b64": "/w=="}]


@given(tensors())
def test_golden_files_keep_every_bit(tensor):
    golden = Golden("random", Tolerance(1e-3, 1e-4), (Case((tensor,), (tensor,)), Case((tensor,), ())))
    document = json.loads(golden.to_bytes())
    assert [len(case["outputs"]) for case in document["cases"]] == [1, 0]
    assert tuple(from_json(document["cases"][0]["inputs"][0]).data) == tuple(tensor.data)


def test_golden_files_are_read_again(tmp_path):
    tensor = Tensor.from_values("x", DATATYPES["FP32"], (2,), [1.5, -2])
    golden = Golden("samples/*.png", Tolerance(0.5, 0), (Case((tensor,), (tensor,)),))
    (tmp_path / "golden.json").write_bytes(golden.to_bytes())
    assert Golden.load(tmp_path) == golden


@pytest.mark.parametrize("content", ["", "{}", '{"format": 2}', '{"format": 1, "origin": "x"}', "[]"])
def test_a_malformed_golden_file_is_an_artifact_error(tmp_path, content):
    (tmp_path / "golden.json").write_text(content)
    with pytest.raises(ArtifactError, match=r"golden\.json"):
        Golden.load(tmp_path)


@pytest.mark.parametrize("datatype", NUMERIC, ids=lambda datatype: datatype.name)
def test_arrays_and_tensors_are_the_same_bits(datatype):
    data = bytes(range(1, 1 + 6 * datatype.size)) if datatype.name != "BOOL" else b"\0\1\1\0\1\0"
    tensor = Tensor("t", datatype, (2, 3), memoryview(data))
    array = to_array(tensor)
    assert (array.shape, array.dtype) == ((2, 3), dtype_of(datatype))
    assert bytes(to_tensor("t", array).buffer) == data


def test_arrays_in_another_order_are_copied_row_by_row():
    tensor = to_tensor("t", np.arange(6, dtype=">i4").reshape(2, 3).T)
    assert (tensor.shape, tensor.datatype.name) == ((3, 2), "INT32")
    assert list(tensor.values()) == [0, 3, 1, 4, 2, 5]


@pytest.mark.parametrize("array", [np.array([1j]), np.array(["2026"], dtype="M8[Y]"), np.array([None])])
def test_what_has_no_datatype_is_refused(array):
    with pytest.raises(ValueError, match=r"no datatype|no strings"):
        to_tensor("t", array)
