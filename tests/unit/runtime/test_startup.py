import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
from onnx import TensorProto, helper
from support import graphs
from support.artifacts import write_version

from modelet_runtime import startup
from modelet_runtime.errors import ArtifactError
from modelet_runtime.http.messages import Request
from modelet_runtime.manifest import FILE_NAME, FileDigest, Manifest, Signature, TensorSpec
from modelet_runtime.settings import Settings
from modelet_runtime.tensor import Tensor


def settings(folder, **changes):
    return replace(Settings(folder, 1769, 1, True, "test"), **changes)


def start(folder, **changes):
    return startup.begin(settings(folder, **changes)).finish()


def rewrite(folder, **changes):
    manifest = replace(Manifest.load(folder), **changes)
    (folder / FILE_NAME).write_text(json.dumps(manifest.to_dict()))


@pytest.fixture
def version(tmp_path):
    write_version(tmp_path, graphs.softmax(), "demo_softmax")
    return tmp_path


class TestStart:
    def test_answers(self, version, capsys):
        application = start(version)
        body = json.dumps({"instances": [[0, 0, 0, 0]]}).encode()
        response = application(Request("POST", "/v1/models/demo_softmax:predict", body=body))
        assert json.loads(response.body) == {"predictions": [[0.25] * 4]}
        blob = json.loads(capsys.readouterr().out)
        assert blob["cold_start"] == 1
        assert 0 < blob["session_load_ms"] <= blob["init_ms"]

    def test_the_warm_up_is_not_counted(self, version):
        response = start(version)(Request("GET", "/v2/models/demo_softmax/stats"))
        assert json.loads(response.body)["model_stats"][0]["execution_count"] == 0

    def test_a_warm_up_that_fails_is_logged_and_harms_nothing(self, tmp_path, capsys):
        # A table of no rows: every index is outside it, zeros as well.
        empty = helper.make_tensor("table", TensorProto.FLOAT, [0], [])
        proto = graphs.model(
            [helper.make_node("Gather", ["table", "index"], ["y"])],
            [graphs.value("index", TensorProto.INT64, ("n",))],
            [graphs.value("y", TensorProto.FLOAT, ("n",))],
            [empty],
        )
        write_version(tmp_path, proto, "demo_that_does_not_warm_up")
        application = start(tmp_path)
        log = json.loads(capsys.readouterr().out)
        assert (log["level"], log["message"]) == ("WARNING", "the warm-up inference failed")
        assert log["code"] == "inference_rejected"
        assert application(Request("GET", "/v2/health/ready")).status == 200

    @pytest.mark.parametrize("name", graphs.NAMED)
    def test_the_graphs_of_the_tests_start(self, tmp_path, name):
        write_version(tmp_path, graphs.NAMED[name], name)
        assert start(tmp_path)(Request("GET", f"/v2/models/{name}")).status == 200


class TestForms:
    def test_the_file_that_the_manifest_names_is_loaded(self, version):
        proto = graphs.softmax()
        (version / "model.onnx").write_bytes(proto.SerializeToString())
        (version / "model.ort").unlink()
        data = (version / "model.onnx").read_bytes()
        manifest = Manifest.load(version)
        digest = FileDigest(hashlib.sha256(data).hexdigest(), len(data))
        rewrite(
            version,
            graph=replace(manifest.graph, file="model.onnx"),
            files={**manifest.files, "model.onnx": digest},
        )
        assert start(version)(Request("GET", "/v2/health/ready")).status == 200

    def test_it_is_verified_as_any_other(self, version):
        manifest = Manifest.load(version)
        rewrite(version, graph=replace(manifest.graph, file="model.onnx"))
        with pytest.raises(ArtifactError, match=r"model.onnx: the manifest has no digest"):
            start(version)


class TestBrokenArtifacts:
    def test_no_manifest(self, tmp_path):
        with pytest.raises(ArtifactError, match=FILE_NAME):
            start(tmp_path)

    def test_no_model(self, version):
        (version / "model.ort").unlink()
        with pytest.raises(ArtifactError, match=r"model.ort: No such file"):
            start(version)

    def test_a_model_that_was_changed(self, version):
        path = version / "model.ort"
        path.write_bytes(path.read_bytes() + b"\0")
        with pytest.raises(ArtifactError, match=r"model.ort: expected sha256"):
            start(version)

    def test_a_model_without_a_digest(self, version):
        rewrite(version, files={})
        with pytest.raises(ArtifactError, match="no digest"):
            start(version)

    def test_digests_can_be_turned_off(self, version):
        rewrite(version, files={})
        assert start(version, verify_digests=False) is not None

    def test_a_model_that_is_none(self, version):
        data = b"not a model"
        (version / "model.ort").write_bytes(data)
        rewrite(version, files={"model.ort": FileDigest(hashlib.sha256(data).hexdigest(), len(data))})
        with pytest.raises(ArtifactError, match=r"model.ort"):
            start(version)

    def test_an_asset_that_was_changed(self, version):
        (version / "labels.txt").write_text("a")
        manifest = Manifest.load(version)
        rewrite(version, files={**manifest.files, "labels.txt": FileDigest("0" * 64, 1)})
        with pytest.raises(ArtifactError, match=r"labels.txt: expected sha256"):
            start(version)

    def test_what_a_function_never_opens_need_not_be_there(self, version):
        manifest = Manifest.load(version)
        rewrite(version, files={**manifest.files, "model.onnx": FileDigest("0" * 64, 1)})
        assert start(version) is not None

    def test_hooks_are_verified_before_they_run(self, version):
        (version / "hooks.py").write_text("raise SystemExit('ran')")
        manifest = Manifest.load(version)
        rewrite(version, files={**manifest.files, "hooks.py": FileDigest("0" * 64, 1)})
        with pytest.raises(ArtifactError, match=r"hooks.py"):
            start(version)


class TestWarmUp:
    class Session:
        """Keeps the inputs it was run with."""

        def __init__(self, *inputs):
            self.signature = Signature(inputs, ())
            self.inputs = None

        def run(self, inputs, output_names=None, timeout_s=None):
            assert timeout_s is not None
            self.inputs = list(inputs)
            return []

    def test_zeros_with_ones_for_variable_axes(self):
        session = self.Session(TensorSpec("x", "FP32", (-1, 2)), TensorSpec("s", "BYTES", (-1,)))
        startup.warm_up(session)
        x, s = session.inputs
        assert (x.shape, bytes(x.buffer)) == ((1, 2), np.zeros((1, 2), "<f4").tobytes())
        assert (s.shape, s.elements) == ((1,), (b"",))
        assert all(isinstance(tensor, Tensor) for tensor in session.inputs)

    def test_scalars_and_empty_axes(self):
        session = self.Session(TensorSpec("x", "INT64", ()), TensorSpec("e", "BOOL", (0, 3)))
        startup.warm_up(session)
        assert [tensor.shape for tensor in session.inputs] == [(), (0, 3)]
