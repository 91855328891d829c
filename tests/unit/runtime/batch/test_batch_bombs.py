"""What is made to hurt ends as a failed run that says why, within bounds of memory."""

import gzip
import io
import struct
import zipfile

import numpy as np
import pytest
from backports import zstd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import forms
from support.batching import Batching

from modelet_runtime.batch.errors import RunFailed
from modelet_runtime.batch.forms import parquet_footer
from modelet_runtime.batch.forms.base import Limits
from modelet_runtime.batch.forms.unpack import compression_of, unpack

MIB = 1024**2
LIMITS = Limits(row_bytes=MIB, group_bytes=2 * MIB, chunk_bytes=64 * 1024)


@pytest.fixture
def tight(aws, predictor):
    return Batching(predictor, limits=LIMITS)


def refused(batch, name, data, **arguments):
    ended = batch.infer(f"demo_model/{name}", data, **arguments)
    assert ended.report["state"] == "failed"
    assert ended.results == b""
    return ended.report["error"]["code"], ended.report["error"]["message"]


def test_a_line_that_never_ends(tight):
    code, message = refused(tight, "r.jsonl", b"[1,2,3,4]\n[" + b"1," * (2 * MIB))
    assert (code, message) == ("input_too_large", "the row at byte 10 is longer than 1048576 bytes")


def test_a_line_that_never_ends_once_it_is_unpacked(tight):
    data = b"[1,2,3,4]\n" + b" " * (40 * MIB)
    for pack in (gzip.compress, zstd.compress):
        assert refused(tight, f"r{pack.__module__}.jsonl", pack(data))[0] == "input_too_large"


def test_a_gigabyte_of_nothing_in_a_megabyte():
    packed = gzip.compress(b"\n" * (64 * MIB))
    assert compression_of(packed) == "gzip"
    sizes = map(len, unpack(iter([packed]), "gzip", 32 * MIB))
    assert [next(sizes) <= MIB for _ in range(32)] == [True] * 32
    with pytest.raises(RunFailed, match="unpacks to more than 33554432 bytes"):
        list(sizes)


def test_a_billion_columns(tight):
    _, message = refused(tight, "r.csv", b"a" + b",a" * 400_000 + b"\n1\n")
    assert "columns, expected 10000 at most" in message


def test_a_quote_that_never_closes(tight):
    code, message = refused(tight, "r.csv", b'a,b,c,d\n1,2,3,"' + b"4\n" * (2 * MIB))
    assert code == "input_too_large"
    assert "its quotes never close" in message


def test_a_zip_bomb(tight):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        header = forms.npy(np.zeros((1, 2**20), np.float32))[:128]
        archive.writestr("logits.npy", header.replace(b"(1,", b"(9,") + bytes(64 * MIB))
    assert refused(tight, "r.npz", out.getvalue()) == (
        "input_too_large", "npy: rows of 4194304 bytes, expected 1048576 at most",
    )  # fmt: skip


def test_an_array_that_is_shorter_or_longer_than_it_says(tight):
    data = forms.npy(np.zeros((10, 4), np.float32))
    assert refused(tight, "short.npy", data[:-1])[0] == "input_refused"
    assert refused(tight, "long.npy", data + b"\0")[0] == "input_refused"


def test_an_array_of_objects(tight):
    out = io.BytesIO()
    np.save(out, np.array([{}], object), allow_pickle=True)
    assert "numbers, booleans or strings" in refused(tight, "r.npy", out.getvalue())[1]


def test_a_row_group_that_would_not_fit(tight):
    noise = np.random.default_rng(0).random((200_000, 4)).astype(np.float32)
    code, message = refused(tight, "r.parquet", forms.parquet(forms.table(logits=noise), 200_000))
    assert code == "input_too_large"
    assert "write smaller ones" in message


def test_a_footer_of_two_gigabytes(tight):
    data = b"PAR1" + bytes(100) + struct.pack("<I", 2**31 - 1) + b"PAR1"
    assert "a footer of 2147483647 bytes" in refused(tight, "r.parquet", data)[1]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_damaged_footer_is_refused_or_read_and_nothing_else(data):
    file = bytearray(forms.parquet(forms.table(x=np.arange(30, dtype=np.float32), s=["a"] * 30), 10))
    length = struct.unpack("<I", file[-8:-4])[0]
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(len(file) - 8 - length, len(file) - 9))
        file[at] = data.draw(st.integers(0, 255))
    try:
        footer = parquet_footer.read_footer(lambda start, end: bytes(file[start:end]), len(file))
        parquet_footer.joined([footer, footer])
    except RunFailed:
        pass


def test_a_file_that_is_not_what_its_name_says_is_read_as_what_it_is(tight):
    x = np.zeros((3, 4), np.float32)
    ended = tight.infer("demo_model/rows.csv", forms.npy(x))
    assert (ended.report["input"]["form"], ended.report["rows"]) == ("npy", 3)
    ended = tight.infer("demo_model/rows", forms.parquet(forms.table(logits=x)))
    assert (ended.report["input"]["form"], ended.report["rows"]) == ("parquet", 3)
    ended = tight.infer("demo_model/rows.parquet", forms.jsonl([[0, 0, 0, 0]] * 2))
    assert (ended.report["input"]["form"], ended.report["rows"]) == ("jsonl", 2)


def test_what_the_model_cannot_take_is_a_failure_that_says_what_it_takes(tight):
    _, message = refused(tight, "photo.png", b"\x89PNG\r\n\x1a\n" + bytes(100))
    assert "image/png" in message


def test_broken_parquet_and_arrow_are_refused(tight):
    x = np.zeros((300, 4), np.float32)
    file = bytearray(forms.parquet(forms.table(logits=x)))
    file[40:400] = bytes(360)
    assert refused(tight, "r.parquet", bytes(file))[0] == "input_refused"
    arrow = forms.arrow(forms.table(logits=x))
    assert refused(tight, "r.arrow", arrow[: len(arrow) // 2])[0] == "input_refused"
