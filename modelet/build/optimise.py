"""From a normalised graph to files a function loads: candidates, each optimised offline and saved."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import onnx
import onnxruntime

from modelet.build import ort_format
from modelet.build.normalise import strip
from modelet.errors import GraphRefused
from modelet_runtime.manifest import ONNX_FILE, ORT_FILE

_FATAL_ONLY = 4
_SAVE_FORMAT = "session.save_model_format"
_LEVELS = onnxruntime.GraphOptimizationLevel


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to store the weights, before it is measured.

    Attributes:
        precision: `fp32` is always one; quantised ones come beside it.
        graph: The graph to optimise.
    """

    precision: str
    graph: onnx.ModelProto


@dataclass(frozen=True, slots=True)
class Artifact:
    """A candidate on disk.

    Attributes:
        precision: The candidate's.
        folder: Holds `model.ort`, which is mapped, and `model.onnx`, which is optimised further while it
            loads: for the CPU at hand, or by a GPU endpoint.
        graph: The optimised graph.
    """

    precision: str
    folder: Path
    graph: onnx.ModelProto

    @property
    def ort(self) -> Path:
        """The file in ONNX Runtime's format."""
        return self.folder / ORT_FILE

    @property
    def onnx(self) -> Path:
        """The file in ONNX format."""
        return self.folder / ONNX_FILE

    def discard(self) -> None:
        """Remove the folder with what is left in it."""
        shutil.rmtree(self.folder)


def optimise(candidate: Candidate, target: Literal["cpu", "gpu"], folder: Path) -> Artifact:
    """Optimise a candidate and save it, the same bytes every time.

    The `.ort` file is optimised up to what is fast on every CPU. The `.onnx` file is the same graph for
    the CPU. For a GPU endpoint it is the graph as it came, whose engine optimises it itself: a session on
    this CPU would have every product of 16-bit floats computed in 32.

    Args:
        candidate: The graph.
        target: Who runs `model.onnx`.
        folder: An empty or new folder.

    Raises:
        GraphRefused: ONNX Runtime cannot load the graph.
    """
    folder.mkdir(parents=True, exist_ok=True)
    source = candidate.graph.SerializeToString(deterministic=True)
    optimised = source if target == "gpu" else _saved(source, "ONNX", _LEVELS.ORT_ENABLE_EXTENDED)
    graph = onnx.load_model_from_string(optimised)
    strip(graph, candidate.graph.graph.name)
    mapped = ort_format.canonical(_saved(source, "ORT", _LEVELS.ORT_ENABLE_EXTENDED))
    artifact = Artifact(candidate.precision, folder, graph)
    artifact.onnx.write_bytes(graph.SerializeToString(deterministic=True))
    artifact.ort.write_bytes(mapped)
    return artifact


def laid_out(path: Path) -> onnx.ModelProto:
    """The graph of an ONNX file as ONNX Runtime makes it for the CPU at hand when it loads."""
    return onnx.load_model_from_string(_saved(path.read_bytes(), "ONNX", _LEVELS.ORT_ENABLE_ALL))


def _saved(graph: bytes, form: str, level: onnxruntime.GraphOptimizationLevel) -> bytes:
    """The graph as ONNX Runtime saves it after optimising."""
    with tempfile.TemporaryDirectory(prefix="modelet-") as folder:
        path = Path(folder) / "graph"
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = level
        options.intra_op_num_threads = 1
        options.log_severity_level = _FATAL_ONLY
        options.optimized_model_filepath = str(path)
        options.add_session_config_entry(_SAVE_FORMAT, form)
        try:
            onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the binding's errors share no base but Exception
            raise GraphRefused(f"ONNX Runtime cannot optimise the graph: {error}") from error
        return path.read_bytes()
