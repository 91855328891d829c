"""MLServer with the same model, in an environment of its own: from launch to the first answer."""

import http.client
import json
import os
import socket
import subprocess
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from modelet import paths
from modelet.bench.emulator import emulate
from modelet.bench.requests import Subject
from modelet.bench.sampling import Ratio, alternate, ratio

_LOCK = paths.root() / "requirements" / "mlserver.lock"
_ENVIRONMENT = paths.root() / ".cache" / "mlserver"
_START_TIMEOUT_S = 60
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


def _install_mlserver() -> Path:
    """The Python of MLServer's environment, made on first use from its lock.

    Raises:
        subprocess.CalledProcessError: MLServer does not install here.
    """
    python = _ENVIRONMENT / "bin" / "python"
    stamp = _ENVIRONMENT / ".installed"
    if not stamp.exists():
        venv.create(_ENVIRONMENT, with_pip=True, clear=True)
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", _LOCK], check=True
        )
        stamp.touch()
    return python


def measure(subject: Subject, scratch: Path, rounds: int) -> Ratio:
    """Compare a cold function's launch under AWS's emulator with MLServer's, to the first answer of each."""
    python = _install_mlserver()
    event = json.dumps(subject.json_event()).encode()

    def function_s() -> float:
        start = time.perf_counter()
        with emulate("handler.handler", paths.functions() / "predict", subject.environment()) as emulator:
            emulator.invoke(event)
            return time.perf_counter() - start

    samples = alternate(
        {"function s": function_s, "MLServer s": lambda: _launch_s(python, subject, scratch)}, rounds
    )
    return ratio(
        f"{subject.name}: launch of a cold function to its first answer / MLServer's",
        samples,
        lambda m: m["function s"] / m["MLServer s"],
        target=None,
    )


def _launch_s(python: Path, subject: Subject, scratch: Path) -> float:
    """Seconds from launching MLServer to its first answer to an Open Inference Protocol request."""
    model = subject.name
    port = _free_port()
    (scratch / "onnx_model.py").write_text(_RUNTIME)
    (scratch / "settings.json").write_text(
        json.dumps(
            {
                "host": "127.0.0.1",
                "http_port": port,
                "grpc_port": _free_port(),
                "metrics_port": _free_port(),
                "parallel_workers": 0,
            }
        )
    )
    (scratch / "model-settings.json").write_text(
        json.dumps(
            {
                "name": model,
                "implementation": "onnx_model.OnnxModel",
                "parameters": {"uri": str(subject.folder.resolve() / "model.onnx")},
            }
        )
    )
    start = time.perf_counter()
    with _running([str(python.with_name("mlserver")), "start", str(scratch)], scratch):
        _post_until_answered(port, f"/v2/models/{model}/infer", subject.json_body())
        return time.perf_counter() - start


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
