import base64
import io
import json
import random
import struct
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import wavfile
from scipy.signal import resample_poly
from support.manifests import manifest, specs

from modelet_runtime.errors import ArtifactError, ClientError, InvalidRequest
from modelet_runtime.manifest import Step
from modelet_runtime.steps.base import Encoded, Pipeline
from modelet_runtime.steps.pipeline import build
from modelet_runtime.steps.waveform import ratio

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "steps" / "audio.json").read_text())
OUTPUTS = specs(label=("FP32", -1, 8))
TONE = np.sin(np.arange(4_000) / 7) * np.linspace(0, 0.9, 4_000)


def pipeline(shape: tuple[int, ...] = (-1, -1), datatype: str = "FP32", **parameters: Any) -> Pipeline:
    step = Step("audio", parameters)
    return build(manifest(specs(wave=(datatype, *shape)), OUTPUTS, input_steps=(step,)), Path())


def samples(data: Any, shape: tuple[int, ...] = (-1, -1), **parameters: Any) -> np.ndarray:
    encoded = pipeline(shape, **parameters).encode(data)
    assert isinstance(encoded, Encoded)
    tensor = encoded.tensors["wave"]
    return np.frombuffer(tensor.buffer, np.float32).reshape(tensor.shape)


def wav(pixels: np.ndarray, rate: int = 16_000) -> bytes:
    out = io.BytesIO()
    wavfile.write(out, rate, pixels)
    return out.getvalue()


def of(kind: int, channels: int, rate: int, bits: int, data: bytes, extra: bytes = b"") -> bytes:
    """A WAV by hand."""
    block = channels * bits // 8
    header = struct.pack("<HHIIHH", kind, channels, rate, rate * block, block, bits) + extra
    chunks = b"fmt " + struct.pack("<I", len(header)) + header + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["name"])
def test_reads_what_libsndfile_reads(case):
    data = base64.b64decode(case["wav"])
    np.testing.assert_allclose(samples(data), case["mean"], atol=2e-7)
    last = int(case["name"].split()[-1]) - 1
    np.testing.assert_allclose(samples(data, channel=last), case["last"], atol=2e-7)


def test_reads_what_the_standard_library_writes():
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(struct.pack("<3h", -32768, 0, 16384))
    assert samples(out.getvalue()).tolist() == [-1.0, 0.0, 0.5]


@pytest.mark.parametrize("given", [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_resamples_as_scipy_does(given, rate):
    up, down = ratio(given, rate)
    assert up * given == down * rate
    made = samples(wav(TONE.astype(np.float32), given), rate=rate)
    expected = resample_poly(TONE.astype(np.float32).astype(float), up, down)
    assert made.shape == expected.shape
    np.testing.assert_allclose(made, expected, atol=2e-6)


def test_mixes_and_resamples_integers():
    both = np.stack([TONE, -TONE / 2], axis=1)
    made = samples(wav((both * 32767).astype(np.int16), 48_000))
    expected = resample_poly((both * 32767).astype(np.int16).mean(axis=1) / 32768, 1, 3)
    np.testing.assert_allclose(made, expected, atol=2e-6)


@given(st.integers(1_000, 768_000), st.integers(1_000, 768_000))
def test_any_rate_is_met_within_a_thousandth(given, wanted):
    up, down = ratio(given, wanted)
    assert 1 <= min(up, down) <= max(up, down) <= 1_280
    assert abs(given * up / down - wanted) / wanted < 1e-3


class TestLength:
    SHORT = wav(np.full(5, 0.5, np.float32))

    def test_follows_the_graph(self):
        assert samples(self.SHORT, (-1, 8)).tolist() == [0.5] * 5 + [0.0] * 3
        assert samples(self.SHORT, (-1, 3)).tolist() == [0.5] * 3
        assert samples(self.SHORT, (-1, 1, -1)).shape == (1, 5)
        assert samples(self.SHORT, (1, 8)).shape == (1, 8)

    def test_follows_the_parameter(self):
        assert samples(self.SHORT, samples=3).tolist() == [0.5] * 3

    def test_too_long_is_refused_where_told_to(self):
        with pytest.raises(InvalidRequest, match="at most 3 samples at 16000 a second, got 5"):
            samples(self.SHORT, (-1, 3), too_long="refuse")
        with pytest.raises(InvalidRequest, match=r"at most 0\.1 seconds, got 0\.2"):
            samples(wav(TONE.astype(np.float32)), max_seconds=0.1)


def test_takes_base64_and_fields():
    data = wav(np.array([0.5], np.float32))
    coded = {"b64": base64.b64encode(data).decode()}
    for value in (data, memoryview(data), coded, {"audio": coded}):
        assert samples(value).tolist() == [0.5]
    assert pipeline().media_types == ("audio/*", "application/octet-stream", "application/json")
    inputs = specs(wave=("FP32", -1, -1), speaker=("INT64", -1))
    step = Step("audio", {"input": "wave", "field": "clip"})
    encoded = build(manifest(inputs, OUTPUTS, input_steps=(step,)), Path()).encode(
        {"clip": data, "speaker": 7}
    )
    assert isinstance(encoded, Encoded)
    assert list(encoded.tensors["speaker"].values()) == [7]


def test_passes_over_what_it_does_not_know():
    data = wav(np.array([0.5, -0.5], np.float32))
    listed = b"LIST" + struct.pack("<I", 3) + b"abc\0"
    assert samples(data[:12] + listed + data[12:]).tolist() == [0.5, -0.5]


@pytest.mark.parametrize("size", [0xFFFF_FFFF, 0x7FFF_F000])
def test_takes_what_was_written_into_a_pipe(size):
    data = bytearray(of(1, 1, 16_000, 16, struct.pack("<2h", 16384, -16384)))
    data[40:44] = struct.pack("<I", size)
    assert samples(bytes(data)).tolist() == [0.5, -0.5]


class TestRefuses:
    @pytest.mark.parametrize(
        ("data", "words"),
        [
            (b"", "other data"),
            (b"ID3\x03", "other data"),
            (b"RIFF\0\0\0\0WAVE", "without its 'fmt ' part"),
            (of(1, 1, 16_000, 16, b"\0\0")[:36], "without its 'data' part"),
            (of(1, 1, 16_000, 16, b"\0" * 64)[:60], "ends 48 bytes early"),
            (of(1, 1, 16_000, 16, b""), "without samples"),
            (of(1, 1, 16_000, 16, b"\0"), "without samples"),
            (of(7, 1, 8_000, 8, b"\0"), "format 7 of 8 bits"),
            (of(3, 1, 8_000, 16, b"\0\0"), "format 3 of 16 bits"),
            (of(0xFFFE, 1, 8_000, 16, b"\0\0"), "format 65534"),
            (of(1, 0, 16_000, 16, b"\0\0"), "1 to 32 channels, got 0"),
            (of(1, 33, 16_000, 8, b"\0" * 33), "got 33"),
            (of(1, 1, 0, 16, b"\0\0"), "samples per second, got 0"),
            (of(1, 1, 800_000, 16, b"\0\0"), "got 800000"),
            (of(1, 1, 16_000, 12, b"\0\0"), "1 channels of 12 bits in 1 bytes"),
        ],
    )
    def test_what_is_no_sound(self, data, words):
        with pytest.raises(InvalidRequest, match=r"^audio: ") as caught:
            samples(data)
        assert words in str(caught.value)

    @pytest.mark.parametrize("value", ["text", 3, None, ["a", "b"], {"a": 1}, {"audio": "x"}])
    def test_what_is_no_bytes(self, value):
        with pytest.raises(InvalidRequest):
            samples(value)

    def test_a_channel_that_is_not_there(self):
        with pytest.raises(InvalidRequest, match="a channel 1, got 1 channels"):
            samples(of(1, 1, 16_000, 16, b"\0\0"), channel=1)

    @pytest.mark.parametrize(
        ("shape", "changes", "words"),
        [
            ((-1, 8), {"samples": 9}, "samples: expected 8, as the graph says, got 9"),
            ((-1, 2, 8), {}, "one row of samples"),
            ((-1,), {}, "one row of samples"),
            ((-1, 8), {"datatype": "INT16"}, "expected FP32"),
            ((-1, 8), {"input": "x"}, "'x' among the model's inputs wave"),
            ((-1, 8), {"rate": 0}, "1000 to 768000"),
            ((-1, 8), {"channel": -1}, "at least 0"),
            ((-1, 8), {"samples": 0}, "at least 1"),
            ((-1, 8), {"max_seconds": 0}, "more than 0"),
        ],
    )
    def test_a_model_it_does_not_fit(self, shape, changes, words):
        with pytest.raises(ArtifactError, match=r"^input\.steps: step 'audio': ") as caught:
            pipeline(shape, **changes)
        assert words in str(caught.value)


KINDS = [base64.b64decode(case["wav"]) for case in GOLDEN]


@settings(deadline=None)
@given(st.sampled_from(KINDS), st.randoms(use_true_random=False))
def test_a_damaged_sound_is_the_clients_error_or_a_sound(data, dice: random.Random):
    damaged = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        damaged[dice.randrange(min(len(damaged), 80))] = dice.randrange(256)
    try:
        made = samples(bytes(damaged[: dice.randint(1, len(damaged))]), (-1, 16), rate=8_000)
    except ClientError:
        return
    assert made.shape == (16,)


@given(st.binary(max_size=80))
def test_any_bytes_after_the_first_are_the_clients_error_or_a_sound(tail):
    try:
        samples(b"RIFF\0\0\0\0WAVEfmt " + tail)
    except ClientError:
        return
