"""Arrow's memory as tensors and back, and the sizes of batches."""

import gc

import numpy as np
import pytest
from arro3.core import Array, DataType, RecordBatchReader, Table, fixed_size_list_array, list_array
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support import forms

from modelet_runtime.batch.forms import parquet_footer
from modelet_runtime.batch.forms.arrow_memory import batches, from_tensor, to_tensor
from modelet_runtime.batch.sizing import BatchSize
from modelet_runtime.tensor import DATATYPES, Tensor

TYPES = {
    **{"UINT8": "u1", "UINT16": "u2", "UINT32": "u4", "UINT64": "u8", "INT8": "i1", "INT16": "i2"},
    **{"INT32": "i4", "INT64": "i8", "FP32": "f4", "FP64": "f8"},
}


def column(x: np.ndarray) -> Array:
    found = Array.from_buffer(memoryview(np.ascontiguousarray(x).reshape(-1)))
    for size in reversed(x.shape[1:]):
        found = fixed_size_list_array(found, size)
    return found


def as_numpy(tensor: Tensor) -> np.ndarray:
    return np.frombuffer(tensor.buffer, TYPES[tensor.datatype.name]).reshape(tensor.shape)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(TYPES)).flatmap(
        lambda name: hnp.arrays(TYPES[name], hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=5))
    ),
    st.data(),
)
def test_columns_are_tensors_over_their_own_memory(x, data):
    start = data.draw(st.integers(0, len(x) - 1))
    count = data.draw(st.integers(1, len(x) - start))
    tensor = to_tensor("x", column(x).slice(start, count))
    gc.collect()  # the tensor alone keeps the memory
    assert as_numpy(tensor).tobytes() == x[start : start + count].tobytes()
    assert tensor.shape == (count, *x.shape[1:])
    back = to_tensor("x", from_tensor(tensor))
    assert (back.shape, bytes(back.buffer)) == (tensor.shape, bytes(tensor.buffer))


def test_lists_of_equal_length_are_an_axis_and_others_are_not():
    values = Array.from_buffer(memoryview(np.arange(8, dtype=np.float32)))
    even = list_array(Array([0, 2, 4, 6, 8], DataType.int32()), values)
    tensor = to_tensor("x", even.slice(1, 2))
    np.testing.assert_array_equal(as_numpy(tensor), [[2, 3], [4, 5]])
    assert to_tensor("x", list_array(Array([0, 1, 4], DataType.int32()), values)) is None


def test_missing_values_and_texts_are_no_tensors():
    assert to_tensor("x", Array([1, None], DataType.int64())) is None
    assert to_tensor("x", Array(["a"], DataType.string())) is None
    assert to_tensor("x", Array([True], DataType.bool())) is None


def test_rows_that_failed_are_null_in_a_column():
    tensor = Tensor.from_values("y", DATATYPES["FP32"], (3, 2), [1, 2, 0, 0, 5, 6])
    assert from_tensor(tensor, [1]).to_pylist() == [[1, 2], None, [5, 6]]
    texts = Tensor("y", DATATYPES["BYTES"], (2,), (b"a", b""))
    assert from_tensor(texts, [1]).to_pylist() == ["a", None]
    halves = Tensor.from_values("y", DATATYPES["FP16"], (2,), [0.5, 2])
    assert from_tensor(halves).to_pylist() == [0.5, 2]


def test_batches_of_a_stream_are_what_its_reader_gives():
    table = Table.from_pydict(
        {"x": column(np.arange(10, dtype=np.int64)), "s": Array(list("abcdefghij"), DataType.string())}
    )
    reader = RecordBatchReader.from_batches(table.schema, table.rechunk(max_chunksize=4).to_batches())
    found = list(batches(reader))
    assert [batch.num_rows for batch in found] == [4, 4, 2]
    assert [value for batch in found for value in batch.column("s").to_pylist()] == list("abcdefghij")


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=4), st.integers(1, 25))
def test_files_join_by_their_row_groups(sizes, per_group):
    total = sum(sizes)
    x = np.arange(total * 2, dtype=np.float32).reshape(total, 2)
    names = [f"r{i}" for i in range(total)]
    files, at = [], 0
    for size in sizes:
        part = forms.table(x=x[at : at + size], s=names[at : at + size])
        files.append(forms.parquet(part, per_group))
        at += size
    footers = [parquet_footer.read_footer(lambda a, b, f=file: f[a:b], len(file)) for file in files]
    ranges, tail = parquet_footer.joined(footers)
    bodies = [file[a:b] for file, of_file in zip(files, ranges, strict=True) for a, b in of_file]
    rows = forms.read_back(parquet_footer.MAGIC + b"".join(bodies) + tail, "parquet")
    assert rows == [[row.tolist(), name] for row, name in zip(x, names, strict=True)]


def climb(size: BatchSize, row_s: dict[int, float]) -> int:
    inputs = [Tensor.from_values("x", DATATYPES["FP32"], (9000, 1), [0.0] * 9000)]
    for _ in range(100):
        rows = size.rows(inputs)
        size.ran(rows, rows * row_s.get(rows, 9.0))
    return size.rows(inputs)


@pytest.mark.parametrize(
    ("first", "row_s", "best"),
    [
        (None, {8: 8, 16: 4, 32: 2, 64: 1, 128: 1, 256: 1}, 64),
        (None, {8: 1, 16: 2, 32: 0.5, 64: 1, 128: 1}, 32),
        (64, {64: 1, 128: 1, 256: 1}, 64),
        (None, {8 << n: 1 / (n + 1) for n in range(12)}, 4096),
    ],
)
def test_a_batch_grows_as_long_as_rows_get_cheaper(first, row_s, best):
    assert climb(BatchSize(first, 2**30), row_s) == best


def test_a_batch_fits_into_its_memory():
    inputs = [Tensor("x", DATATYPES["UINT8"], (100, 1000), memoryview(bytes(100_000)))]
    assert BatchSize(64, 10_000).rows(inputs) == 10
    assert BatchSize(64, 10).rows(inputs) == 1
