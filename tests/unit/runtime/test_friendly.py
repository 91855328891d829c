import csv
import io
import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from support.manifests import manifest, specs

from modelet_runtime.errors import (
    ClientError,
    InvalidRequest,
    LengthMismatch,
    NotAcceptable,
    UnsupportedMediaType,
)
from modelet_runtime.protocols.friendly import parse, render
from modelet_runtime.steps.base import Cell, Encoded
from modelet_runtime.steps.pipeline import build
from modelet_runtime.tensor import Tensor

RECORDS = ("application/json", "text/csv", "application/x-npy")
TEXT = ("text/plain", "application/octet-stream", *RECORDS)
PICTURES = ("image/*", "application/octet-stream", "application/json")
ANY_FILE = ("application/octet-stream", "*/*")


class TestMediaTypes:
    @pytest.mark.parametrize(
        ("content_type", "taken"),
        [
            ("application/octet-stream", PICTURES),
            ("image/png", PICTURES),
            ("IMAGE/JPEG; quality=1", PICTURES),
            ("", PICTURES),
            ("application/x-www-form-urlencoded", PICTURES),
            ("application/x-www-form-urlencoded", ANY_FILE),
            ("application/json", ANY_FILE),
            ("text/plain; charset=klingon", ANY_FILE),
            ("application/pdf", ANY_FILE),
            ("", TEXT),
        ],
    )
    def test_gives_bytes(self, content_type, taken):
        assert parse(b"{}", content_type, taken) == ([b"{}"], False)
        [value], _ = parse(memoryview(b"{}"), content_type, taken)
        assert type(value) is bytes

    @pytest.mark.parametrize(
        ("content_type", "taken", "shown"),
        [
            ("application/xml", RECORDS, "'application/xml'"),
            ("", RECORDS, "''"),
            ("application/x-www-form-urlencoded", RECORDS, "'application/x-www-form-urlencoded'"),
            ("text/plain", PICTURES, "'text/plain'"),
            ("multipart/form-data; boundary=x", TEXT, "'multipart/form-data'"),
        ],
    )
    def test_refuses_with_a_list_of_what_is_taken(self, content_type, taken, shown):
        with pytest.raises(UnsupportedMediaType) as caught:
            parse(b"{}", content_type, taken)
        assert shown in str(caught.value)
        assert all(name in str(caught.value) for name in taken)
        assert caught.value.status == 415


class TestText:
    @pytest.mark.parametrize(
        ("charset", "data"),
        [
            ("", "grüezi".encode()),
            ("; charset=ISO-8859-1", b"gr\xfcezi"),
            ('; charset="utf-8"', "grüezi".encode()),
        ],
    )
    def test_is_a_string(self, charset, data):
        assert parse(data, f"text/plain{charset}", TEXT) == (["grüezi"], False)

    def test_is_chinese_as_well(self):
        assert parse("你好".encode("gb18030"), "text/plain; charset=gb18030", TEXT) == (["你好"], False)

    @pytest.mark.parametrize("charset", ["utf-8", "ascii"])
    def test_refuses_what_is_not_in_the_charset(self, charset):
        with pytest.raises(InvalidRequest, match="text in"):
            parse(b"\xff", f"text/plain; charset={charset}", TEXT)

    @pytest.mark.parametrize("charset", ["klingon", "idna", "hex", "unicode_escape"])
    def test_refuses_charsets_it_does_not_know(self, charset):
        with pytest.raises(InvalidRequest, match=charset):
            parse(b"a", f"text/plain; charset={charset}", TEXT)


class TestJson:
    @pytest.mark.parametrize(
        ("document", "values", "many"),
        [
            ({"a": 1, "b": "x"}, [{"a": 1, "b": "x"}], False),
            ([1, 2], [[1, 2]], False),
            (3, [3], False),
            ({"instances": [[1], [2]]}, [[1], [2]], True),
            ({"instances": []}, [], True),
            ({"instances": [{"b64": "aGk="}, 1]}, [b"hi", 1], True),
            ({"b64": "aGk="}, [b"hi"], False),
            ({"instances": [1], "b": 2}, [{"instances": [1], "b": 2}], False),
            ({"dataframe_records": [{"a": 1}, {"a": 2}]}, [{"a": 1}, {"a": 2}], True),
            (
                {"dataframe_split": {"index": [7, 8], "columns": ["a", "b"], "data": [[1, "x"], [2, "y"]]}},
                [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}],
                True,
            ),
            ({"dataframe_split": {"columns": [0, 1], "data": [[1, 2]]}}, [{"0": 1, "1": 2}], True),
            ({"dataframe_split": {"data": [[1, 2]]}}, [[1, 2]], True),
        ],
    )
    def test_is_one_value_or_many(self, document, values, many):
        assert parse(json.dumps(document).encode(), "application/json; charset=utf-8", RECORDS) == (
            values,
            many,
        )

    def test_takes_numbers_that_are_not_finite(self):
        [value], _ = parse(b"[NaN, Infinity, -Infinity, null]", "application/json", RECORDS)
        assert math.isnan(value[0])
        assert value[1:] == [math.inf, -math.inf, None]

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (b"", ["JSON"]),
            (b"{", ["JSON"]),
            (b"[" * 100_000, ["JSON"]),
            (b'{"instances": 3}', ["instances", "a list"]),
            (b'{"dataframe_records": {"a": 1}}', ["dataframe_records", "a list"]),
            (b'{"dataframe_split": []}', ["dataframe_split", "an object"]),
            (b'{"dataframe_split": {}}', ["dataframe_split.data", "a list"]),
            (
                b'{"dataframe_split": {"columns": ["a"], "data": [[1], [1, 2]]}}',
                ["data[1]", "1 values", "got 2"],
            ),
            (b'{"dataframe_split": {"columns": ["a"], "data": [1]}}', ["data[0]", "1 values"]),
            (b'{"dataframe_split": {"columns": ["a", "a"], "data": []}}', ["each column once"]),
            (b'{"b64": "%"}', ["b64"]),
        ],
    )
    def test_refuses(self, body, words):
        with pytest.raises(InvalidRequest) as caught:
            parse(body, "application/json", RECORDS)
        assert all(word in str(caught.value) for word in words)


class TestCsv:
    @pytest.mark.parametrize(
        ("text", "header", "values"),
        [
            ("a,b\r\n1,x\r\n2,y\r\n", "", [{"a": "1", "b": "x"}, {"a": "2", "b": "y"}]),
            ("1,x\n2,y", "", [["1", "x"], ["2", "y"]]),
            ("a,b\nc,d\n", "; header=absent", [["a", "b"], ["c", "d"]]),
            ("1,2\n3,4\n", "; header=present", [{"1": "3", "2": "4"}]),
            ('a,b\n"x, ""y""",\n', "", [{"a": 'x, "y"', "b": ""}]),
            ("a,b\n\n1,2\n\n", "", [{"a": "1", "b": "2"}]),
            ("a\n", "", []),
            ("", "", []),
            ("\ufeffa\n1\n", "", [{"a": "1"}]),
            ("a\n" + "x" * 200_000, "", [{"a": "x" * 200_000}]),
        ],
    )
    def test_lines_are_values(self, text, header, values):
        rows, many = parse(text.encode(), f"text/csv{header}", RECORDS)
        assert rows == values
        assert many
        assert all(
            type(cell) is Cell for row in rows for cell in (row.values() if isinstance(row, dict) else row)
        )

    @pytest.mark.parametrize(
        ("text", "header", "words"),
        [
            ("a,b\n1\n", "", ["line 2", "2 cells", "got 1"]),
            ('a\n"1\n', "", ["csv"]),
            ('a\n"1"2\n', "", ["csv"]),
            ("a,a\n1,2\n", "", ["each column once"]),
            ("a\n1\n", "; header=maybe", ["header", "present or absent"]),
        ],
    )
    def test_refuses(self, text, header, words):
        with pytest.raises(InvalidRequest) as caught:
            parse(text.encode(), f"text/csv{header}", RECORDS)
        assert all(word in str(caught.value) for word in words)

    @given(st.lists(st.tuples(st.text(max_size=5), st.integers()), max_size=5))
    def test_what_pythons_csv_writes_comes_back(self, table):
        out = io.StringIO(newline="")
        csv.writer(out).writerows([("name", "count"), *table])
        try:
            rows, _ = parse(out.getvalue().encode(), "text/csv; header=present", RECORDS)
        except InvalidRequest:
            pytest.fail("a table was refused")
        assert rows == [{"name": name, "count": str(count)} for name, count in table]


def saved(array: np.ndarray, version: tuple[int, int] | None = None, pickled: bool = False) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy warns that few can read the later versions
        np.lib.format.write_array(out, array, version, allow_pickle=pickled)
    return out.getvalue()


DTYPES = ["?", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"]
ARRAYS = st.tuples(st.sampled_from(DTYPES), st.sampled_from("<>")).flatmap(
    lambda kind: npst.arrays(
        np.dtype(kind[0]).newbyteorder(kind[1]),
        npst.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4),
    )
)


class TestNpy:
    @given(ARRAYS, st.booleans(), st.sampled_from([(1, 0), (2, 0), (3, 0)]))
    def test_what_numpy_writes_comes_back(self, array, is_fortran, version):
        array = np.asfortranarray(array) if is_fortran else array
        rows, many = parse(saved(array, version), "application/x-npy", RECORDS)
        assert many
        assert len(rows) == len(array)
        for row, expected in zip(rows, array, strict=True):
            assert isinstance(row, Tensor)
            assert row.shape == expected.shape
            assert bytes(row.buffer) == expected.astype(expected.dtype.newbyteorder("<")).tobytes()

    def test_an_array_without_axes_is_one_value(self):
        [value], many = parse(saved(np.float32(1.5)), "application/x-npy", RECORDS)
        assert (value.shape, list(value.values()), many) == ((), [1.5], True)

    @pytest.mark.parametrize("dtype", ["S4", "<U4", ">U4"])
    def test_strings_are_text(self, dtype):
        array = np.array([["ab", "c"], ["", "abcd"]]).astype(dtype)
        for order in "CF":
            rows, _ = parse(saved(np.asarray(array, order=order)), "application/x-npy", RECORDS)
            assert [row.elements for row in rows] == [(b"ab", b"c"), (b"", b"abcd")]

    @pytest.mark.parametrize(
        "array",
        [
            np.array([1j]),
            np.array(["2020-01-01"], "M8[D]"),
            np.zeros(1, [("a", "f4")]),
            np.zeros(2, "V3"),
            np.zeros(2, np.longdouble),
        ],
    )
    def test_refuses_other_dtypes(self, array):
        with pytest.raises(InvalidRequest, match="numbers, booleans or strings"):
            parse(saved(array), "application/x-npy", RECORDS)

    def test_never_unpickles(self, tmp_path):
        class Bomb:
            def __reduce__(self) -> tuple[Any, ...]:
                return (Path.mkdir, (tmp_path / "went off",))

        array = np.empty(1, object)
        array[0] = Bomb()
        with pytest.raises(InvalidRequest, match="numbers, booleans or strings"):
            parse(saved(array, pickled=True), "application/x-npy", RECORDS)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("change", [-1, 1])
    def test_refuses_another_length(self, change):
        data = saved(np.zeros((2, 3)))
        with pytest.raises(LengthMismatch, match=r"48 bytes for \[2, 3\]"):
            parse(data[:-1] if change < 0 else data + b"\0", "application/x-npy", RECORDS)

    @pytest.mark.parametrize(
        "header",
        [
            "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (True,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': 3}",
            "{'descr': '<f4', 'fortran_order': 0, 'shape': ()}",
            "{'descr': '<f4', 'shape': ()}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (), 'x': 1}",
            "{'descr': '<f3', 'fortran_order': False, 'shape': ()}",
            "{'descr': '<b2', 'fortran_order': False, 'shape': (0,)}",
            "{'descr': '<U0', 'fortran_order': False, 'shape': (999999999999,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (999999999999, 0)}",
            "{'descr': '<f4', 'fortran_order': True, 'shape': (999999999999, 0, 5)}",
            f"{{'descr': '<f4', 'fortran_order': False, 'shape': (0,{'1,' * 99})}}",
            "__import__('os').getcwd()",
            "[" * 5_000,
            "-" * 9_000 + "1",
            "3",
            "",
            "\0",
        ],
    )
    def test_refuses_any_other_header(self, header):
        text = header.encode()
        data = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text
        with pytest.raises(ClientError):
            parse(data, "application/x-npy", RECORDS)

    @given(st.binary(max_size=200), st.booleans())
    def test_refuses_any_other_bytes(self, data, has_magic):
        with pytest.raises(ClientError):
            parse((b"\x93NUMPY\x01\x00" if has_magic else b"") + data, "application/x-npy", RECORDS)

    @given(ARRAYS, st.randoms(use_true_random=False))
    def test_a_damaged_array_is_the_clients_error_or_an_array(self, array, dice):
        damaged = bytearray(saved(array))
        damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        try:
            parse(bytes(damaged), "application/x-npy", RECORDS)
        except ClientError:
            return


ANSWER: dict[str, Any] = {"label": "3", "score": 0.5, "scores": {"2": 0.25, "3": 0.5}, "ok": True}


class TestRender:
    @pytest.mark.parametrize(
        "accept",
        ["", "*/*", "application/json", "application/*", "text/html,application/xhtml+xml,*/*;q=0.8"],
    )
    def test_json_is_the_default(self, accept):
        body, media_type = render([ANSWER], False, accept)
        assert (json.loads(body), media_type) == (ANSWER, "application/json")

    def test_many_are_predictions(self):
        assert render([1, 2], True, "")[0] == b'{"predictions":[1,2]}'
        assert render([1], True, "")[0] == b'{"predictions":[1]}'
        assert render([], True, "")[0] == b'{"predictions":[]}'

    def test_text_is_utf8(self):
        assert render(["grüezi"], False, "")[0] == '"grüezi"'.encode()

    def test_numbers_that_are_not_finite_are_null(self):
        assert render([[math.nan, math.inf, -math.inf, 1.5]], False, "")[0] == b"[null,null,null,1.5]"

    @pytest.mark.parametrize(
        ("accept", "media_type"),
        [
            ("text/csv", "text/csv"),
            ("text/*", "text/csv"),
            ("TEXT/CSV", "text/csv"),
            ("application/json;q=0.5, text/csv", "text/csv"),
            ("application/json;q=0.5, text/csv;q=0.4", "application/json"),
            ("*/*;q=0.1, application/x-npy", "application/x-npy"),
            ("application/*, application/json;q=0", "application/x-npy"),
            ("text/csv;q=nonsense, */*", "application/json"),
            ("application/x-npy, application/json", "application/json"),
        ],
    )
    def test_follows_the_accept_header(self, accept, media_type):
        assert render([[1.0, 2.0]], False, accept)[1].partition(";")[0] == media_type

    @pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", "image/*", "nonsense"])
    def test_refuses_what_it_cannot_write(self, accept):
        with pytest.raises(NotAcceptable) as caught:
            render([1], False, accept)
        assert caught.value.status == 406
        assert "application/json" in str(caught.value)

    def test_csv_flattens_what_is_nested(self):
        body, media_type = render([ANSWER, {"label": 'a"b', "score": None}], True, "text/csv")
        assert media_type == "text/csv; charset=utf-8; header=present"
        assert list(csv.reader(io.StringIO(body.decode()))) == [
            ["label", "score", "scores.2", "scores.3", "ok"],
            ["3", "0.5", "0.25", "0.5", "true"],
            ['a"b', "", "", "", ""],
        ]

    def test_csv_of_bare_answers(self):
        assert render([1.5, math.nan], True, "text/csv")[0] == b'prediction\r\n1.5\r\n""\r\n'
        assert render([[1, 2], [3, 4]], True, "text/csv")[0] == b"0,1\r\n1,2\r\n3,4\r\n"

    @pytest.mark.parametrize(
        ("answers", "many", "expected"),
        [
            ([[1.5, math.nan]], False, np.array([1.5, math.nan])),
            ([[1.5, None]], False, np.array([1.5, math.nan])),
            ([[1.5, 2.5], [3.5, 4]], True, np.array([[1.5, 2.5], [3.5, 4]])),
            ([2.5], False, np.array(2.5)),
            ([[1, 2]], True, np.array([[1, 2]])),
            ([[True, False]], False, np.array([True, False])),
            ([[2**63]], False, np.array([2**63], np.uint64)),
            ([], True, np.zeros(0)),
            ([[[]], [[]]], True, np.zeros((2, 1, 0))),
            ([[float(i) for i in range(1000)]], False, np.arange(1000.0)),
        ],
    )
    def test_npy_is_read_by_numpy(self, answers, many, expected):
        body, media_type = render(answers, many, "application/x-npy")
        array = np.load(io.BytesIO(body))
        assert media_type == "application/x-npy"
        assert array.dtype == expected.dtype
        np.testing.assert_array_equal(array, expected)

    @pytest.mark.parametrize("answer", [{"a": 1}, "text", [[1], [2, 3]], [1, [2]], [{"a": 1}], [True, 1]])
    def test_npy_holds_numbers_only(self, answer):
        with pytest.raises(NotAcceptable):
            render([answer], False, "application/x-npy")
        assert render([answer], False, "application/x-npy, application/json;q=0.1")[1] == "application/json"


class TestTogether:
    """The same record in every form gives the same tensors."""

    @pytest.mark.parametrize(
        ("content_type", "body"),
        [
            ("application/json", b'{"instances": [{"a": 1.5, "b": 2}, {"a": null, "b": 4}]}'),
            (
                "application/json",
                b'{"dataframe_split": {"columns": ["b", "a"], "data": [[2, 1.5], [4, null]]}}',
            ),
            ("application/json", b'{"dataframe_records": [{"b": 2, "a": 1.5}, {"b": 4, "a": NaN}]}'),
            ("text/csv", b"b,a\n2,1.5\n4,\n"),
            ("text/csv", b"1.5,2\nnan,4\n"),
        ],
    )
    def test_columns(self, content_type, body):
        pipeline = build(
            manifest(specs(a=("FP32", -1, 1), b=("INT64", -1, 1)), specs(y=("FP32", -1))), Path()
        )
        values, many = parse(body, content_type, pipeline.media_types)
        first, second = (pipeline.encode(value) for value in values)
        assert many
        assert isinstance(first, Encoded)
        assert isinstance(second, Encoded)
        assert (first.tensors["a"].values()[0], first.tensors["b"].values()[0]) == (1.5, 2)
        assert math.isnan(second.tensors["a"].values()[0])
        assert second.tensors["b"].values()[0] == 4

    @pytest.mark.parametrize(
        ("content_type", "body"),
        [
            ("application/json", b'{"instances": [[1, 2, 3, 4]]}'),
            ("application/json", b'{"instances": [[[1, 2], [3, 4]]]}'),
            ("text/csv", b"1,2,3,4\n"),
            ("application/x-npy", saved(np.array([[1, 2, 3, 4]], np.float32))),
            ("application/x-npy", saved(np.array([[[1, 2], [3, 4]]], ">f8"))),
            ("application/x-npy", saved(np.array([[[1, 2], [3, 4]]], "i2", order="F"))),
        ],
    )
    def test_a_matrix(self, content_type, body):
        pipeline = build(manifest(specs(x=("FP32", -1, 2, 2)), specs(y=("FP32", -1))), Path())
        [value], _ = parse(body, content_type, pipeline.media_types)
        encoded = pipeline.encode(value)
        assert isinstance(encoded, Encoded)
        assert encoded.tensors["x"].shape == (2, 2)
        assert list(encoded.tensors["x"].values()) == [1.0, 2.0, 3.0, 4.0]
