"""A cold function's launch beside MLServer's with the same model, to the first answer of each."""

import json
import time
from pathlib import Path

from modelet import paths
from modelet.bench.emulator import emulate
from modelet.bench.mlserver import MLServer
from modelet.bench.requests import Subject
from modelet.bench.sampling import Ratio, alternate, ratio


def measure(subject: Subject, scratch: Path, rounds: int) -> Ratio:
    """Compare a cold function's launch under AWS's emulator with MLServer's, to the first answer of each."""
    mlserver = MLServer.install()
    event = json.dumps(subject.json_event()).encode()

    def function_s() -> float:
        start = time.perf_counter()
        with emulate("handler.handler", paths.functions() / "predict", subject.environment()) as emulator:
            emulator.invoke(event)
            return time.perf_counter() - start

    def server_s() -> float:
        start = time.perf_counter()
        with mlserver.serving(subject.name, subject.folder / "model.onnx", scratch, subject.json_body()):
            return time.perf_counter() - start

    samples = alternate({"function s": function_s, "MLServer s": server_s}, rounds)
    return ratio(
        f"{subject.name}: launch of a cold function to its first answer / MLServer's",
        samples,
        lambda m: m["function s"] / m["MLServer s"],
        target=None,
    )
