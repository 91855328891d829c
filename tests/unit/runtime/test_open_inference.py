import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from support.manifests import manifest, specs

from modelet_runtime.errors import (
    ClientError,
    DatatypeMismatch,
    InvalidRequest,
    LengthMismatch,
    UnsupportedExtension,
)
from modelet_runtime.protocols import open_inference
from modelet_runtime.protocols.open_inference import InferRequest, WantedOutput
from modelet_runtime.tensor import DATATYPES, Tensor

MODEL = manifest(specs(x=("FP32", -1, 2)), specs(y=("FP32", -1, 2), z=("INT64", -1)), version=3)
X = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}
NUMPY = {
    "BOOL": "?",
    "UINT8": "B",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "b",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
    "BF16": "<u2",
}


def parse(document, tail=None):
    header = json.dumps(document).encode()
    if tail is None:
        return open_inference.parse(header, None, MODEL.signature)
    return open_inference.parse(header + tail, len(header), MODEL.signature)


def outputs(y=(1.0, 2.0), z=(7,)):
    return [
        Tensor.from_values("y", DATATYPES["FP32"], (1, 2), y),
        Tensor.from_values("z", DATATYPES["INT64"], (1,), z),
    ]


def render(*wanted, tensors=None, id=None):
    request = InferRequest([], list(wanted), id)
    body, length = open_inference.render(MODEL, request, tensors or outputs())
    return json.loads(body[:length]), body[length or len(body) :], length


class TestParse:
    @pytest.mark.parametrize("data", [[1, 2], [[1, 2]], [1.0, 2.0]])
    def test_flat_and_nested_data(self, data):
        request = parse({"inputs": [{**X, "data": data}]})
        assert request.inputs == [Tensor.from_values("x", DATATYPES["FP32"], (1, 2), [1.0, 2.0])]

    def test_no_outputs_means_all_in_json(self):
        expected = [WantedOutput("y", False), WantedOutput("z", False)]
        assert parse({"inputs": [X]}).outputs == expected
        assert parse({"inputs": [X], "outputs": []}).outputs == expected

    def test_outputs_are_answered_in_the_order_asked_for(self):
        request = parse({"inputs": [X], "outputs": [{"name": "z"}, {"name": "y"}]})
        assert [output.name for output in request.outputs] == ["z", "y"]

    @pytest.mark.parametrize("by_default", [False, True])
    @pytest.mark.parametrize("own", [None, False, True])
    def test_an_outputs_own_form_wins_over_that_of_all(self, by_default, own):
        output = {"name": "y"} if own is None else {"name": "y", "parameters": {"binary_data": own}}
        request = parse(
            {"inputs": [X], "outputs": [output], "parameters": {"binary_data_output": by_default}}
        )
        assert request.outputs[0].binary is (by_default if own is None else own)

    def test_binary_output_of_all_outputs(self):
        request = parse({"inputs": [X], "parameters": {"binary_data_output": True}})
        assert all(output.binary for output in request.outputs)

    def test_the_id_is_kept_and_may_be_absent(self):
        assert parse({"inputs": [X], "id": "abc"}).id == "abc"
        assert parse({"inputs": [X], "id": ""}).id == ""
        assert parse({"inputs": [X]}).id is None

    def test_the_timeout_is_in_microseconds(self):
        assert parse({"inputs": [X], "parameters": {"timeout": 1_500_000}}).timeout_s == 1.5
        assert parse({"inputs": [X], "parameters": {"timeout": 0}}).timeout_s is None
        assert parse({"inputs": [X]}).timeout_s is None

    def test_priority_and_unknown_parameters_are_accepted(self):
        parameters = {"priority": 7, "headers_sent_by_somebody": "x"}
        request = parse({"inputs": [{**X, "parameters": {"content_type": "np"}}], "parameters": parameters})
        assert len(request.inputs) == 1

    @pytest.mark.parametrize("name", ["sequence_id", "sequence_start", "sequence_end"])
    def test_sequences_are_refused_never_ignored(self, name):
        with pytest.raises(UnsupportedExtension, match="sequences"):
            parse({"inputs": [X], "parameters": {name: 0}})

    def test_shared_memory_is_refused(self):
        parameters = {"shared_memory_region": "r", "shared_memory_byte_size": 8}
        without_data = {key: value for key, value in X.items() if key != "data"}
        with pytest.raises(UnsupportedExtension, match="shared memory"):
            parse({"inputs": [{**without_data, "parameters": parameters}]})
        with pytest.raises(UnsupportedExtension, match="shared memory"):
            parse({"inputs": [X], "outputs": [{"name": "y", "parameters": parameters}]})

    def test_classification_is_kept(self):
        output = {"name": "y", "parameters": {"classification": 3}}
        assert parse({"inputs": [X], "outputs": [output]}).outputs == [WantedOutput("y", False, 3)]

    @pytest.mark.parametrize(
        ("document", "text"),
        [
            ({}, "inputs: expected a list of objects, got null"),
            ({"inputs": {}}, "inputs: expected a list of objects, got an object"),
            ({"inputs": [1]}, "an integer in it"),
            ({"inputs": [{}]}, "input: name: expected a string, got null"),
            ({"inputs": [{**X, "name": 1}]}, "input: name"),
            ({"inputs": [{**X, "datatype": "FLOAT"}]}, "input 'x': datatype: expected one of BOOL"),
            ({"inputs": [{**X, "datatype": None}]}, "input 'x': datatype"),
            ({"inputs": [{**X, "shape": 2}]}, "input 'x': shape"),
            ({"inputs": [{**X, "shape": [1, -2]}]}, "none negative"),
            ({"inputs": [{**X, "shape": [1, 2.0]}]}, "input 'x': shape"),
            ({"inputs": [{**X, "shape": [True, 2]}]}, "input 'x': shape"),
            ({"inputs": [{**X, "parameters": []}]}, "input 'x': parameters: expected an object, got a list"),
            ({"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32"}]}, "data, or binary_data_size"),
            ({"inputs": [X], "parameters": 1}, "request: parameters"),
            ({"inputs": [X], "parameters": {"timeout": -1}}, "parameters.timeout"),
            ({"inputs": [X], "parameters": {"timeout": "1"}}, "parameters.timeout"),
            ({"inputs": [X], "parameters": {"binary_data_output": 1}}, "parameters.binary_data_output"),
            ({"inputs": [X], "id": 7}, "request: id"),
            ({"inputs": [X], "outputs": "y"}, "outputs"),
            ({"inputs": [X], "outputs": [{}]}, "output: name"),
            ({"inputs": [X], "outputs": [{"name": "y"}, {"name": "y"}]}, "each output once"),
            ({"inputs": [X], "outputs": [{"name": "y", "parameters": {"binary_data": 1}}]}, "binary_data"),
            (
                {"inputs": [X], "outputs": [{"name": "y", "parameters": {"classification": -1}}]},
                "parameters.classification",
            ),
            ({"inputs": [{**X, "parameters": {"binary_data_size": 8}}]}, "both"),
        ],
    )
    def test_a_malformed_request_names_the_field(self, document, text):
        with pytest.raises(InvalidRequest) as caught:
            parse(document)
        assert text in str(caught.value)

    def test_data_that_does_not_fit(self):
        with pytest.raises(LengthMismatch, match="2 elements"):
            parse({"inputs": [{**X, "data": [1, 2, 3]}]})
        with pytest.raises(DatatypeMismatch, match="'x'"):
            parse({"inputs": [{**X, "data": [1, "2"]}]})
        with pytest.raises(LengthMismatch):
            parse({"inputs": [{**X, "data": [[1], [1, 2]]}]})

    @pytest.mark.parametrize("datatype", ["FP16", "BF16"])
    def test_sixteen_bit_floats_are_refused_in_json(self, datatype):
        with pytest.raises(InvalidRequest, match="binary form"):
            parse({"inputs": [{**X, "datatype": datatype}]})

    def test_a_scalar(self):
        request = parse({"inputs": [{**X, "shape": [], "data": [1.5]}]})
        assert request.inputs[0].values().tolist() == [1.5]


class TestParseBinary:
    def test_slices_in_the_order_of_the_inputs_without_a_copy(self):
        header = json.dumps(
            {
                "inputs": [
                    {"name": "a", "shape": [2], "datatype": "INT16", "parameters": {"binary_data_size": 4}},
                    {"name": "b", "shape": [1], "datatype": "FP32", "data": [0.5]},
                    {"name": "c", "shape": [3], "datatype": "BOOL", "parameters": {"binary_data_size": 3}},
                ]
            }
        ).encode()
        body = header + b"\x01\x00\x02\x00" + b"\x01\x00\x01"
        a, b, c = open_inference.parse(body, len(header), MODEL.signature).inputs
        assert a.values().tolist() == [1, 2]
        assert b.values().tolist() == [0.5]
        assert c.values().tolist() == [True, False, True]
        assert a.buffer.obj is body
        assert c.buffer.obj is body

    def test_bytes_are_lengths_and_elements(self):
        tail = b"\x02\x00\x00\x00hi" + b"\x00\x00\x00\x00"
        item = {"name": "s", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": len(tail)}}
        assert parse({"inputs": [item]}, tail).inputs[0].elements == (b"hi", b"")

    @pytest.mark.parametrize("size", [-1, 9, 1 << 40, "8", 8.0, True, [8]])
    def test_a_size_that_is_no_length_of_what_is_left(self, size):
        item = {"name": "x", "shape": [1, 2], "datatype": "FP32", "parameters": {"binary_data_size": size}}
        with pytest.raises(InvalidRequest, match="binary_data_size"):
            parse({"inputs": [item]}, bytes(8))

    def test_a_size_that_does_not_fit_the_shape(self):
        item = {"name": "x", "shape": [1, 2], "datatype": "FP32", "parameters": {"binary_data_size": 4}}
        with pytest.raises(LengthMismatch, match="8 bytes"):
            parse({"inputs": [item]}, bytes(4))

    def test_leftover_bytes(self):
        item = {"name": "x", "shape": [1, 2], "datatype": "FP32", "parameters": {"binary_data_size": 8}}
        with pytest.raises(InvalidRequest, match="1 more"):
            parse({"inputs": [item]}, bytes(9))
        with pytest.raises(InvalidRequest, match="3 more"):
            parse({"inputs": [X]}, bytes(3))

    def test_a_binary_input_without_the_header(self):
        item = {"name": "x", "shape": [1, 2], "datatype": "FP32", "parameters": {"binary_data_size": 8}}
        with pytest.raises(InvalidRequest, match="Inference-Header-Content-Length"):
            parse({"inputs": [item]})

    def test_a_header_longer_than_the_body(self):
        with pytest.raises(InvalidRequest, match="at most the body's 2 bytes"):
            open_inference.parse(b"{}", 3, MODEL.signature)

    @pytest.mark.parametrize(
        "tail", [b"\x03\x00\x00\x00hi", b"\x02\x00", b"\xff\xff\xff\xff", b"\x02\x00\x00\x00hi\x00"]
    )
    def test_elements_that_end_early(self, tail):
        item = {"name": "s", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": len(tail)}}
        with pytest.raises(ClientError):
            parse({"inputs": [item]}, tail)

    def test_booleans_are_zero_or_one(self):
        item = {"name": "b", "shape": [2], "datatype": "BOOL", "parameters": {"binary_data_size": 2}}
        with pytest.raises(InvalidRequest, match="bytes 0 and 1"):
            parse({"inputs": [item]}, b"\x00\x02")


class TestParseRaw:
    def raw(self, body, *shape, datatype="FP32"):
        signature = manifest(specs(x=(datatype, *shape)), specs(y=("FP32", -1))).signature
        return open_inference.parse(body, 0, signature)

    def test_the_size_gives_the_variable_axis(self):
        request = self.raw(np.arange(6, dtype="<f4").tobytes(), -1, 2)
        assert request.inputs[0].shape == (3, 2)
        assert request.inputs[0].values().tolist() == [0, 1, 2, 3, 4, 5]
        assert request.outputs == [WantedOutput("y", True)]

    def test_a_fixed_shape(self):
        assert self.raw(bytes(8), 1, 2).inputs[0].shape == (1, 2)
        with pytest.raises(LengthMismatch):
            self.raw(bytes(16), 1, 2)

    def test_half_an_element_or_row(self):
        with pytest.raises(LengthMismatch, match="multiple of 8 bytes"):
            self.raw(bytes(12), -1, 2)

    def test_two_variable_axes_cannot_be_told(self):
        with pytest.raises(InvalidRequest, match="cannot be told"):
            self.raw(bytes(8), -1, -1)

    def test_several_inputs_need_a_json_part(self):
        signature = manifest(specs(a=("FP32", 1), b=("FP32", 1)), specs(y=("FP32", 1))).signature
        with pytest.raises(InvalidRequest, match="several inputs"):
            open_inference.parse(bytes(8), 0, signature)

    @pytest.mark.parametrize("shape", [(1,), (-1,), (-1, 1), ()])
    def test_bytes_take_the_body_as_their_element(self, shape):
        tensor = self.raw(b"text", *shape, datatype="BYTES").inputs[0]
        assert tensor.elements == (b"text",)
        assert tensor.shape == tuple(abs(size) for size in shape)

    def test_bytes_of_several_elements_cannot_be_told(self):
        with pytest.raises(InvalidRequest, match="cannot be told"):
            self.raw(b"text", 2, datatype="BYTES")

    def test_an_empty_axis(self):
        assert self.raw(b"", -1, 2).inputs[0].shape == (0, 2)
        assert self.raw(b"", -1, 0).inputs[0].shape == (0, 0)


class TestRender:
    def test_json(self):
        document, tail, length = render(WantedOutput("y", False), WantedOutput("z", False))
        assert document == {
            "model_name": "demo_model",
            "model_version": "3",
            "outputs": [
                {"name": "y", "shape": [1, 2], "datatype": "FP32", "data": [1.0, 2.0]},
                {"name": "z", "shape": [1], "datatype": "INT64", "data": [7]},
            ],
        }
        assert (tail, length) == (b"", None)

    def test_data_is_flat(self):
        tensor = Tensor.from_values("y", DATATYPES["FP32"], (2, 1), [1.0, 2.0])
        document, _, _ = render(WantedOutput("y", False), tensors=[tensor])
        assert document["outputs"][0]["data"] == [1.0, 2.0]

    def test_the_id_is_echoed_or_absent(self):
        assert render(WantedOutput("y", False), WantedOutput("z", False), id="abc")[0]["id"] == "abc"
        assert "id" not in render(WantedOutput("y", False), WantedOutput("z", False))[0]

    def test_binary_follows_the_json_in_the_order_of_the_outputs(self):
        document, tail, _ = render(WantedOutput("y", True), WantedOutput("z", True))
        assert [output["parameters"] for output in document["outputs"]] == [
            {"binary_data_size": 8},
            {"binary_data_size": 8},
        ]
        assert all("data" not in output for output in document["outputs"])
        assert tail == np.array([1, 2], "<f4").tobytes() + np.array([7], "<i8").tobytes()

    def test_json_and_binary_mix(self):
        document, tail, _ = render(WantedOutput("y", False), WantedOutput("z", True))
        assert document["outputs"][0]["data"] == [1.0, 2.0]
        assert tail == np.array([7], "<i8").tobytes()

    def test_an_empty_binary_output_still_has_a_header(self):
        tensor = Tensor.from_values("y", DATATYPES["FP32"], (0, 2), [])
        document, tail, length = render(WantedOutput("y", True), tensors=[tensor])
        assert document["outputs"][0]["parameters"] == {"binary_data_size": 0}
        assert length is not None
        assert tail == b""

    def test_numbers_that_are_not_finite_are_null_and_counted(self):
        infinite = outputs(y=(float("nan"), float("-inf")))
        document, _, _ = render(WantedOutput("y", False), WantedOutput("z", False), tensors=infinite)
        assert document["outputs"][0]["data"] == [None, None]
        assert document["parameters"] == {"non_finite": 2}

    def test_the_binary_form_of_them_is_exact(self):
        infinite = outputs(y=(float("nan"), float("-inf")))
        document, tail, _ = render(WantedOutput("y", True), WantedOutput("z", False), tensors=infinite)
        assert "parameters" not in document
        assert tail == np.array([np.nan, -np.inf], "<f4").tobytes()

    def test_sixteen_bit_floats_need_the_binary_form(self):
        tensor = Tensor.from_values("y", DATATYPES["FP16"], (1,), [1.5])
        with pytest.raises(InvalidRequest, match="binary_data true"):
            render(WantedOutput("y", False), tensors=[tensor])
        assert render(WantedOutput("y", True), tensors=[tensor])[1] == np.array([1.5], "<f2").tobytes()


class TestRoundTrip:
    """What a client encodes in binary and what it decodes from the answer are the same."""

    @pytest.mark.parametrize("datatype", NUMPY)
    @given(data=st.data())
    def test_numbers(self, datatype, data):
        array = data.draw(npst.arrays(NUMPY[datatype], npst.array_shapes(min_dims=0, min_side=0)))
        raw = array.tobytes()
        item = {
            "name": "x",
            "shape": array.shape,
            "datatype": datatype,
            "parameters": {"binary_data_size": len(raw)},
        }
        tensor = parse({"inputs": [item]}, raw).inputs[0]
        document, tail, _ = render(WantedOutput("x", True), tensors=[tensor])
        assert document["outputs"][0]["shape"] == list(array.shape)
        assert document["outputs"][0]["parameters"] == {"binary_data_size": len(raw)}
        assert tail == raw

    @given(st.lists(st.binary(max_size=20), max_size=8))
    def test_bytes(self, elements):
        tensor = Tensor.from_values("x", DATATYPES["BYTES"], (len(elements),), elements)
        document, tail, _ = render(WantedOutput("x", True), tensors=[tensor])
        item = {key: document["outputs"][0][key] for key in ("name", "shape", "datatype", "parameters")}
        assert parse({"inputs": [item]}, tail).inputs == [tensor]
