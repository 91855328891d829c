"""Buffers as tensors."""

from array import array

import numpy as np
import pytest

from modelet_runtime.tensor import DATATYPES, Tensor


@pytest.mark.parametrize("dtype", ["u1", "i1", "<f4", "<i8"])
def test_a_buffer_of_any_rank_is_viewed_whole(dtype):
    values = np.arange(24).astype(dtype).reshape(2, 3, 4)
    name = {"u1": "UINT8", "i1": "INT8", "<f4": "FP32", "<i8": "INT64"}[dtype]
    tensor = Tensor.from_buffer("x", DATATYPES[name], values.shape, values)
    assert list(tensor.values()) == list(range(24))
    assert tensor.buffer.obj is values, "it is a view"


def test_flat_buffers():
    for buffer in (b"\1\2\3", bytearray(b"\1\2\3"), array("B", [1, 2, 3])):
        assert list(Tensor.from_buffer("x", DATATYPES["UINT8"], (3,), buffer).values()) == [1, 2, 3]
