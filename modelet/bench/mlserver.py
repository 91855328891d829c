"""MLServer, in an environment of its own, with one ONNX model behind it."""

import http.client
import json
import os
import re
import socket
import subprocess
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from modelet import paths

_LOCK = paths.root() / "requirements" / "mlserver.lock"
_ENVIRONMENT = paths.root() / ".cache" / "mlserver"
_START_TIMEOUT_S = 60
_TIME_TAKEN = re.compile(r"Time taken: ([0-9.]+) seconds")
_RUNTIME = """
import numpy, onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse

class OnnxModel(MLModel):
    async def load(self):
        self.session = onnxruntime.InferenceSession(self.settings.parameters.uri)
        return True

    async def predict(self, payload):
        feed = {i.name: NumpyCodec.decode_input(i) for i in payload.inputs}
        outputs = self.session.run(None, feed)
        names = [o.name for o in self.session.get_outputs()]
        return InferenceResponse(model_name=self.name, outputs=[
            NumpyCodec.encode_output(name, numpy.asarray(o)) for name, o in zip(names, outputs)
        ])
"""


@dataclass(frozen=True, slots=True)
class MLServer:
    """Its installation.

    Attributes:
        python: The interpreter of its environment.
    """

    python: Path

    @classmethod
    def install(cls) -> "MLServer":
        """Make its environment from its lock, on first use.

        Raises:
            subprocess.CalledProcessError: It does not install here.
        """
        python = _ENVIRONMENT / "bin" / "python"
        stamp = _ENVIRONMENT / ".installed"
        if not stamp.exists():
            venv.create(_ENVIRONMENT, with_pip=True, clear=True)
            subprocess.run(
                [python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", _LOCK], check=True
            )
            stamp.touch()
        return cls(python)

    @contextmanager
    def serving(self, name: str, graph: Path, scratch: Path, body: bytes) -> Iterator[int]:
        """Serve a graph until the block ends; gives the port once a request was answered."""
        port = _free_port()
        (scratch / "onnx_model.py").write_text(_RUNTIME)
        settings = {"host": "127.0.0.1", "http_port": port, "grpc_port": _free_port()}
        settings |= {"metrics_port": _free_port(), "parallel_workers": 0}
        (scratch / "settings.json").write_text(json.dumps(settings))
        parameters = {"uri": str(graph.resolve())}
        model = {"name": name, "implementation": "onnx_model.OnnxModel", "parameters": parameters}
        (scratch / "model-settings.json").write_text(json.dumps(model))
        with _running([str(self._command), "start", str(scratch)], scratch):
            _post_until_answered(port, f"/v2/models/{name}/infer", body)
            yield port

    def infer_s(self, name: str, port: int, requests: Path, batch_size: int) -> float:
        """Seconds that `mlserver infer` takes for a file of requests, as it says: without its own launch."""
        command = [str(self._command), "infer", "--url", f"127.0.0.1:{port}", "--model-name", name]
        command += ["--input-data-path", str(requests), "--output-data-path", f"{requests}.out"]
        done = subprocess.run(
            [*command, "--batch-size", str(batch_size)], capture_output=True, text=True, check=True
        )
        return float(_TIME_TAKEN.findall(done.stdout + done.stderr)[-1])

    @property
    def _command(self) -> Path:
        return self.python.with_name("mlserver")


@contextmanager
def _running(command: list[str], folder: Path) -> Iterator[None]:
    with subprocess.Popen(
        command,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            yield
        finally:
            os.killpg(process.pid, 9)


def _post_until_answered(port: int, path: str, body: bytes) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        try:
            connection.request("POST", path, body, {"content-type": "application/json"})
            response = connection.getresponse()
            response.read()
        except OSError:
            time.sleep(0.005)
        else:
            if response.status == http.client.OK:
                return
            time.sleep(0.005)
        finally:
            connection.close()
    raise TimeoutError(f"no answer on port {port}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
