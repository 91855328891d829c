"""Each graph step against the library or the formula that people know it from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import TensorProto, helper
from scipy import special
from sklearn.preprocessing import normalize
from support.grafts import graft
from support.graphs import identity, model, value

from modelet.errors import RecipeRefused

FLOAT, HALF, DOUBLE, INT64 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.INT64
FLOATS = hnp.from_dtype(np.dtype("<f4"), min_value=-50, max_value=50, allow_subnormal=False)
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def rows(width, floats=FLOATS, least=1):
    return st.integers(least, 4).flatmap(
        lambda count: hnp.arrays(np.float32, (count, width), elements=floats)
    )


def pictures(height, width, channels):
    return st.integers(1, 3).flatmap(lambda count: hnp.arrays(np.uint8, (count, height, width, channels)))


class TestPixels:
    @given(pixels=pictures(4, 5, 3))
    def test_channels_first_as_torchvision_reads_a_picture(self, pixels):
        """`ToTensor` and `Normalize`: https://docs.pytorch.org/vision/stable/transforms.html"""
        before = [
            {"name": "pixels"},
            {"name": "scale", "divisor": 255},
            {"name": "normalise", "mean": MEAN, "std": STD},
        ]
        grafted = graft(identity(FLOAT, ("batch", 3, 4, 5)), before)
        assert grafted.signature == {"x": "UINT8[batch,4,5,3]", "y": "FLOAT[batch,3,4,5]"}
        answer = grafted.agreed(x=pixels)["y"]
        for row, picture in zip(answer, pixels, strict=True):
            for channel in range(3):
                expected = (picture[:, :, channel] / 255 - MEAN[channel]) / STD[channel]
                np.testing.assert_allclose(row[channel], expected, rtol=1e-4, atol=1e-5)

    @given(pixels=pictures(3, 4, 3))
    def test_channels_last_as_keras_has_them(self, pixels):
        """MobileNet's `preprocess_input`: x / 127.5 - 1."""
        before = [{"name": "pixels"}, {"name": "scale", "divisor": 127.5, "offset": -1}]
        grafted = graft(identity(FLOAT, ("n", "h", 4, 3)), before)
        assert grafted.signature["x"] == "UINT8[n,h,4,3]"
        np.testing.assert_allclose(grafted.agreed(x=pixels)["y"], pixels / 127.5 - 1, rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("shape", [("n", 3, 5, 6), ("n", 5, 6, 3)])
    def test_blue_first(self, shape):
        """Caffe's order with its means: https://keras.io/api/applications/resnet/"""
        before = [
            {"name": "pixels", "channels": "BGR"},
            {"name": "normalise", "mean": MEAN, "std": [1, 1, 1]},
        ]
        pixels = np.arange(2 * 5 * 6 * 3, dtype=np.uint8).reshape(2, 5, 6, 3)
        answer = graft(identity(FLOAT, shape), before).agreed(x=pixels)["y"]
        blue, mean_of_blue = pixels[:, :, :, 2], MEAN[0]
        actual = answer[:, 0] if shape[1] == 3 else answer[..., 0]
        np.testing.assert_allclose(actual, blue - mean_of_blue, rtol=1e-6)

    @pytest.mark.parametrize(
        ("shape", "outer"),
        [
            (("n", 64), "[n,64]"),
            (("n", 28, 28), "[n,28,28]"),
            (("n", 1, 28, 30), "[n,28,30,1]"),
            (("n", 28, 30, 1), "[n,28,30,1]"),
            ((1, 3, 224, 224), "[1,224,224,3]"),
            ((3, 8, 9), "[8,9,3]"),
            (("n", 3, "h", "w"), "[n,h,w,3]"),
        ],
    )
    def test_shapes(self, shape, outer):
        assert graft(identity(FLOAT, shape), [{"name": "pixels"}]).signature["x"] == f"UINT8{outer}"

    @pytest.mark.parametrize("onnx_type", [HALF, DOUBLE, TensorProto.INT32, TensorProto.UINT8])
    def test_datatypes(self, onnx_type):
        grafted = graft(identity(onnx_type, ("n", 3, 2, 2)), [{"name": "pixels"}])
        pixels = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
        assert grafted.agreed(x=pixels)["y"].ravel().tolist() == [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]

    def test_an_unknown_layout_is_refused(self):
        message = r'input \'x\': FP32\[\?,\?,\?,\?\] may be "CHW" or "HWC": say which with layout'
        with pytest.raises(RecipeRefused, match=message):
            graft(identity(FLOAT, ("n", "c", "h", "w")), [{"name": "pixels"}])

    def test_an_unclear_layout_is_refused(self):
        proto = identity(FLOAT, ("n", 3, 8, 3))
        with pytest.raises(
            RecipeRefused, match=r'input \'x\': FP32\[\?,3,8,3\] may be "CHW" or "HWC": .* layout'
        ):
            graft(proto, [{"name": "pixels"}])
        grafted = graft(proto, [{"name": "pixels", "layout": "CHW"}])
        assert grafted.signature["x"] == "UINT8[n,8,3,3]"

    @pytest.mark.parametrize(
        ("onnx_type", "shape", "parameters", "message"),
        [
            (
                TensorProto.STRING,
                ("n", 3),
                {},
                r"expected one input of numbers, the model has x BYTES\[\?,3\]",
            ),
            (FLOAT, ("n", 64), {"layout": "CHW"}, r"layout: expected the axes CHW, got FP32\[\?,64\]"),
            (FLOAT, ("n", 1, 8, 8), {"channels": "BGR"}, r"expected 3 channels, got FP32\[\?,1,8,8\]"),
            (FLOAT, ("n", 8), {"input": "z"}, r"input: there is no input 'z', the model has x FP32\[\?,8\]"),
        ],
    )
    def test_misfits(self, onnx_type, shape, parameters, message):
        with pytest.raises(RecipeRefused, match=rf"model.toml: input.steps\[0\]: step 'pixels': .*{message}"):
            graft(identity(onnx_type, shape), [{"name": "pixels", **parameters}])


class TestScale:
    @given(x=rows(3))
    def test_in_front_and_behind_undo_each_other(self, x):
        before = [{"name": "scale", "factor": 2, "divisor": 3, "offset": 1}]
        after = [{"name": "scale", "factor": 3, "divisor": 2, "offset": -1.5}]
        np.testing.assert_allclose(graft(identity(), before, after).agreed(x=x)["y"], x, rtol=1e-4, atol=1e-4)

    def test_a_number_per_column(self):
        """A regression's targets in their own units."""
        after = [{"name": "scale", "factor": [1, 10, 100], "offset": [0, 5, 50]}]
        answer = graft(identity(FLOAT, ("n", 3)), after=after).agreed(x=np.ones((2, 3), np.float32))
        assert answer["y"].tolist() == [[1, 15, 150]] * 2

    def test_nothing_to_do_adds_no_node(self):
        grafted = graft(identity(), [{"name": "scale"}])
        assert [node.op_type for node in grafted.model.graph.node] == ["Identity"]

    def test_channels_last_are_repeated_for_a_row(self):
        """Three numbers at a time are slow to broadcast."""
        before = [{"name": "normalise", "mean": MEAN, "std": STD}]
        grafted = graft(identity(FLOAT, ("n", "h", 7, 3)), before)
        assert {tuple(constant.dims) for constant in grafted.model.graph.initializer} == {(1, 1, 7, 3)}
        x = np.random.default_rng(0).random((2, 5, 7, 3), np.float32)
        np.testing.assert_allclose(grafted.agreed(x=x)["y"], (x - MEAN) / STD, rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize(
        ("name", "parameters", "message"),
        [
            ("scale", {"divisor": 0}, "divisor: expected other numbers than 0"),
            ("scale", {"factor": [1, 2], "offset": [1]}, "got 2 of factor, 1 of offset"),
            ("normalise", {"mean": [0.5], "std": [0]}, "std: expected numbers above 0"),
            ("normalise", {"mean": [0.5]}, "missing parameter 'std': expected a list of numbers"),
            ("normalise", {"mean": [], "std": []}, "expected one number per channel in each"),
        ],
    )
    def test_wrong_parameters(self, name, parameters, message):
        with pytest.raises(Exception, match=rf"input.steps\[0\]: step '{name}': .*{message}"):
            graft(identity(), [{"name": name, **parameters}])

    @pytest.mark.parametrize(
        ("shape", "axis", "message"),
        [
            (("n", 4), None, r"expected one axis of 3 channels, got FP32\[\?,4\]: say which with axis"),
            (("n", 3, 3), None, r"expected one axis of 3 channels"),
            (("n", 4), 1, r"axis: expected an axis of 3 channels, got 1 of FP32\[\?,4\]"),
            (("n", 3), 2, r"axis: expected an axis of 3 channels, got 2 of FP32\[\?,3\]"),
        ],
    )
    def test_channels_that_are_not_there(self, shape, axis, message):
        step = {"name": "normalise", "mean": MEAN, "std": STD} | ({} if axis is None else {"axis": axis})
        with pytest.raises(RecipeRefused, match=message):
            graft(identity(FLOAT, shape), [step])

    def test_a_variable_axis_can_be_named(self):
        step = {"name": "normalise", "mean": MEAN, "std": STD, "axis": -1}
        grafted = graft(identity(FLOAT, ("n", "c")), [step])
        x = np.ones((2, 3), np.float32)
        np.testing.assert_allclose(grafted.agreed(x=x)["y"], (x - MEAN) / STD, rtol=1e-5)


class TestOneHot:
    @given(number=hnp.arrays(np.int64, st.integers(1, 5), elements=st.integers(-3, 8)))
    def test_a_row_of_the_identity_matrix(self, number):
        grafted = graft(identity(FLOAT, ("n", 5)), [{"name": "one_hot", "rename": "word"}])
        assert grafted.signature["word"] == "INT64[n]"
        is_class = (number >= 0) & (number < 5)
        expected = np.eye(5)[np.clip(number, 0, 4)] * is_class[:, None]
        assert grafted.agreed(word=number)["y"].tolist() == expected.tolist()

    def test_a_sequence(self):
        grafted = graft(identity(HALF, ("n", "s", 4)), [{"name": "one_hot"}])
        assert grafted.signature["x"] == "INT64[n,s]"
        assert grafted.agreed(x=np.array([[0, 3]]))["y"].tolist() == [[[1, 0, 0, 0], [0, 0, 0, 1]]]

    def test_an_unknown_number_of_classes_is_refused(self):
        with pytest.raises(RecipeRefused, match=r"vectors of known length, the model has x FP32\[\?,\?\]"):
            graft(identity(FLOAT, ("n", "k")), [{"name": "one_hot"}])


class TestProbabilities:
    @given(x=rows(4))
    def test_softmax(self, x):
        answer = graft(identity(FLOAT, ("n", 4)), after=[{"name": "softmax"}]).agreed(x=x)["y"]
        np.testing.assert_allclose(
            answer, special.softmax(x.astype(np.float64), axis=-1), rtol=1e-4, atol=1e-6
        )

    def test_softmax_over_another_axis(self):
        x = np.random.default_rng(0).random((2, 3, 4), np.float32)
        answer = graft(identity(FLOAT, ("n", 3, "m")), after=[{"name": "softmax", "axis": 1}]).agreed(x=x)[
            "y"
        ]
        np.testing.assert_allclose(answer, special.softmax(x, axis=1), rtol=1e-5)

    @given(x=rows(2))
    def test_sigmoid(self, x):
        answer = graft(identity(FLOAT, ("n", 2)), after=[{"name": "sigmoid"}]).agreed(x=x)["y"]
        np.testing.assert_allclose(answer, special.expit(x.astype(np.float64)), rtol=1e-4, atol=1e-6)

    @given(x=rows(3, floats=st.floats(0, 1, width=32) | st.just(np.float32(0.3)) | st.just(np.nan)))
    def test_threshold(self, x):
        answer = graft(identity(), after=[{"name": "threshold", "value": 0.3}]).agreed(x=x)["y"]
        assert answer.tolist() == [[score >= np.float32(0.3) for score in row] for row in x.tolist()]

    def test_a_bad_axis_is_refused(self):
        with pytest.raises(RecipeRefused, match=r"axis: expected an axis of FP32\[\?,3\], got 2"):
            graft(identity(), after=[{"name": "softmax", "axis": 2}])

    @pytest.mark.parametrize("name", ["softmax", "sigmoid", "threshold", "scale", "l2_normalise"])
    def test_other_than_floats_are_refused(self, name):
        with pytest.raises(RecipeRefused, match=r"the model has y INT64\[\?,3\]"):
            graft(identity(INT64), after=[{"name": name}])


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
@pytest.mark.parametrize(
    "step",
    [
        {"name": "softmax"},
        {"name": "sigmoid"},
        {"name": "threshold"},
        {"name": "scale", "divisor": [1, 2, 3]},
        {"name": "l2_normalise"},
        {"name": "top_k", "k": 2},
    ],
    ids=lambda step: step["name"],
)
def test_other_precisions(step, dtype):
    onnx_type = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    x = np.random.default_rng(0).normal(size=(4, 3)).astype(dtype)
    graft(identity(onnx_type), after=[step]).agreed(x=x, rtol=2e-3 if dtype == np.float16 else 1e-6)


class TestTopK:
    # Few different values, so that there are ties.
    @given(x=rows(6, floats=st.sampled_from([np.float32(n) / 4 for n in range(-3, 4)])))
    def test_as_a_sorted_list(self, x):
        answer = graft(identity(FLOAT, ("n", 6)), after=[{"name": "top_k", "k": 3}]).agreed(x=x)
        for row, scores, classes in zip(x, answer["scores"], answer["classes"], strict=True):
            expected = sorted(range(6), key=lambda index: (-row[index], index))[:3]
            assert classes.tolist() == expected
            assert scores.tolist() == [row[index] for index in expected]

    def test_names_shapes_and_what_stays(self):
        after = [{"name": "top_k", "k": 2, "scores": "best", "classes": "numbers", "keep": True}]
        grafted = graft(identity(FLOAT, ("n", "s", 5)), after=after)
        assert grafted.signature == {
            "x": "FLOAT[n,s,5]",
            "y": "FLOAT[n,s,5]",
            "best": "FLOAT[n,s,2]",
            "numbers": "INT64[n,s,2]",
        }
        grafted.agreed(x=np.random.default_rng(0).random((2, 3, 5), np.float32))

    @pytest.mark.parametrize(
        ("shape", "parameters", "message"),
        [
            (
                ("n", 3),
                {"k": 4},
                r"expected one output of scores of at least 4 classes, the model has y FP32\[\?,3\]",
            ),
            (("n", 3), {"k": 0}, "k: expected at least 1, got 0"),
            (("n", 3), {"k": 1, "scores": "a", "classes": "a"}, "expected two names, got 'a' twice"),
            (("n", "k"), {"k": 1}, r"the model has y FP32\[\?,\?\]"),
        ],
    )
    def test_misfits(self, shape, parameters, message):
        with pytest.raises(Exception, match=rf"output.steps\[0\]: step 'top_k': .*{message}"):
            graft(identity(FLOAT, shape), after=[{"name": "top_k", **parameters}])


class TestClassNames:
    LABELS = ("Wanne", "浴室", "bath")

    @given(x=rows(3))
    def test_names_of_the_best(self, x):
        after = [{"name": "top_k", "k": 2}, {"name": "class_names"}]
        grafted = graft(identity(FLOAT, ("n", 3)), after=after, labels=self.LABELS)
        assert grafted.signature["classes"] == "STRING[n,2]"
        answer = grafted.agreed(x=x)
        for row, names in zip(x, answer["classes"], strict=True):
            assert [row[self.LABELS.index(name)] for name in names] == sorted(row, reverse=True)[:2]

    def test_yes_and_no(self):
        after = [{"name": "threshold"}, {"name": "class_names", "rename": "is_spam"}]
        grafted = graft(identity(FLOAT, ("n", 1)), after=after, labels=("ham", "spam"))
        answer = grafted.agreed(x=np.array([[0.2], [0.5]], np.float32))
        assert answer["is_spam"].tolist() == [["ham"], ["spam"]]

    def test_numbers_of_the_model_itself(self):
        """A number below 0 is no class; one above is an error, and not another name."""
        grafted = graft(identity(INT64, ("n",)), after=[{"name": "class_names"}], labels=self.LABELS)
        assert grafted.agreed(x=np.array([2, 0, -1, -5]))["y"].tolist() == ["bath", "Wanne", "", ""]
        with pytest.raises(Exception, match="out of data bounds"):
            grafted.answer(x=np.array([3]))

    def test_of_no_row_at_all(self):
        grafted = graft(identity(INT64, ("n",)), after=[{"name": "class_names"}], labels=self.LABELS)
        assert grafted.agreed(x=np.zeros(0, np.int64))["y"].shape == (0,)

    @pytest.mark.parametrize(
        ("onnx_type", "labels", "message"),
        [
            (
                FLOAT,
                LABELS,
                r"expected one output of class numbers or booleans, the model has y FP32\[\?,3\]",
            ),
            (INT64, (), r"the model has no labels: add labels to \[model\]"),
            (TensorProto.BOOL, LABELS, "the model has 2 classes and 3 labels"),
        ],
    )
    def test_misfits(self, onnx_type, labels, message):
        with pytest.raises(RecipeRefused, match=rf"output.steps\[0\]: step 'class_names': .*{message}"):
            graft(identity(onnx_type), after=[{"name": "class_names"}], labels=labels)

    def test_a_label_too_few(self):
        after = [{"name": "top_k", "k": 1}, {"name": "class_names"}]
        with pytest.raises(RecipeRefused, match=r"output.steps\[1\].*the model has 4 classes and 3 labels"):
            graft(identity(FLOAT, ("n", 4)), after=after, labels=self.LABELS)


def encoder(mask_type=INT64, vector_type=FLOAT):
    """`tokens = vectors`, with a mask beside it."""
    nodes = [helper.make_node("Identity", ["vectors"], ["tokens"])]
    vectors, mask = (
        value("vectors", vector_type, ("n", "s", 4)),
        value("attention_mask", mask_type, ("n", "s")),
    )
    return model(nodes, [vectors, mask], [value("tokens", vector_type, ("n", "s", 4))])


class TestVectors:
    @given(x=rows(4, floats=FLOATS | st.just(np.float32(0))))
    def test_l2_normalise(self, x):
        answer = graft(identity(FLOAT, ("n", 4)), after=[{"name": "l2_normalise"}]).agreed(x=x)["y"]
        np.testing.assert_allclose(answer, normalize(x.astype(np.float64)), rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("onnx_type", [HALF, DOUBLE])
    def test_a_vector_of_zeros_stays_one(self, onnx_type):
        x = np.zeros((2, 4), np.float16 if onnx_type == HALF else np.float64)
        assert (
            not graft(identity(onnx_type, ("n", 4)), after=[{"name": "l2_normalise"}]).agreed(x=x)["y"].any()
        )

    @given(
        vectors=hnp.arrays(np.float32, (3, 5, 4), elements=FLOATS),
        counts=st.lists(st.integers(0, 5), min_size=3, max_size=3),
    )
    def test_mean_pool_is_the_mean_of_the_tokens(self, vectors, counts):
        mask = np.array([[place < count for place in range(5)] for count in counts], np.int64)
        grafted = graft(encoder(), after=[{"name": "mean_pool", "rename": "embedding"}])
        assert grafted.signature["embedding"] == "FLOAT[n,4]"
        answer = grafted.agreed(vectors=vectors, attention_mask=mask, atol=1e-4)["embedding"]
        for row, count, mean in zip(vectors, counts, answer, strict=True):
            expected = row[:count].astype(np.float64).mean(axis=0) if count else np.zeros(4)
            np.testing.assert_allclose(mean, expected, rtol=1e-4, atol=1e-4)

    @pytest.mark.parametrize("mask_type", [TensorProto.INT32, TensorProto.BOOL, FLOAT])
    def test_masks_of_other_types(self, mask_type):
        mask = np.array([[1, 1, 0]]).astype(helper.tensor_dtype_to_np_dtype(mask_type))
        vectors = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
        answer = graft(encoder(mask_type), after=[{"name": "mean_pool"}]).agreed(
            vectors=vectors, attention_mask=mask
        )
        assert answer["tokens"].tolist() == [[2, 3, 4, 5]]

    def test_half_precision(self):
        mask, vectors = np.array([[0, 0], [1, 1]]), np.ones((2, 2, 4), np.float16)
        after = [{"name": "mean_pool"}, {"name": "l2_normalise"}]
        answer = graft(encoder(vector_type=HALF), after=after).agreed(vectors=vectors, attention_mask=mask)
        assert answer["tokens"].tolist() == [[0] * 4, [0.5] * 4]

    def test_misfits(self):
        with pytest.raises(
            RecipeRefused, match=r"mask: there is no input 'mask', the model has vectors, attention"
        ):
            graft(encoder(), after=[{"name": "mean_pool", "mask": "mask"}])
        with pytest.raises(RecipeRefused, match=r"mask: input 'vectors': expected .*, got FP32\[\?,\?,4\]"):
            graft(encoder(), after=[{"name": "mean_pool", "mask": "vectors"}])
        with pytest.raises(
            RecipeRefused, match=r"vectors per token \(3 axes\), the model has y FP32\[\?,3\]"
        ):
            graft(identity(), after=[{"name": "mean_pool"}])
