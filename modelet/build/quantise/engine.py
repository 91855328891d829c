"""ONNX Runtime's Python binding, as the quantisers use it: in process, quiet, and the same every time."""

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

Array = npt.NDArray[np.generic] | npt.NDArray[np.object_]
Feed = Mapping[str, Array]
Level = Literal["none", "basic", "all"]

_LEVELS: dict[Level, onnxruntime.GraphOptimizationLevel] = {
    "none": onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "basic": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "all": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
}
_FATAL_ONLY = 4
_PROVIDERS = ["CPUExecutionProvider"]


class Binding:
    """A graph in memory, run on one thread.

    Attributes:
        types: Type and shape per output, as ONNX Runtime inferred them.
    """

    def __init__(self, model: onnx.ModelProto, level: Level = "none") -> None:
        """Load a graph.

        Args:
            model: The graph, with its weights.
            level: How far it is optimised first; `none` keeps every node as written.
        """
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), _options(level), providers=_PROVIDERS
        )
        self._names = [output.name for output in self._session.get_outputs()]
        self.types = {output.name: (output.type, output.shape) for output in self._session.get_outputs()}

    def run(self, feed: Feed) -> dict[str, Array]:
        """Every output, by name."""
        if not self._names:  # a graph that is asked for its inputs only
            return {}
        return dict(zip(self._names, self._session.run(self._names, dict(feed)), strict=True))

    def run_all(self, feeds: Sequence[Feed]) -> list[dict[str, Array]]:
        """Every output of every run."""
        return [self.run(feed) for feed in feeds]


def folded(model: onnx.ModelProto, without: Sequence[str] = ()) -> onnx.ModelProto:
    """The graph after ONNX Runtime's basic optimisations: standard operators only, nothing fused away.

    Args:
        model: A checked graph.
        without: Optimisers to leave out, by ONNX Runtime's names for them.
    """
    with tempfile.TemporaryDirectory(prefix="modelet-") as folder:
        path = Path(folder) / "graph.onnx"
        options = _options("basic")
        options.optimized_model_filepath = str(path)
        onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=_PROVIDERS, disabled_optimizers=list(without)
        )
        return onnx.load_model_from_string(path.read_bytes())


@contextmanager
def quiet() -> Iterator[None]:
    """Keep ONNX Runtime's quantisers from logging; they configure the root logger if nobody has."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(disabled)


def _options(level: Level) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = _LEVELS[level]
    options.intra_op_num_threads = 1
    options.log_severity_level = _FATAL_ONLY
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options
