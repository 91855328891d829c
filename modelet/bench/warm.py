"""Warm requests: what the handler adds to `session.run`, in one process."""

import contextlib
import io
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import onnxruntime

from modelet.bench.requests import Subject
from modelet.bench.sampling import Ratio, alternate, ratio
from modelet.build.arrays import to_array
from modelet_runtime import startup
from modelet_runtime.http import lambda_event
from modelet_runtime.settings import Settings

_CALLS_PER_ROUND = 20
_TARGET = 1.10


@dataclass(slots=True)
class _Context:
    """Lambda's context object, with all the time there is."""

    aws_request_id: str = "bench"
    invoked_function_arn: str = "arn:aws:lambda:eu-west-1:000000000000:function:bench"

    def get_remaining_time_in_millis(self) -> int:
        return 30_000


def measure(subject: Subject, rounds: int) -> list[Ratio]:
    """Compare a request through the handler with the binding's `run` of the same artifact and threads."""
    settings = replace(Settings.from_environment({}), model_dir=subject.folder)
    application = startup.begin(settings).finish(lambda_event.fits)
    context = _Context()
    peer = _binding(subject)
    ratios = []
    for form, event in (("binary", subject.binary_event()), ("JSON", subject.json_event())):

        def ours(event: lambda_event.Event = event) -> None:
            with contextlib.redirect_stdout(io.StringIO()):
                lambda_event.answer(application, event, context)

        samples = alternate({"handler ms": _timed_ms(ours), "session.run ms": _timed_ms(peer)}, rounds)
        ratios.append(
            ratio(
                f"{subject.name}: warm {form} request through the handler / session.run",
                samples,
                lambda m: m["handler ms"] / m["session.run ms"],
                # A model of microseconds is all overhead; the aim is for one that computes.
                target=_TARGET if subject.name == "file_type" else None,
            )
        )
    return ratios


def _binding(subject: Subject) -> Callable[[], None]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(subject.graph_file, options, providers=["CPUExecutionProvider"])
    feed = {tensor.name: to_array(tensor) for tensor in subject.inputs}
    return lambda: session.run(None, feed)


def _timed_ms(call: Callable[[], object]) -> Callable[[], float]:
    """Milliseconds per call, over a few calls: one alone is shorter than the machine's hiccups."""

    def measure_once() -> float:
        start = time.perf_counter()
        for _ in range(_CALLS_PER_ROUND):
            call()
        return (time.perf_counter() - start) * 1000 / _CALLS_PER_ROUND

    return measure_once
