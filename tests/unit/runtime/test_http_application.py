"""The wire contract, line by line, over a model that is a Python function."""

import gzip
import json
import zlib

import numpy as np
import pytest
from support.http import Client, body_of, echo, predictor
from support.manifests import specs

from modelet_runtime import __version__
from modelet_runtime.errors import (
    ArtifactError,
    DeadlineExceeded,
    Forbidden,
    InferenceFailed,
    InferenceRejected,
    NotReady,
    TooManyRequests,
    Unauthorized,
)
from modelet_runtime.http.compression import MAX_INFLATED_BYTES
from modelet_runtime.tensor import DATATYPES, Tensor

SAGEMAKER = "application/vnd.sagemaker-triton.binary+json"
X = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}
ROW = {"inputs": [X]}


def client(**options):
    model = predictor(specs(x=("FP32", -1, 2)), specs(y=("FP32", -1, 2)), version=3, labels=("no", "yes"))
    return Client(model, **options)


def failing(error):
    def function(inputs):
        raise error

    return Client(predictor(specs(x=("FP32", -1, 2)), specs(y=("FP32", -1, 2)), function, version=3))


class TestRoutes:
    def test_server_metadata(self):
        assert body_of(client().get("/v2")) == {
            "name": "modelet",
            "version": __version__,
            "extensions": [
                "binary_tensor_data",
                "classification",
                "model_configuration",
                "schedule_policy",
                "statistics",
            ],
        }

    @pytest.mark.parametrize("which", ["live", "ready"])
    def test_health_is_a_superset_of_what_implementations_answer(self, which):
        response = client().get(f"/v2/health/{which}")
        assert (response.status, body_of(response)) == (200, {"live": True, "ready": True})

    def test_models(self):
        assert body_of(client().get("/v2/models")) == {"models": ["demo_model"]}

    @pytest.mark.parametrize("body", [b"", b"{}", b'{"ready":true}'])
    def test_repository_index(self, body):
        assert body_of(client().post("/v2/repository/index", body)) == [
            {"name": "demo_model", "version": "3", "state": "READY", "reason": ""}
        ]

    @pytest.mark.parametrize("verb", ["load", "unload"])
    def test_load_and_unload_name_the_command(self, verb):
        response = client().post(f"/v2/repository/models/demo_model/{verb}", b"{}")
        assert response.status == 501
        assert "`modelet " in body_of(response)["error"]

    @pytest.mark.parametrize("version", ["", "/versions/3"])
    def test_model_metadata(self, version):
        assert body_of(client().get(f"/v2/models/demo_model{version}")) == {
            "name": "demo_model",
            "versions": ["3"],
            "platform": "onnx_onnxv1",
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}],
            "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
        }

    @pytest.mark.parametrize("version", ["", "/versions/3"])
    def test_model_ready(self, version):
        response = client().get(f"/v2/models/demo_model{version}/ready")
        assert body_of(response) == {"name": "demo_model", "ready": True}

    @pytest.mark.parametrize("version", ["", "/versions/3"])
    def test_statistics(self, version):
        sender = client()
        sender.infer({"inputs": [{**X, "shape": [3, 2], "data": [1, 2, 3, 4, 5, 6]}]})
        sender.infer(ROW)
        sender.infer({"inputs": [{**X, "datatype": "FP64"}]})
        [entry] = body_of(sender.get(f"/v2/models/demo_model{version}/stats"))["model_stats"]
        assert (entry["name"], entry["version"]) == ("demo_model", "3")
        assert (entry["inference_count"], entry["execution_count"]) == (4, 2)
        assert entry["last_inference"] > 1_600_000_000_000
        assert entry["batch_stats"] == []
        durations = entry["inference_stats"]
        assert {name: duration["count"] for name, duration in durations.items()} == {
            "success": 2,
            "fail": 1,
            "queue": 2,
            "compute_input": 2,
            "compute_infer": 2,
            "compute_output": 2,
            "cache_hit": 0,
            "cache_miss": 0,
        }
        assert all(isinstance(duration["ns"], int) for duration in durations.values())

    @pytest.mark.parametrize("version", ["", "/versions/3"])
    def test_configuration(self, version):
        answer = body_of(client().get(f"/v2/models/demo_model{version}/config"))
        assert answer["name"] == "demo_model"
        assert answer["max_batch_size"] == 0
        assert answer["input"] == [{"name": "x", "data_type": "TYPE_FP32", "dims": [-1, 2]}]
        assert answer["output"] == [{"name": "y", "data_type": "TYPE_FP32", "dims": [-1, 2]}]

    def test_configuration_calls_bytes_strings(self):
        sender = Client(predictor(specs(x=("BYTES", 1)), specs(y=("BYTES", 1))))
        assert body_of(sender.get("/v2/models/demo_model/config"))["input"][0]["data_type"] == "TYPE_STRING"

    @pytest.mark.parametrize("version", ["", "/versions/3"])
    def test_infer(self, version):
        response = client().post(f"/v2/models/demo_model{version}/infer", ROW)
        assert response.headers["content-type"] == "application/json"
        assert body_of(response) == {
            "model_name": "demo_model",
            "model_version": "3",
            "outputs": [{"name": "y", "shape": [1, 2], "datatype": "FP32", "data": [1.0, 2.0]}],
        }

    @pytest.mark.parametrize("which", ["", "/versions/3", "/labels/live"])
    def test_tensorflow_status_metadata_and_predict(self, which):
        sender, path = client(), f"/v1/models/demo_model{which}"
        status = body_of(sender.get(path, alias="live"))
        assert status["model_version_status"][0]["state"] == "AVAILABLE"
        assert body_of(sender.get(f"{path}/metadata", alias="live"))["model_spec"]["version"] == "3"
        answer = sender.post(f"{path}:predict", {"instances": [[1, 2]]}, alias="live")
        assert body_of(answer) == {"predictions": [[1.0, 2.0]]}

    def test_tensorflow_columns(self):
        assert body_of(client().predict({"inputs": {"x": [[1, 2]]}})) == {"outputs": [[1.0, 2.0]]}

    @pytest.mark.parametrize("verb", ["classify", "regress"])
    def test_other_tensorflow_verbs_are_not_implemented(self, verb):
        assert client().post(f"/v1/models/demo_model:{verb}", b"{}").status == 501

    @pytest.mark.parametrize("version", ["", "/versions/3"])
    def test_friendly(self, version):
        path = f"/models/demo_model{version}/predict"
        response = client().post(path, [1, 2], headers={"content-type": "application/json"})
        assert (response.status, body_of(response)) == (200, [1.0, 2.0])

    @pytest.mark.parametrize(
        "path", ["/v2", "/v2/models", "/v2/models/demo_model", "/v1/models/demo_model", "/ping"]
    )
    def test_trailing_slashes_are_accepted(self, path):
        assert client().get(path + "/").status == 200

    @pytest.mark.parametrize("path", ["/v2/models/demo_model/infer/", "/models/demo_model/predict/"])
    def test_trailing_slashes_are_accepted_of_posts(self, path):
        headers = {"content-type": "application/json"}
        body = ROW if "infer" in path else [1, 2]
        assert client().post(path, body, headers=headers).status == 200

    @pytest.mark.parametrize(
        "path",
        ["/", "/v3", "/v2/model", "/v2/models/demo_model/versions", "/models/demo_model", "/ping/x", ""],
    )
    def test_unknown_paths(self, path):
        response = client().get(path)
        assert (response.status, body_of(response)["code"]) == (404, "not_found")

    def test_an_unknown_tensorflow_path_is_worded_as_there(self):
        error = body_of(client().get("/v1/models/demo_model/nothing"))["error"]
        assert error == "Malformed request: GET /v1/models/demo_model/nothing"

    @pytest.mark.parametrize(
        ("method", "path", "allow"),
        [
            ("POST", "/v2", "GET, HEAD"),
            ("GET", "/v2/models/demo_model/infer", "POST"),
            ("PUT", "/v2/models/demo_model", "GET, HEAD"),
            ("GET", "/v1/models/demo_model:predict", "POST"),
            ("DELETE", "/invocations", "POST"),
            ("HEAD", "/invocations", "POST"),
        ],
    )
    def test_known_paths_with_other_verbs(self, method, path, allow):
        response = client().send(method, path)
        assert response.status == 405
        assert response.headers["allow"] == allow

    @pytest.mark.parametrize("path", ["/v2", "/ping", "/v2/health/ready", "/v1/models/demo_model"])
    def test_head_is_answered_where_get_is(self, path):
        sender = client()
        response = sender.send("HEAD", path)
        assert (response.status, response.body) == (200, b"")
        assert response.headers == sender.get(path).headers


class TestTargets:
    @pytest.mark.parametrize("path", ["/v2/models/other", "/v2/models/other/ready", "/v2/models/Demo_model"])
    def test_another_model(self, path):
        response = client().get(path)
        assert response.status == 404
        assert "demo_model version 3" in body_of(response)["error"]

    @pytest.mark.parametrize("version", ["2", "4", "03", "latest", "3.0"])
    def test_another_version(self, version):
        assert client().post(f"/v2/models/demo_model/versions/{version}/infer", ROW).status == 404
        assert client().get(f"/v1/models/demo_model/versions/{version}").status == 404
        assert client().post(f"/models/demo_model/versions/{version}/predict", [1]).status == 404

    def test_tensorflow_wording(self):
        latest = body_of(client().post("/v1/models/other:predict", {"instances": [1]}))["error"]
        assert latest.startswith("Servable not found for request: Latest(other)")
        specific = body_of(client().get("/v1/models/demo_model/versions/7"))["error"]
        assert specific.startswith("Servable not found for request: Specific(demo_model, 7)")

    @pytest.mark.parametrize("alias", [None, "canary"])
    def test_a_label_is_the_alias_the_function_was_called_by(self, alias):
        sender = client()
        assert sender.get("/v1/models/demo_model/labels/live", alias="live").status == 200
        response = sender.get("/v1/models/demo_model/labels/live", alias=alias)
        assert response.status == 404
        assert body_of(response)["error"] == "Unrecognized servable version label: live"

    def test_version_and_label_together(self):
        response = client().get("/v1/models/demo_model/versions/3/labels/live", alias="live")
        assert response.status == 400

    @pytest.mark.parametrize("verb", ["load", "unload"])
    def test_load_of_another_model_is_not_found(self, verb):
        assert client().post(f"/v2/repository/models/other/{verb}").status == 404


class TestOpenInference:
    def test_the_id_is_echoed_or_absent(self):
        assert body_of(client().infer({**ROW, "id": "é1"}))["id"] == "é1"
        assert "id" not in body_of(client().infer(ROW))

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"name": "q"}, "unknown_tensor"),
            ({"datatype": "FP64"}, "datatype_mismatch"),
            ({"shape": [2]}, "shape_mismatch"),
            ({"shape": [2, 1]}, "shape_mismatch"),
            ({"data": [1]}, "length_mismatch"),
            ({"data": [1, None, 2]}, "length_mismatch"),
            ({"data": ["a", "b"]}, "datatype_mismatch"),
            ({"datatype": "FP16"}, "invalid_request"),
            ({"shape": "x"}, "invalid_request"),
        ],
    )
    def test_a_wrong_input_names_the_tensor_what_was_expected_and_what_came(self, change, code):
        response = client().infer({"inputs": [{**X, **change}]})
        body = body_of(response)
        assert (response.status, body["code"]) == (400, code)
        assert isinstance(body["error"], str)
        assert set(body["details"]) == {"field", "expected", "actual"}

    def test_a_missing_and_a_doubled_input(self):
        assert body_of(client().infer({"inputs": []}))["code"] == "missing_tensor"
        assert client().infer({"inputs": [X, X]}).status == 400

    def test_an_unknown_output(self):
        response = client().infer({**ROW, "outputs": [{"name": "q"}]})
        assert (response.status, body_of(response)["code"]) == (400, "unknown_tensor")

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff"])
    def test_bodies_that_are_no_request(self, body):
        response = client().infer(body)
        assert (response.status, body_of(response)["code"]) == (400, "invalid_request")

    def test_classification(self):
        wanted = {"name": "y", "parameters": {"classification": 1}}
        body = body_of(client().infer({**ROW, "outputs": [wanted]}))
        assert body["outputs"] == [
            {"name": "y", "shape": [1, 1], "datatype": "BYTES", "data": ["2.000000:1:yes"]}
        ]

    def test_binary_by_header(self):
        data = np.array([[1, 2]], "<f4").tobytes()
        item = {**X, "parameters": {"binary_data_size": 8}}
        del item["data"]
        header = json.dumps({"inputs": [item], "parameters": {"binary_data_output": True}}).encode()
        response = client().infer(
            header + data, headers={"inference-header-content-length": str(len(header))}
        )
        length = int(response.headers["inference-header-content-length"])
        assert response.headers["content-type"] == "application/octet-stream"
        assert json.loads(response.body[:length])["outputs"][0]["parameters"] == {"binary_data_size": 8}
        assert response.body[length:] == data

    def test_binary_by_media_type_is_answered_so_too(self):
        data = np.array([[1, 2]], "<f4").tobytes()
        item = {**X, "parameters": {"binary_data_size": 8}}
        del item["data"]
        header = json.dumps({"inputs": [item], "parameters": {"binary_data_output": True}}).encode()
        kind = f"{SAGEMAKER};json-header-size={len(header)}"
        response = client().infer(header + data, headers={"content-type": kind})
        length = int(response.headers["inference-header-content-length"])
        assert response.headers["content-type"] == f"{SAGEMAKER};json-header-size={length}"
        assert response.body[length:] == data

    def test_raw(self):
        data = np.array([[1, 2], [3, 4]], "<f4").tobytes()
        response = client().infer(data, headers={"inference-header-content-length": "0"})
        length = int(response.headers["inference-header-content-length"])
        assert json.loads(response.body[:length])["outputs"][0]["shape"] == [2, 2]
        assert response.body[length:] == data

    @pytest.mark.parametrize("length", ["-1", "1.5", "x", "", "9999", "٣", " 5"])
    def test_lengths_that_are_none(self, length):
        response = client().infer(b"{}", headers={"inference-header-content-length": length})
        assert (response.status, body_of(response)["code"]) == (400, "invalid_request")

    def test_a_json_request_in_sagemakers_media_type_without_a_length(self):
        assert client().infer(ROW, headers={"content-type": SAGEMAKER}).status == 200

    def test_sequences_and_shared_memory_are_501(self):
        assert client().infer({**ROW, "parameters": {"sequence_id": 1}}).status == 501
        shared = {"shared_memory_region": "r", "shared_memory_byte_size": 8}
        assert client().infer({"inputs": [{**X, "parameters": shared}]}).status == 501
        for memory in ("system", "cuda"):
            assert client().get(f"/v2/{memory}sharedmemory/status").status == 501
            assert client().post(f"/v2/{memory}sharedmemory/region/r/register", b"{}").status == 501

    @pytest.mark.parametrize(
        ("timeout", "remaining_s", "expected"),
        [(2_000_000, None, 2.0), (None, 5.0, 5.0), (2_000_000, 5.0, 2.0), (9_000_000, 5.0, 5.0), (None,) * 3],
    )
    def test_the_smaller_of_the_callers_and_the_platforms_time_is_kept(self, timeout, remaining_s, expected):
        sender = client()
        parameters = {} if timeout is None else {"parameters": {"timeout": timeout}}
        assert sender.infer({**ROW, **parameters}, remaining_s=remaining_s).status == 200
        assert sender.model._session.timeouts_s == [expected]

    def test_numbers_that_are_not_finite_both_ways(self):
        body = (
            b'{"inputs":[{"name":"x","shape":[2,2],"datatype":"FP32","data":[NaN,Infinity,-Infinity,null]}]}'
        )
        answer = body_of(client().infer(body))
        assert answer["outputs"][0]["data"] == [None] * 4
        assert answer["parameters"] == {"non_finite": 4}


class TestSageMaker:
    def test_ping(self):
        assert client().get("/ping").status == 200

    def invoke(self, body, kind=None, **headers):
        sent = {**headers, **({} if kind is None else {"content-type": kind})}
        return client().post("/invocations", body, headers=sent)

    @pytest.mark.parametrize("kind", [None, "application/json", "application/json; charset=utf-8"])
    def test_open_inference_json(self, kind):
        assert body_of(self.invoke(ROW, kind))["outputs"][0]["data"] == [1.0, 2.0]

    def test_open_inference_binary(self):
        data = np.array([[1, 2]], "<f4").tobytes()
        item = {**X, "parameters": {"binary_data_size": 8}}
        del item["data"]
        header = json.dumps({"inputs": [item]}).encode()
        response = self.invoke(header + data, f"{SAGEMAKER};json-header-size={len(header)}")
        assert body_of(response)["outputs"][0]["data"] == [1.0, 2.0]

    def test_a_binary_answer_to_json_comes_in_sagemakers_media_type(self):
        response = self.invoke({**ROW, "parameters": {"binary_data_output": True}})
        assert response.headers["content-type"].startswith(f"{SAGEMAKER};json-header-size=")

    def test_tensorflow_serving(self):
        assert body_of(self.invoke({"instances": [[1, 2]]})) == {"predictions": [[1.0, 2.0]]}
        assert body_of(self.invoke({"inputs": [[1, 2]]})) == {"outputs": [[1.0, 2.0]]}

    def test_anything_else_is_friendly(self):
        assert body_of(self.invoke([1, 2])) == [1.0, 2.0]
        assert body_of(self.invoke({"x": [1, 2]})) == [1.0, 2.0]
        assert self.invoke(b"1,2\n", "text/csv").status == 200

    def test_a_media_type_that_is_not_taken(self):
        response = self.invoke(b"x", "image/png")
        assert response.status == 415
        assert "text/csv" in body_of(response)["error"]


class TestCompression:
    BODY = json.dumps(ROW).encode()

    @pytest.mark.parametrize(
        ("encoding", "body"),
        [
            ("gzip", gzip.compress(BODY)),
            ("GZIP", gzip.compress(BODY)),
            ("x-gzip", gzip.compress(BODY)),
            ("deflate", zlib.compress(BODY)),
            ("identity", BODY),
            ("deflate, gzip", gzip.compress(zlib.compress(BODY))),
        ],
    )
    def test_requests(self, encoding, body):
        assert client().infer(body, headers={"content-encoding": encoding}).status == 200

    @pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, br", "x"])
    def test_unknown_encodings(self, encoding):
        response = client().infer(self.BODY, headers={"content-encoding": encoding})
        assert (response.status, body_of(response)["code"]) == (415, "unsupported_encoding")
        assert response.headers["accept-encoding"] == "deflate, gzip"

    @pytest.mark.parametrize(
        "body",
        [b"", BODY, gzip.compress(BODY)[:-4], gzip.compress(BODY) + b"x", b"\x1f\x8b" + bytes(20)],
    )
    def test_bodies_that_are_not_gzip(self, body):
        response = client().infer(body, headers={"content-encoding": "gzip"})
        assert (response.status, body_of(response)["code"]) == (400, "invalid_request")

    def test_a_bomb_is_not_unpacked(self):
        bomb = gzip.compress(bytes(MAX_INFLATED_BYTES + 1), 9)
        response = client().infer(bomb, headers={"content-encoding": "gzip"})
        assert response.status == 413
        assert "S3" in body_of(response)["error"]

    @pytest.mark.parametrize(
        ("accepted", "encoding"),
        [
            ("gzip", "gzip"),
            ("gzip, deflate, br", "gzip"),
            ("deflate", "deflate"),
            ("gzip;q=0, deflate", "deflate"),
            ("*", "gzip"),
            ("gzip; q=0.5", "gzip"),
            ("br", None),
            ("identity", None),
            ("gzip;q=0", None),
            ("", None),
        ],
    )
    def test_responses(self, accepted, encoding):
        many = {"inputs": [{**X, "shape": [1000, 2], "data": [0.5] * 2000}]}
        response = client().infer(many, headers={"accept-encoding": accepted})
        assert response.headers.get("content-encoding") == encoding
        body = response.body
        if encoding == "gzip":
            body = gzip.decompress(body)
        elif encoding == "deflate":
            body = zlib.decompress(body)
        assert json.loads(body)["outputs"][0]["data"] == [0.5] * 2000

    def test_a_small_response_stays_as_it_is(self):
        response = client().infer(ROW, headers={"accept-encoding": "gzip"})
        assert "content-encoding" not in response.headers

    def test_a_response_that_does_not_shrink_stays_as_it_is(self):
        noise = np.random.default_rng(0).integers(0, 2**32, 4000, "<u4").tobytes()
        sender = Client(predictor(specs(x=("UINT32", -1)), specs(y=("UINT32", -1))))
        headers = {"inference-header-content-length": "0", "accept-encoding": "gzip"}
        response = sender.infer(noise, headers=headers)
        assert "content-encoding" not in response.headers
        assert response.body.endswith(noise)


class TestStatuses:
    @pytest.mark.parametrize(
        ("error", "status", "code", "headers"),
        [
            (InferenceRejected("index 9 is outside"), 400, "inference_rejected", {}),
            (Unauthorized("no key"), 401, "unauthorized", {}),
            (Forbidden("not yours"), 403, "forbidden", {}),
            (TooManyRequests("slow down", 7), 429, "too_many_requests", {"retry-after": "7"}),
            (NotReady("waking", 20), 503, "not_ready", {"retry-after": "20"}),
            (DeadlineExceeded("too late"), 504, "deadline_exceeded", {}),
            (InferenceFailed("out of memory"), 500, "inference_failed", {}),
            (ArtifactError("broken"), 500, "artifact_error", {}),
        ],
    )
    def test_each_error_has_its_status(self, error, status, code, headers):
        response = failing(error).infer(ROW, request_id="r1")
        assert response.status == status
        assert body_of(response) == {"error": str(error), "code": code, "request_id": "r1"}
        assert headers.items() <= response.headers.items()

    def test_our_own_fault_shows_the_request_id_and_nothing_else(self):
        response = failing(RuntimeError("secret 42")).infer(ROW, request_id="r1")
        assert response.status == 500
        assert body_of(response) == {"error": "internal error", "code": "internal", "request_id": "r1"}

    def test_a_deadline_that_has_passed(self):
        sender = client()
        assert sender.infer(ROW, remaining_s=-0.1).status == 504
        assert sender.model._session.calls == []

    def test_the_request_id_is_echoed_in_every_answer(self):
        for response in (client().infer(ROW, request_id="r1"), client().get("/nothing", request_id="r1")):
            assert response.headers["x-request-id"] == "r1"

    def test_every_answer_says_which_version_it_is_from(self):
        sender = client()
        for response in (sender.infer(ROW), sender.get("/nothing"), sender.get("/v2")):
            assert response.headers["x-model-version"] == str(sender.model.manifest.version)

    def test_a_long_message_is_cut(self):
        response = client().infer({"inputs": [{**X, "name": "n" * 100_000}]})
        assert response.status == 400
        assert len(body_of(response)["error"]) == 2000
        assert "details" not in body_of(response)

    def test_half_a_surrogate_pair_reaches_no_answer(self):
        response = client().get("/\ud800", request_id="r1")
        assert (response.status, body_of(response)["error"]) == (404, "no route GET /?")

    def test_a_response_nobody_can_carry(self):
        response = client(fits=lambda response: False).infer(ROW)
        assert (response.status, body_of(response)["code"]) == (413, "payload_too_large")
        assert "S3" in body_of(response)["error"]

    def test_the_observer_sees_what_was_answered_and_why(self):
        seen = []
        sender = client(observe=lambda *arguments: seen.append(arguments))
        response = sender.infer(ROW, request_id="r1")
        sender.get("/nothing")
        assert (seen[0][0].request_id, seen[0][1], seen[0][2]) == ("r1", response, None)
        assert (seen[1][1].status, type(seen[1][2]).__name__) == (404, "NotFound")


VALUES = {
    "BOOL": [True, False],
    "UINT8": [0, 255],
    "UINT16": [0, 65535],
    "UINT32": [0, 2**32 - 1],
    "UINT64": [0, 2**64 - 1],
    "INT8": [-128, 127],
    "INT16": [-(2**15), 2**15 - 1],
    "INT32": [-(2**31), 2**31 - 1],
    "INT64": [-(2**63), 2**63 - 1],
    "FP16": [0.5, -65504.0],
    "FP32": [0.5, -1e38],
    "FP64": [0.1, -1e308],
    "BF16": [0.5, -2.0],
    "BYTES": ["é", ""],
}


class TestDatatypes:
    """Every datatype through the whole of HTTP, in each form that it has."""

    def sender(self, datatype):
        return Client(predictor(specs(x=(datatype, -1)), specs(y=(datatype, -1)), echo))

    @pytest.mark.parametrize("datatype", VALUES)
    def test_json(self, datatype):
        values = VALUES[datatype]
        item = {"name": "x", "shape": [2], "datatype": datatype, "data": values}
        response = self.sender(datatype).infer({"inputs": [item]})
        if datatype in ("FP16", "BF16"):
            assert response.status == 400
            return
        [output] = body_of(response)["outputs"]
        expected = [float(np.float32(value)) for value in values] if datatype == "FP32" else values
        assert output == {"name": "y", "shape": [2], "datatype": datatype, "data": expected}

    @pytest.mark.parametrize("datatype", VALUES)
    def test_binary(self, datatype):
        tensor = Tensor.from_values("x", DATATYPES[datatype], (2,), VALUES[datatype])
        raw = (
            b"".join(len(element).to_bytes(4, "little") + element for element in tensor.elements)
            if datatype == "BYTES"
            else bytes(tensor.buffer)
        )
        item = {"name": "x", "shape": [2], "datatype": datatype, "parameters": {"binary_data_size": len(raw)}}
        header = json.dumps({"inputs": [item], "parameters": {"binary_data_output": True}}).encode()
        headers = {"inference-header-content-length": str(len(header))}
        response = self.sender(datatype).infer(header + raw, headers=headers)
        assert response.body[int(response.headers["inference-header-content-length"]) :] == raw
