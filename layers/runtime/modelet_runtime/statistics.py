"""What a model has done so far, counted as Triton's statistics extension counts it."""

from threading import Lock
from time import time_ns
from typing import Any

DURATIONS = ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output")


class Statistics:
    """Counters of one model in this process; safe to use from several threads.

    Source: https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/protocol/extension_statistics.html
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self.clear()

    def clear(self) -> None:
        """Forget what was counted; not while requests are under way."""
        self._counts = dict.fromkeys(DURATIONS, 0)
        self._durations_ns = dict.fromkeys(DURATIONS, 0)
        self._inference_count = 0
        self._execution_count = 0
        self._last_inference_at_ms = 0
        self._last_inference_ms = 0.0

    @property
    def inference_count(self) -> int:
        """Rows inferred."""
        return self._inference_count

    @property
    def execution_count(self) -> int:
        """Runs of the graph."""
        return self._execution_count

    @property
    def last_inference_ms(self) -> float:
        """How long the latest run of the graph took."""
        return self._last_inference_ms

    def add_success(self, rows: int, input_ns: int, infer_ns: int, output_ns: int) -> None:
        """Count one run.

        Args:
            rows: Size of the batch axis; 1 for a graph that has none.
            input_ns: Time spent on validation and stacking.
            infer_ns: Time spent in the session.
            output_ns: Time spent on splitting.
        """
        now_ms = time_ns() // 1_000_000
        with self._lock:
            self._inference_count += rows
            self._execution_count += 1
            self._last_inference_at_ms = now_ms
            self._last_inference_ms = infer_ns / 1e6
            self._add("success", input_ns + infer_ns + output_ns)
            self._add("queue", 0)  # nothing waits: Lambda gives an environment one request at a time
            self._add("compute_input", input_ns)
            self._add("compute_infer", infer_ns)
            self._add("compute_output", output_ns)

    def add_failure(self, elapsed_ns: int) -> None:
        """Count one request that was refused or failed."""
        with self._lock:
            self._add("fail", elapsed_ns)

    def as_dict(self) -> dict[str, Any]:
        """The entry of one model in Triton's `model_stats`, without name and version."""
        with self._lock:
            return {
                "last_inference": self._last_inference_at_ms,
                "inference_count": self._inference_count,
                "execution_count": self._execution_count,
                "inference_stats": {
                    name: {"count": self._counts[name], "ns": self._durations_ns[name]} for name in DURATIONS
                },
            }

    def _add(self, name: str, elapsed_ns: int) -> None:
        self._counts[name] += 1
        self._durations_ns[name] += elapsed_ns
