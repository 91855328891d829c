import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from support.manifests import manifest, specs

from modelet_runtime.errors import ClientError
from modelet_runtime.manifest import Signature
from modelet_runtime.protocols import json_codec, tensorflow_serving
from modelet_runtime.tensor import DATATYPES, Tensor

ONE = specs(x=("FP32", -1, 2))
TWO = specs(a=("FP32", -1), b=("BYTES", -1))
FP32, BYTES = DATATYPES["FP32"], DATATYPES["BYTES"]
NUMPY = {"BOOL": "?", "UINT8": "B", "INT64": "<i8", "UINT64": "<u8", "FP32": "<f4", "FP64": "<f8"}


def parse(document, inputs=ONE):
    return tensorflow_serving.parse(document, Signature(inputs, ()))


def tensor(name, values, *shape, datatype=FP32):
    return Tensor.from_values(name, datatype, shape or (len(values),), values)


class TestRows:
    def test_one_input_takes_bare_values(self):
        assert parse({"instances": [[1, 2], [3, 4]]}) == ([tensor("x", [1, 2, 3, 4], 2, 2)], 2)

    def test_one_input_takes_named_values_as_well(self):
        assert parse({"instances": [{"x": [1, 2]}]}) == ([tensor("x", [1, 2], 1, 2)], 1)

    def test_several_inputs_take_named_values(self):
        inputs, rows = parse({"instances": [{"b": "u", "a": 1}, {"a": 2, "b": "v"}]}, TWO)
        assert inputs == [tensor("a", [1, 2]), tensor("b", ["u", "v"], datatype=BYTES)]
        assert rows == 2

    def test_scalars_are_rows(self):
        assert parse({"instances": [1, 2, 3]}, specs(x=("INT64", -1)))[0][0].shape == (3,)

    def test_base64_stands_where_a_string_may(self):
        inputs, _ = parse({"instances": [{"b64": "/wA="}, "text"]}, specs(x=("BYTES", -1)))
        assert inputs[0].elements == (b"\xff\x00", b"text")

    @pytest.mark.parametrize(
        ("instances", "inputs", "text"),
        [
            ({}, ONE, "Expecting 'instances' to be a list/array"),
            ([], ONE, "No values in 'instances' array"),
            ([[1, 2], [3]], ONE, "'x'"),
            ([[1, 2], 3], ONE, "'x'"),
            ([["1", 2]], ONE, "expected datatype FP32, got a string at index 0"),
            ([{"x": [1, 2]}, [1, 2]], ONE, "Expecting object but got a list at item 1"),
            ([[1, 2]], TWO, "multiple input tensors required"),
            ([{"a": 1}], TWO, "input 'b' is missing"),
            ([{"a": 1, "b": "u", "c": 1}], TWO, "unknown input 'c'"),
            ([{"b64": "!"}], specs(x=("BYTES", -1)), "base64"),
            ([{"b64": "YQ"}], specs(x=("BYTES", -1)), "base64"),
            ([{"b64": "é"}], specs(x=("BYTES", -1)), "base64"),
            ([1], specs(x=("BYTES", -1)), "a string"),
            (["a", {"text": "b"}], specs(x=("BYTES", -1)), "a string"),
            ([{"b64": "YQ=="}], ONE, "an object at index 0"),
            ([[1, 2]], specs(x=("FP16", -1, 2)), "binary form"),
        ],
    )
    def test_malformed(self, instances, inputs, text):
        with pytest.raises(ClientError) as caught:
            parse({"instances": instances}, inputs)
        assert text in str(caught.value)
        assert caught.value.status == 400


class TestColumns:
    def test_one_input_takes_the_bare_tensor(self):
        assert parse({"inputs": [[1, 2]]}) == ([tensor("x", [1, 2], 1, 2)], None)

    def test_named_tensors(self):
        inputs, rows = parse({"inputs": {"b": ["u"], "a": [1]}}, TWO)
        assert inputs == [tensor("a", [1]), tensor("b", ["u"], datatype=BYTES)]
        assert rows is None

    def test_a_scalar_and_base64(self):
        assert parse({"inputs": {"b64": "YQ=="}}, specs(x=("BYTES",)))[0][0].elements == (b"a",)
        assert parse({"inputs": 5}, specs(x=("INT32",)))[0][0].shape == ()

    @pytest.mark.parametrize(
        ("columns", "text"),
        [([1], "multiple input tensors"), ({"a": [1]}, "input 'b' is missing"), ({"c": 1}, "unknown input")],
    )
    def test_malformed(self, columns, text):
        with pytest.raises(ClientError, match=text):
            parse({"inputs": columns}, TWO)


class TestDocument:
    def test_the_signatures_name_is_optional(self):
        for name in ("", "serving_default"):
            assert parse({"signature_name": name, "instances": [[1, 2]]})[1] == 1

    @pytest.mark.parametrize(
        ("document", "text"),
        [
            ({}, "Missing 'inputs' or 'instances' key"),
            ({"instances": [[1, 2]], "inputs": [[1, 2]]}, "only one of 'inputs' or 'instances'"),
            ({"instances": [[1, 2]], "signature_name": 100}, "'signature_name' key must be a string value."),
            (
                {"instances": [[1, 2]], "signature_name": "other"},
                'Serving signature name: "other" not found in signature def',
            ),
        ],
    )
    def test_malformed(self, document, text):
        with pytest.raises(ClientError) as caught:
            parse(document)
        assert text in str(caught.value)


class TestRender:
    def test_rows_of_one_output_are_bare(self):
        answer = tensorflow_serving.render([tensor("y", [1, 2, 3, 4], 2, 2)], 2)
        assert answer == {"predictions": [[1, 2], [3, 4]]}

    def test_rows_of_several_outputs_are_named(self):
        answer = tensorflow_serving.render([tensor("y", [1, 2], 2), tensor("z", [3, 4], 2, 1)], 2)
        assert answer == {"predictions": [{"y": 1, "z": [3]}, {"y": 2, "z": [4]}]}

    def test_columns_come_back_as_columns(self):
        y, z = tensor("y", [1, 2], 2), tensor("z", [3], 1)
        assert tensorflow_serving.render([y], None) == {"outputs": [1, 2]}
        assert tensorflow_serving.render([y, z], None) == {"outputs": {"y": [1, 2], "z": [3]}}

    def test_outputs_named_bytes_come_back_in_base64(self):
        raw = tensor("raw_bytes", [b"\xff", b""], datatype=BYTES)
        text = tensor("text", ["é", ""], datatype=BYTES)
        assert tensorflow_serving.render([raw], 2) == {"predictions": [{"b64": "/w=="}, {"b64": ""}]}
        assert tensorflow_serving.render([text], 2) == {"predictions": ["é", ""]}

    def test_an_output_without_rows_needs_columns(self):
        with pytest.raises(ClientError, match="output 'y': expected the column form"):
            tensorflow_serving.render([tensor("y", [1, 2, 3])], 2)
        with pytest.raises(ClientError, match="column form"):
            tensorflow_serving.render([Tensor.from_values("y", FP32, (), [1])], 1)

    def test_numbers_that_are_not_finite_are_null_and_counted(self):
        answer = tensorflow_serving.render([tensor("y", [1, float("inf"), float("nan")])], 3)
        assert json.loads(json_codec.dumps(answer)) == {
            "predictions": [1, None, None],
            "parameters": {"non_finite": 2},
        }


class TestRoundTrip:
    @pytest.mark.parametrize("datatype", NUMPY)
    @pytest.mark.parametrize("form", ["rows", "columns"])
    @given(data=st.data())
    def test_what_goes_in_comes_out(self, datatype, form, data):
        elements = {"allow_nan": False, "allow_infinity": False} if datatype.startswith("FP") else None
        array = data.draw(npst.arrays(NUMPY[datatype], npst.array_shapes(max_dims=3), elements=elements))
        document = {"instances" if form == "rows" else "inputs": array.tolist()}
        inputs, rows = parse(
            json_codec.loads(json.dumps(document).encode()), specs(x=(datatype, *array.shape))
        )
        answer = json.loads(json_codec.dumps(tensorflow_serving.render(inputs, rows)))
        values = answer["predictions" if form == "rows" else "outputs"]
        np.testing.assert_array_equal(np.array(values, array.dtype), array)


class TestDescriptions:
    MODEL = manifest(
        specs(x=("FP32", -1, 2), s=("BYTES",)), specs(y=("INT64", -1)), name="demo_model", version=3
    )

    def test_status(self):
        assert tensorflow_serving.status(self.MODEL) == {
            "model_version_status": [
                {
                    "version": "3",
                    "state": "AVAILABLE",
                    "status": {"error_code": "OK", "error_message": ""},
                }
            ]
        }

    def test_metadata(self):
        answer = tensorflow_serving.metadata(self.MODEL)
        assert answer["model_spec"] == {"name": "demo_model", "signature_name": "", "version": "3"}
        definition = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]
        assert definition["method_name"] == "tensorflow/serving/predict"
        assert definition["inputs"]["x"] == {
            "dtype": "DT_FLOAT",
            "tensor_shape": {
                "dim": [{"size": "-1", "name": ""}, {"size": "2", "name": ""}],
                "unknown_rank": False,
            },
            "name": "x:0",
        }
        assert definition["inputs"]["s"]["tensor_shape"] == {"dim": [], "unknown_rank": False}
        assert definition["outputs"]["y"]["dtype"] == "DT_INT64"

    @pytest.mark.parametrize("datatype", DATATYPES)
    def test_every_datatype_has_a_name(self, datatype):
        model = manifest(specs(x=(datatype,)), specs(y=(datatype,)))
        definition = tensorflow_serving.metadata(model)["metadata"]["signature_def"]["signature_def"]
        assert definition["serving_default"]["inputs"]["x"]["dtype"].startswith("DT_")
