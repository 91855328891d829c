import base64
import json
import random
import struct
import warnings
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps
from support.manifests import manifest, specs

from modelet_runtime.errors import ArtifactError, ClientError, InvalidRequest
from modelet_runtime.manifest import Step
from modelet_runtime.steps.base import Encoded, Pipeline
from modelet_runtime.steps.pipeline import build

# A gradient with detail in every channel, so that each filter gives something of its own.
PHOTO = np.stack(
    [
        np.add.outer(np.arange(40) * 3, np.arange(60) * 2),
        np.outer(np.arange(40), np.arange(60)) % 251,
        np.random.default_rng(0).integers(0, 256, (40, 60)),
    ],
    axis=-1,
).astype(np.uint8)

TRANSFORMED = json.loads((Path(__file__).parents[2] / "golden" / "steps" / "pictures.json").read_text())


def save(pixels: np.ndarray | Image.Image, form: str = "PNG", **options: Any) -> bytes:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    out = BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def pipeline(
    shape: tuple[int, ...] = (-1, -1, -1, 3), datatype: str = "UINT8", **parameters: Any
) -> Pipeline:
    step = Step("image", parameters)
    made = manifest(specs(pixels=(datatype, *shape)), specs(y=("FP32", shape[0])), input_steps=(step,))
    return build(made, Path())


def pixels(data: Any, shape: tuple[int, ...] = (-1, -1, -1, 3), **parameters: Any) -> np.ndarray:
    encoded = pipeline(shape, **parameters).encode(data)
    assert isinstance(encoded, Encoded)
    tensor = encoded.tensors["pixels"]
    dtype = {"UINT8": "u1", "FP32": "f4", "INT32": "i4", "FP16": "f2", "FP64": "f8", "INT64": "i8"}
    return np.frombuffer(tensor.buffer, dtype[tensor.datatype.name]).reshape(tensor.shape)


@pytest.mark.parametrize(
    ("form", "options"),
    [("PNG", {}), ("WEBP", {"lossless": True}), ("BMP", {}), ("TIFF", {"compression": "tiff_lzw"})],
)
def test_decodes_losslessly(form, options):
    np.testing.assert_array_equal(pixels(save(PHOTO, form, **options)), PHOTO)


@pytest.mark.parametrize("form", ["JPEG", "GIF", "AVIF"])
def test_decodes_as_pillow_does(form):
    data = save(PHOTO, form)
    np.testing.assert_array_equal(pixels(data), np.asarray(Image.open(BytesIO(data)).convert("RGB")))


def test_takes_base64_in_json():
    np.testing.assert_array_equal(pixels({"b64": base64.b64encode(save(PHOTO)).decode()}), PHOTO)
    assert pipeline().media_types == ("image/*", "application/octet-stream", "application/json")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turns_the_picture_upright(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = save(PHOTO, "PNG", exif=exif)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(BytesIO(data))))
    np.testing.assert_array_equal(pixels(data), upright)
    by_hand = {1: PHOTO, 3: PHOTO[::-1, ::-1], 6: np.rot90(PHOTO, -1), 8: np.rot90(PHOTO)}
    if orientation in by_hand:
        np.testing.assert_array_equal(pixels(data), by_hand[orientation])


@pytest.mark.parametrize("case", TRANSFORMED, ids=lambda case: "-".join(map(str, case["size"])))
def test_gives_what_torchvision_and_tensorflow_give(case):
    width, height = case["size"]
    y, x, channel = np.mgrid[:height, :width, :3]
    picture = ((x * 7 + y * 13 + channel * 50 + x * y % 31 * 5) % 256).astype(np.uint8)
    made = pixels(save(picture), **case["parameters"])
    expected = np.frombuffer(base64.b64decode(case["pixels"]), np.uint8).reshape(made.shape)
    np.testing.assert_array_equal(made, expected)


class TestSeveralInputs:
    def test_the_other_fields_are_the_other_inputs(self):
        inputs = specs(pixels=("UINT8", -1, 40, 60, 3), scale=("FP32", -1, 1))
        step = Step("image", {"input": "pixels", "field": "photo"})
        made = build(manifest(inputs, specs(y=("FP32", -1)), input_steps=(step,)), Path())
        encoded = made.encode({"photo": save(PHOTO), "scale": 0.5})
        assert isinstance(encoded, Encoded)
        assert encoded.tensors["pixels"].shape == (40, 60, 3)
        assert list(encoded.tensors["scale"].values()) == [0.5]
        with pytest.raises(ClientError, match="'scale' is missing"):
            made.encode(save(PHOTO))

    def test_two_steps_feed_two_inputs(self):
        inputs = specs(left=("UINT8", -1, 4, 4, 3), right=("UINT8", -1, 8, 8, 3))
        steps = (Step("image", {"input": name, "field": name}) for name in ("left", "right"))
        made = build(manifest(inputs, specs(y=("FP32", -1)), input_steps=tuple(steps)), Path())
        encoded = made.encode({"left": save(PHOTO), "right": {"b64": base64.b64encode(save(PHOTO)).decode()}})
        assert isinstance(encoded, Encoded)
        assert [tensor.shape for tensor in encoded.tensors.values()] == [(4, 4, 3), (8, 8, 3)]


class TestMode:
    def test_follows_the_graphs_last_axis(self):
        data = save(PHOTO)
        assert pixels(data, (-1, -1, -1, 1)).shape == (40, 60, 1)
        assert pixels(data, (-1, -1, -1, 4)).shape == (40, 60, 4)
        assert pixels(data, (-1, -1, -1)).shape == (40, 60)
        assert pixels(data, (-1, -1, -1, -1), mode="L").shape == (40, 60, 1)

    def test_grey_is_the_luma_of_itu_601(self):
        # Source: https://pillow.readthedocs.io/en/stable/reference/Image.html#PIL.Image.Image.convert
        luma = PHOTO @ np.array([0.299, 0.587, 0.114])
        assert np.abs(pixels(save(PHOTO), (-1, -1, -1)) - luma).max() <= 1

    def test_keeps_the_high_byte_of_16_bits(self):
        deep = np.array([[0, 255, 256, 40_000, 65_535]], np.uint16)
        assert pixels(save(deep), (-1, -1, -1)).tolist() == [[0, 0, 1, 156, 255]]

    def test_a_palette_and_two_colours_become_grey(self):
        image = Image.fromarray(PHOTO).convert("L").point(lambda level: 255 * (level > 99), "1")
        expected = np.asarray(image).astype(np.uint8) * 255
        np.testing.assert_array_equal(pixels(save(image), (-1, -1, -1)), expected)
        np.testing.assert_array_equal(pixels(save(image.convert("P")), (-1, -1, -1)), expected)

    def test_lays_transparent_pixels_over_the_background(self):
        clear = np.zeros((1, 3, 4), np.uint8)
        clear[0, 1] = (100, 100, 100, 128)
        clear[0, 2] = (9, 9, 9, 255)
        assert pixels(save(clear), (-1, -1, -1), background=255).tolist() == [[255, 177, 9]]
        assert pixels(save(clear), (-1, -1, -1)).tolist() == [[0, 100, 9]]
        assert pixels(save(clear), (-1, -1, -1, 4), background=255).tolist() == clear.tolist()


class TestSize:
    @pytest.mark.parametrize("name", ["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"])
    @pytest.mark.parametrize("size", [(17, 9), (90, 80)])
    def test_each_filter_is_pillows(self, name, size):
        expected = Image.fromarray(PHOTO).resize(size, Image.Resampling[name.upper()])
        np.testing.assert_array_equal(
            pixels(save(PHOTO), width=size[0], height=size[1], filter=name), np.asarray(expected)
        )

    def test_box_is_the_mean_of_whole_blocks(self):
        blocks = PHOTO.reshape(10, 4, 15, 4, 3).mean(axis=(1, 3))
        made = pixels(save(PHOTO), width=15, height=10, filter="box")
        assert np.abs(made - blocks).max() <= 1  # Pillow rounds after each of its two passes

    def test_follows_the_graph(self):
        assert pixels(save(PHOTO), (-1, 9, 17, 3)).shape == (9, 17, 3)
        assert pixels(save(PHOTO), (1, 9, 17, 3)).shape == (1, 9, 17, 3)  # a batch of one, fixed
        assert pixels(save(PHOTO), (-1, 9, 17)).shape == (9, 17)

    def test_a_flat_input_takes_rows_one_after_the_other(self):
        made = pixels(save(PHOTO), (-1, 48), width=4, height=4)
        np.testing.assert_array_equal(made.reshape(4, 4, 3), pixels(save(PHOTO), (-1, 4, 4, 3)))

    def test_letterbox_keeps_the_aspect_and_pads(self):
        made = pixels(save(PHOTO), (-1, 30, 30, 3), fit="letterbox", fill=7)
        np.testing.assert_array_equal(made[5:25], pixels(save(PHOTO), (-1, 20, 30, 3)))
        assert (made[:5] == 7).all()
        assert (made[25:] == 7).all()

    def test_crop_keeps_the_aspect_and_the_middle(self):
        made = pixels(save(PHOTO), (-1, 40, 40, 3), fit="crop")
        np.testing.assert_array_equal(made, PHOTO[:, 10:50])

    def test_a_part_is_cut_out_first(self):
        np.testing.assert_array_equal(pixels(save(PHOTO), crop=[10, 5, 50, 30]), PHOTO[5:30, 10:50])

    def test_center_pads_with_the_fill(self):
        made = pixels(save(PHOTO), (-1, 44, 20, 3), fit="center", fill=7)
        np.testing.assert_array_equal(made[2:42], PHOTO[:, 20:40])
        assert (made[[0, 1, 42, 43]] == 7).all()

    @pytest.mark.parametrize(
        ("datatype", "dtype"),
        [("FP32", "f4"), ("INT32", "i4"), ("FP16", "f2"), ("FP64", "f8"), ("INT64", "i8")],
    )
    def test_takes_the_graphs_datatype(self, datatype, dtype):
        made = pixels(save(PHOTO), (-1, 40, 60, 3), datatype=datatype)
        assert made.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(made, PHOTO.astype(dtype))


class TestDrawings:
    """Light strokes on dark, as most digits and glyphs are trained."""

    STROKE = np.zeros((20, 30), np.uint8)
    STROKE[4:10, 12:20] = 200
    STROKE[3, 11] = 20  # fainter than a quarter: noise

    def test_trim_cuts_to_what_is_drawn(self):
        assert pixels(save(self.STROKE), (-1, -1, -1), trim=True).tolist() == [[200] * 8] * 6

    def test_trim_leaves_an_empty_picture(self):
        assert pixels(save(np.full((5, 4), 9, np.uint8)), (-1, -1, -1), trim=True).shape == (5, 4)

    @pytest.mark.parametrize("drawn", [STROKE, 255 - STROKE])
    def test_auto_inverts_only_dark_on_light(self, drawn):
        np.testing.assert_array_equal(pixels(save(drawn), (-1, -1, -1), invert="auto"), self.STROKE)

    def test_invert_makes_a_negative(self):
        np.testing.assert_array_equal(pixels(save(PHOTO), invert=True), 255 - PHOTO)

    def test_autocontrast_uses_the_whole_range(self):
        made = pixels(save((self.STROKE // 2 + 50).astype(np.uint8)), (-1, -1, -1), autocontrast=True)
        assert (made.min(), made.max()) == (0, 255)


class TestRefuses:
    @pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "AVIF"])
    def test_what_is_cut_off(self, form):
        data = save(PHOTO, form)
        for length in (len(data) // 2, len(data) // 8):
            with pytest.raises(InvalidRequest):
                pixels(data[:length])

    @pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
    def test_what_is_no_picture(self, data):
        with pytest.raises(InvalidRequest, match="image"):
            pixels(data)

    @pytest.mark.parametrize("value", ["text", 3, None, ["list"], {"image": 1}, {"image": {"a": 1}}])
    def test_what_is_no_bytes(self, value):
        with pytest.raises(InvalidRequest, match="bytes of a picture"):
            pixels(value)

    def test_a_record_without_it(self):
        with pytest.raises(InvalidRequest, match="expected the field 'image', got a"):
            pixels({"a": 1})

    def test_a_part_that_is_not_there(self):
        with pytest.raises(InvalidRequest, match="60x40 pixels, and 61x40 are cut from it"):
            pixels(save(PHOTO), crop=[0, 0, 61, 40])

    def test_a_bomb_made_by_resizing(self):
        with pytest.raises(
            InvalidRequest, match="at most 50000000 pixels, got 1x9000, which become 256x2304000"
        ):
            pixels(save(np.zeros((9_000, 1), np.uint8)), shorter=256)

    def test_a_bomb_before_it_is_decoded(self):
        def chunk(kind: bytes, content: bytes) -> bytes:
            body = kind + content
            return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

        header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
        bomb = (
            b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", header)
            + chunk(b"IDAT", zlib.compress(b""))
            + chunk(b"IEND", b"")
        )
        with pytest.raises(InvalidRequest, match="at most 50000000 pixels"):
            pixels(bomb)

    def test_one_pixel_too_many(self):
        assert pixels(save(PHOTO), max_pixels=2400).shape == (40, 60, 3)
        with pytest.raises(InvalidRequest, match="at most 2399 pixels"):
            pixels(save(PHOTO), max_pixels=2399)

    def test_a_frame_larger_than_its_screen(self):
        small = save(np.zeros((4, 4), np.uint8), "GIF")
        frame = small.index(b"\x2c", 13)
        large = small[: frame + 5] + struct.pack("<HH", 9_000, 9_000) + small[frame + 9 :]
        with pytest.raises(InvalidRequest):
            pixels(large)

    def test_pixels_without_a_known_range(self):
        with pytest.raises(InvalidRequest, match="32 bits"):
            pixels(save(Image.fromarray(np.ones((2, 2), np.float32)), "TIFF"))

    @pytest.mark.parametrize(
        ("shape", "changes", "text"),
        [
            ((-1, 8, 8, 3), {"width": 9, "height": 8}, "does not take RGB of 9x8"),
            ((-1, 8, 8, 3), {"mode": "L"}, "does not take L of 8x8"),
            ((-1, 64), {"width": 8, "height": 8}, "does not take RGB of 8x8"),
            ((-1, 64), {"mode": "L"}, "does not take L of as it comes"),
            ((-1, 3, 8, 8, 3), {}, "does not take"),
            ((-1, 3, 8, 8), {}, "channels come first in it, so let the step pixels follow"),
            ((-1, 8, 8, 4), {"invert": True}, "expected mode L or RGB"),
            ((-1, 8, 8, 3), {"datatype": "BYTES"}, "expected numbers, got BYTES"),
        ],
    )
    def test_a_graph_it_does_not_fit(self, shape, changes, text):
        with pytest.raises(ArtifactError) as caught:
            pipeline(shape, **changes)
        assert str(caught.value).startswith("input.steps: step 'image': ")
        assert text in str(caught.value)

    def test_a_model_of_several_inputs_if_none_is_named(self):
        made = manifest(
            specs(a=("UINT8", -1), b=("UINT8", -1)), specs(y=("FP32", -1)), input_steps=(Step("image"),)
        )
        with pytest.raises(ArtifactError, match="input: expected the name of one of the model's inputs a, b"):
            build(made, Path())

    @pytest.mark.parametrize(
        ("changes", "text"),
        [
            ({"crop": 0.0}, "crop: expected more than 0 and at most 1, got 0.0"),
            ({"crop": 1.5}, "at most 1, got 1.5"),
            ({"crop": [5, 0, 5, 9]}, "left < right and upper < lower, got [5, 0, 5, 9]"),
            ({"crop": [-1, 0, 5, 9]}, "left < right"),
            ({"crop": [1, 2, 3]}, "a list [an integer, an integer, an integer, an integer]"),
            ({"shorter": 0}, "shorter: expected at least 1"),
        ],
    )
    def test_parameters_out_of_range(self, changes, text):
        with pytest.raises(ArtifactError) as caught:
            pipeline(**changes)
        assert text in str(caught.value)


SAMPLES = [save(PHOTO, form) for form in ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "AVIF")]


@given(st.sampled_from(SAMPLES), st.randoms(use_true_random=False))
def test_a_damaged_picture_is_the_clients_error_or_a_picture(data, dice: random.Random):
    damaged = bytearray(data)
    for _ in range(dice.randint(1, 8)):
        damaged[dice.randrange(len(damaged))] = dice.randrange(256)
    with warnings.catch_warnings():
        # Pillow warns of odd metadata that it could do without; the picture still counts.
        warnings.simplefilter("ignore")
        try:
            assert pixels(bytes(damaged), (-1, 8, 8, 3), max_pixels=100_000).shape == (8, 8, 3)
        except ClientError:
            return
