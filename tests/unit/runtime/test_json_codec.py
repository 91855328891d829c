import json
import math
from contextlib import suppress
from math import inf, nan, prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from modelet_runtime.errors import DatatypeMismatch, InvalidRequest, LengthMismatch
from modelet_runtime.protocols import json_codec
from modelet_runtime.tensor import DATATYPES, Tensor

NUMPY = {
    "BOOL": np.bool_,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP32": np.float32,
    "FP64": np.float64,
}
INTEGERS = [name for name in NUMPY if "INT" in name]
SHAPES = npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


def pack(name, values, shape=None):
    return json_codec.pack("x", DATATYPES[name], (len(values),) if shape is None else shape, values)


class TestPack:
    @pytest.mark.parametrize("name", NUMPY)
    @pytest.mark.parametrize("is_nested", [False, True])
    @given(data=st.data())
    def test_any_array_becomes_numpys_bytes(self, name, is_nested, data):
        array = data.draw(npst.arrays(NUMPY[name], SHAPES))
        text = json.dumps((array if is_nested else array.ravel()).tolist()).encode()
        values, shape = json_codec.flatten("x", json_codec.loads(text))
        tensor = json_codec.pack("x", DATATYPES[name], array.shape, values)
        if is_nested and array.size:
            assert shape == array.shape
        if array.dtype.kind == "f":
            np.testing.assert_array_equal(
                np.frombuffer(tensor.buffer, array.dtype).reshape(array.shape), array
            )
        else:
            assert tensor.buffer == array.tobytes()

    @pytest.mark.parametrize("name", INTEGERS)
    def test_integers_keep_all_their_bits(self, name):
        limits = np.iinfo(NUMPY[name])
        tensor = pack(name, json_codec.loads(f"[{limits.min},{limits.max}]".encode()))
        assert tensor.values().tolist() == [limits.min, limits.max]

    @pytest.mark.parametrize("name", INTEGERS)
    @pytest.mark.parametrize("beyond", [-1, 1])
    def test_integers_outside_the_range_are_refused(self, name, beyond):
        limits = np.iinfo(NUMPY[name])
        value = limits.min - 1 if beyond < 0 else limits.max + 1
        with pytest.raises(DatatypeMismatch, match=f"'x': expected datatype {name}"):
            pack(name, json_codec.loads(f"[{value}]".encode()))

    @pytest.mark.parametrize("name", INTEGERS)
    @pytest.mark.parametrize(
        ("text", "kind"),
        [
            ("1.0", "a number with a fraction"),
            ("1e2", "a number with a fraction"),
            ("true", "a boolean"),
            ("null", "null"),
            ('"1"', "a string"),
            ("{}", "an object"),
            ("NaN", "a number with a fraction"),
        ],
    )
    def test_integers_take_nothing_else(self, name, text, kind):
        with pytest.raises(DatatypeMismatch, match=f"{kind} at index 1"):
            pack(name, json_codec.loads(f"[1,{text},2]".encode()))

    @pytest.mark.parametrize("name", ["FP32", "FP64"])
    def test_floats_take_whole_numbers_tokens_and_null(self, name):
        values = json_codec.loads(b"[1, -0.5, NaN, Infinity, -Infinity, null, 1e3]")
        result = pack(name, values).values().tolist()
        assert result[:2] == [1.0, -0.5]
        assert math.isnan(result[2])
        assert result[3:5] == [inf, -inf]
        assert math.isnan(result[5])
        assert result[6] == 1000.0

    @pytest.mark.parametrize("text", ["true", '"1"', "[]", "{}"])
    def test_floats_take_nothing_else(self, text):
        with pytest.raises(DatatypeMismatch):
            pack("FP32", json_codec.loads(f"[1.5,{text}]".encode()))

    def test_a_number_too_large_for_fp32_is_refused_rather_than_made_infinite(self):
        with pytest.raises(DatatypeMismatch, match="outside its range"):
            pack("FP32", [1e39])
        assert pack("FP64", [1e39]).values().tolist() == [1e39]

    @pytest.mark.parametrize("text", ["0", "1", '"true"', "null", "0.0"])
    def test_booleans_are_true_and_false_only(self, text):
        with pytest.raises(DatatypeMismatch):
            pack("BOOL", json_codec.loads(f"[{text}]".encode()))

    def test_bytes_are_the_utf8_of_strings(self):
        assert pack("BYTES", ["", "é", "a\0b"]).elements == (b"", "é".encode(), b"a\0b")
        with pytest.raises(DatatypeMismatch):
            pack("BYTES", [1])

    @pytest.mark.parametrize("name", ["FP16", "BF16"])
    def test_sixteen_bit_floats_have_no_json_form(self, name):
        with pytest.raises(InvalidRequest, match=f"{name} in binary form"):
            pack(name, [1.0])

    @pytest.mark.parametrize("count", [0, 5, 7])
    def test_the_length_is_the_product_of_the_shape(self, count):
        with pytest.raises(LengthMismatch, match="6 elements"):
            pack("INT32", [1] * count, (2, 3))

    def test_a_shape_beyond_memory_allocates_nothing(self):
        with pytest.raises(LengthMismatch):
            pack("FP32", [1.0], (2**62, 2**62))


class TestFlatten:
    @given(SHAPES)
    def test_tells_the_shape_of_the_nesting(self, shape):
        nested = np.arange(prod(shape)).reshape(shape).tolist()
        values, found = json_codec.flatten("x", nested)
        assert values == list(range(prod(shape)))
        assert found == shape or not values

    @pytest.mark.parametrize("data", [[[1], [1, 2]], [[1], 2], [[[1]], [[1], [2]]], [[], [1]], [[1], {}]])
    def test_refuses_uneven_lists(self, data):
        with pytest.raises(LengthMismatch, match="'x'"):
            json_codec.flatten("x", data)


class TestLoads:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"[1,]",
            b"nan",
            b"\xff",
            b"1e999",
            b"[" * 2000 + b"]" * 2000,
            b"[NaN" + b"[" * 100_000,
            b'["\\ud800"]',
            b'[NaN, "\\ud800"]',
            b"[NaN, 99999999999999999999]",
            b"[NaN, " + b"9" * 5000 + b"]",
            b"\xef\xbb\xbf{}",
        ],
    )
    def test_refuses_what_is_not_json(self, body):
        with pytest.raises(InvalidRequest, match="body: expected JSON"):
            json_codec.loads(body)

    @given(st.binary())
    def test_any_bytes_are_json_or_a_clients_error(self, body):
        with suppress(InvalidRequest):
            json_codec.loads(body)

    def test_takes_views(self):
        assert json_codec.loads(memoryview(b'xx{"a": NaN}')[2:])["a"] != 0

    @pytest.mark.parametrize("body", [b"[]", b"1", b'"text"', b"null"])
    def test_an_object_can_be_asked_for(self, body):
        with pytest.raises(InvalidRequest, match="a JSON object"):
            json_codec.read_object(body)


class TestUnpack:
    @pytest.mark.parametrize("name", NUMPY)
    @given(data=st.data())
    def test_what_is_written_reads_back(self, name, data):
        array = data.draw(npst.arrays(NUMPY[name], SHAPES))
        tensor = Tensor.from_buffer("y", DATATYPES[name], array.shape, array.tobytes())
        values, non_finite = json_codec.unpack(tensor)
        text = json_codec.dumps(values)
        again = np.array(
            [nan if value is None else value for value in json.loads(text)], array.dtype
        ).reshape(array.shape)
        expected = np.where(np.isfinite(array), array, nan) if array.dtype.kind == "f" else array
        np.testing.assert_array_equal(again, expected)
        assert non_finite == np.sum(~np.isfinite(array))
        assert text.count(b"null") == non_finite

    def test_a_sum_that_overflows_is_no_infinity(self):
        tensor = Tensor.from_values("y", DATATYPES["FP64"], (2,), [1e308, 1e308])
        assert json_codec.unpack(tensor) == ([1e308, 1e308], 0)

    def test_text_is_decoded(self):
        tensor = Tensor.from_values("y", DATATYPES["BYTES"], (2,), ["é", b"a"])
        assert json_codec.unpack(tensor) == (["é", "a"], 0)

    @pytest.mark.parametrize(("name", "value"), [("BYTES", b"\xff"), ("FP16", 1.0), ("BF16", 1.0)])
    def test_what_json_cannot_hold_asks_for_the_binary_form(self, name, value):
        tensor = Tensor.from_values("y", DATATYPES[name], (1,), [value])
        with pytest.raises(InvalidRequest, match=r"output 'y': expected parameters.binary_data true"):
            json_codec.unpack(tensor)
