"""The wire contract with clients that are not ours: Triton's own, and curl.

The server is the one that SageMaker's container runs; over API Gateway's events the same application
answers.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from support import graphs
from support.artifacts import write_version
from tritonclient import http as triton
from tritonclient.utils import InferenceServerException

from modelet_runtime import startup
from modelet_runtime.http.server import Server
from modelet_runtime.settings import Settings

LABELS = ("a", "b", "c", "d")
TYPES = {
    "BOOL": (TensorProto.BOOL, np.array([[True, False, True]])),
    "UINT8": (TensorProto.UINT8, np.array([[0, 1, 255]], np.uint8)),
    "UINT16": (TensorProto.UINT16, np.array([[0, 1, 65535]], np.uint16)),
    "UINT32": (TensorProto.UINT32, np.array([[0, 1, 2**32 - 1]], np.uint32)),
    "UINT64": (TensorProto.UINT64, np.array([[0, 1, 2**64 - 1]], np.uint64)),
    "INT8": (TensorProto.INT8, np.array([[-128, 0, 127]], np.int8)),
    "INT16": (TensorProto.INT16, np.array([[-(2**15), 0, 2**15 - 1]], np.int16)),
    "INT32": (TensorProto.INT32, np.array([[-(2**31), 0, 2**31 - 1]], np.int32)),
    "INT64": (TensorProto.INT64, np.array([[-(2**63), 0, 2**63 - 1]], np.int64)),
    "FP16": (TensorProto.FLOAT16, np.array([[0.5, -1, np.inf]], np.float16)),
    "FP32": (TensorProto.FLOAT, np.array([[0.5, np.nan, 1e38]], np.float32)),
    "FP64": (TensorProto.DOUBLE, np.array([[0.1, -1e308, 0]], np.float64)),
    "BYTES": (TensorProto.STRING, np.array([["é", "", "a b"]], np.object_)),
}


@pytest.fixture(scope="module")
def serve(tmp_path_factory):
    """Serve a graph; gives the port."""
    running: list[tuple[Server, Thread]] = []
    known: dict[str, int] = {}

    def start(name: str, proto: onnx.ModelProto, **changes: object) -> int:
        if name not in known:
            folder: Path = tmp_path_factory.mktemp(name)
            write_version(folder, proto, name, **changes)
            application = startup.begin(Settings(folder, 1769, 1, True, name)).finish()
            server = Server(("127.0.0.1", 0), application)
            thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            running.append((server, thread))
            known[name] = server.server_address[1]
        return known[name]

    yield start
    for server, thread in running:
        server.drain()
        thread.join()
        server.server_close()


@pytest.fixture
def connect(serve) -> Iterator[object]:
    """A Triton client of a served graph."""
    clients = []

    def start(name: str, proto: onnx.ModelProto, **changes: object) -> triton.InferenceServerClient:
        clients.append(triton.InferenceServerClient(f"127.0.0.1:{serve(name, proto, **changes)}"))
        return clients[-1]

    yield start
    for client in clients:
        client.close()


@pytest.fixture
def softmax(connect) -> triton.InferenceServerClient:
    return connect("demo_softmax", graphs.softmax(), labels=LABELS)


def given(name: str, array: np.ndarray, datatype: str, *, binary: bool = True) -> triton.InferInput:
    tensor = triton.InferInput(name, list(array.shape), datatype)
    tensor.set_data_from_numpy(array, binary_data=binary)
    return tensor


LOGITS = np.array([[1, 2, 3, 4], [4, 3, 2, 1]], np.float32)
EXPECTED = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)


class TestTriton:
    def test_health_and_metadata(self, softmax):
        assert softmax.is_server_live()
        assert softmax.is_server_ready()
        assert softmax.is_model_ready("demo_softmax")
        assert softmax.is_model_ready("demo_softmax", "1")
        assert not softmax.is_model_ready("demo_softmax", "2")
        assert "binary_tensor_data" in softmax.get_server_metadata()["extensions"]
        assert softmax.get_model_metadata("demo_softmax")["inputs"] == [
            {"name": "logits", "datatype": "FP32", "shape": [-1, 4]}
        ]
        assert softmax.get_model_config("demo_softmax")["input"][0]["data_type"] == "TYPE_FP32"
        [entry] = softmax.get_model_repository_index()
        assert (entry["name"], entry["state"]) == ("demo_softmax", "READY")

    @pytest.mark.parametrize("sends_binary", [False, True])
    @pytest.mark.parametrize("wants_binary", [False, True, None])
    @pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
    def test_infer(self, softmax, sends_binary, wants_binary, compression):
        outputs = (
            None
            if wants_binary is None
            else [triton.InferRequestedOutput("probabilities", binary_data=wants_binary)]
        )
        result = softmax.infer(
            "demo_softmax",
            [given("logits", LOGITS, "FP32", binary=sends_binary)],
            outputs=outputs,
            request_id="r1",
            request_compression_algorithm=compression,
            response_compression_algorithm=compression,
        )
        np.testing.assert_allclose(result.as_numpy("probabilities"), EXPECTED, rtol=1e-6)
        response = result.get_response()
        assert (response["id"], response["model_version"]) == ("r1", "1")

    @pytest.mark.parametrize("compression", ["gzip", "deflate"])
    def test_a_large_answer_comes_back_compressed(self, softmax, compression):
        logits = np.zeros((5000, 4), np.float32)
        result = softmax.infer(
            "demo_softmax",
            [given("logits", logits, "FP32")],
            request_compression_algorithm=compression,
            response_compression_algorithm=compression,
        )
        np.testing.assert_array_equal(result.as_numpy("probabilities"), np.full((5000, 4), 0.25))

    def test_classification(self, softmax):
        wanted = [triton.InferRequestedOutput("probabilities", class_count=2)]
        result = softmax.infer("demo_softmax", [given("logits", LOGITS, "FP32")], outputs=wanted)
        assert result.as_numpy("probabilities").tolist() == [
            [b"0.643914:3:d", b"0.236883:2:c"],
            [b"0.643914:0:a", b"0.236883:1:b"],
        ]

    def test_statistics(self, connect):
        client = connect("demo_counted", graphs.softmax())
        for _ in range(3):
            client.infer("demo_counted", [given("logits", LOGITS, "FP32")])
        [entry] = client.get_inference_statistics("demo_counted")["model_stats"]
        assert (entry["inference_count"], entry["execution_count"]) == (6, 3)
        assert entry["inference_stats"]["success"]["count"] == 3

    def test_a_timeout_and_a_priority_are_taken(self, softmax):
        inputs = [given("logits", LOGITS, "FP32")]
        result = softmax.infer("demo_softmax", inputs, timeout=10_000_000, priority=1)
        assert result.as_numpy("probabilities").shape == (2, 4)

    @pytest.mark.parametrize("binary", [False, True])
    @pytest.mark.parametrize("datatype", TYPES)
    def test_every_datatype(self, connect, datatype, binary):
        onnx_type, array = TYPES[datatype]
        name = f"demo_{datatype.lower()}"
        client = connect(name, graphs.identity(onnx_type))
        if datatype == "FP16" and not binary:
            return  # the client itself has no JSON form of it
        outputs = [triton.InferRequestedOutput("y", binary_data=binary)]
        tensor = given("x", array, datatype, binary=binary)
        result = client.infer(name, [tensor], outputs=outputs).as_numpy("y")
        if datatype == "BYTES":
            decoded = [item.decode() if isinstance(item, bytes) else item for item in result.ravel()]
            assert decoded == array.ravel().tolist()
        else:
            np.testing.assert_array_equal(result, array)

    def test_several_inputs_and_outputs(self, connect):
        client = connect("demo_sum", graphs.add_and_scale())
        a, b = np.array([[1, 2]], np.float32), np.array([[3, 4]], np.float32)
        result = client.infer("demo_sum", [given("b", b, "FP32"), given("a", a, "FP32")])
        assert result.as_numpy("sum").tolist() == [[4, 6]]
        assert result.as_numpy("double").tolist() == [[2, 4]]

    def test_numbers_that_are_not_finite_in_json(self, connect):
        client = connect("demo_fp32", graphs.identity(TensorProto.FLOAT))
        array = np.array([[np.nan, np.inf, 1]], np.float32)
        outputs = [triton.InferRequestedOutput("y", binary_data=False)]
        result = client.infer("demo_fp32", [given("x", array, "FP32")], outputs=outputs)
        assert result.get_response()["parameters"] == {"non_finite": 2}
        np.testing.assert_array_equal(result.as_numpy("y"), [[np.nan, np.nan, 1]])

    @pytest.mark.parametrize(
        ("change", "status", "text"),
        [
            ({"model_name": "other"}, "404", "other"),
            ({"model_version": "9"}, "404", "9"),
            ({"inputs": [given("q", LOGITS, "FP32")]}, "400", "unknown input 'q'"),
            ({"inputs": [given("logits", LOGITS[:, :3], "FP32")]}, "400", "shape"),
            ({"inputs": [given("logits", LOGITS.astype(np.float64), "FP64")]}, "400", "FP64"),
            ({"outputs": [triton.InferRequestedOutput("q")]}, "400", "unknown output 'q'"),
            ({"sequence_id": 5, "sequence_start": True}, "501", "sequences"),
        ],
    )
    def test_errors(self, softmax, change, status, text):
        request = {
            "model_name": "demo_softmax",
            "inputs": [given("logits", LOGITS, "FP32")],
            **change,
        }
        with pytest.raises(InferenceServerException) as caught:
            softmax.infer(**request)
        assert caught.value.status() == status
        assert text in caught.value.message()

    def test_values_the_graph_cannot_take(self, connect):
        client = connect("demo_lookup", graphs.table_lookup())
        with pytest.raises(InferenceServerException) as caught:
            client.infer("demo_lookup", [given("index", np.array([99]), "INT64")])
        assert caught.value.status() == "400"

    @pytest.mark.parametrize("verb", ["load_model", "unload_model"])
    def test_load_and_unload(self, softmax, verb):
        with pytest.raises(InferenceServerException, match="modelet"):
            getattr(softmax, verb)("demo_softmax")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
class TestCurl:
    def curl(self, serve, path, *arguments):
        port = serve("demo_softmax", graphs.softmax(), labels=LABELS)
        process = subprocess.run(
            ["curl", "-s", "-w", "\n%{http_code}", *arguments, f"http://127.0.0.1:{port}{path}"],
            capture_output=True,
            check=True,
            timeout=20,
        )
        body, _, status = process.stdout.rpartition(b"\n")
        return int(status), json.loads(body) if body else None

    def test_infer(self, serve):
        body = '{"inputs":[{"name":"logits","shape":[1,4],"datatype":"FP32","data":[0,0,0,0]}]}'
        status, answer = self.curl(serve, "/v2/models/demo_softmax/infer", "-d", body)
        assert (status, answer["outputs"][0]["data"]) == (200, [0.25] * 4)

    def test_tensorflow_serving(self, serve):
        status, answer = self.curl(
            serve, "/v1/models/demo_softmax:predict", "-d", '{"instances":[[0,0,0,0]]}'
        )
        assert (status, answer) == (200, {"predictions": [[0.25] * 4]})
        assert self.curl(serve, "/v1/models/demo_softmax")[1]["model_version_status"][0]["version"] == "1"

    def test_friendly(self, serve):
        status, answer = self.curl(serve, "/models/demo_softmax/predict", "--json", "[0, 0, 0, 0]")
        assert (status, answer) == (200, [0.25] * 4)

    def test_a_gzipped_answer(self, serve):
        rows = json.dumps({"instances": [[0, 0, 0, 0]] * 500})
        status, answer = self.curl(serve, "/v1/models/demo_softmax:predict", "--compressed", "--json", rows)
        assert (status, answer) == (200, {"predictions": [[0.25] * 4] * 500})

    def test_head(self, serve):
        assert self.curl(serve, "/ping", "-I", "-o", "/dev/null") == (200, None)

    @pytest.mark.parametrize(
        ("path", "arguments", "status"),
        [
            ("/nothing", (), 404),
            ("/v2/models/other", (), 404),
            ("/v2", ("-X", "POST"), 405),
            ("/v2/models/demo_softmax/infer", ("-d", "{"), 400),
            ("/models/demo_softmax/predict", ("-H", "content-type: image/png", "-d", "x"), 415),
            ("/v2/models/demo_softmax/infer", ("-H", "content-encoding: br", "-d", "{}"), 415),
            ("/v2/systemsharedmemory/status", (), 501),
        ],
    )
    def test_errors(self, serve, path, arguments, status):
        found, answer = self.curl(serve, path, *arguments)
        assert found == status
        assert isinstance(answer["error"], str)
        assert answer["request_id"]
