"""Runs the owner's own code (`train.py`) in a process of its own, under reproducible conditions.

What training computes depends on the kernels that the math libraries choose for the CPU, on the number of
threads and on the hash seed. The process gets the same of each on every machine that can have it.
"""

import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import onnx

from modelet.build.framing import receive, send
from modelet.errors import OwnerCodeFailed
from modelet.extras import missing
from modelet.tensor_json import from_json, to_json
from modelet_runtime.tensor import Tensor

# Kernels beyond these exist on some machines only. Source: https://numpy.org/doc/stable/reference/simd/build-options.html
_COMMON_FEATURES = frozenset({"X86_V3", "AVX", "AVX2", "F16C", "FMA3", "ASIMD", "ASIMDHP", "ASIMDDP", "NEON"})
# Keras is exported on TensorFlow, whatever a file in the home folder says; oneDNN chooses by CPU.
_TENSORFLOW = {
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "TF_DETERMINISTIC_OPS": "1",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
}
_LOG_LINES = 20
_END_TIMEOUT_S = 5

# One row as the owner's code gave it: a tensor, or one per input.
Row = Tensor | dict[str, Tensor]


class OwnerProcess:
    """A process that runs functions of a model's folder and keeps the model they returned.

    Use as a context manager; leaving it ends the process.
    """

    def __init__(self, folder: Path) -> None:
        """Start the process.

        Args:
            folder: The model's folder: working directory and first place for imports.
        """
        self._folder = folder
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self._socket, theirs = socket.socketpair()
        command = [
            sys.executable,
            "-P",
            "-B",
            "-u",
            "-m",
            "modelet.build.owner_process",
            str(theirs.fileno()),
        ]
        with theirs:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env={**os.environ, **reproducible_environment()},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=subprocess.STDOUT,
            )

    def build(
        self,
        function: str,
        module: str | None = None,
        unused: Sequence[str] = (),
        export: Mapping[str, Any] | None = None,
    ) -> "BuiltModel":
        """Call `train.py:build` and keep the model it returns, or the one whose weights it returns.

        Args:
            function: The function.
            module: `model.py:make`, which makes the module whose weights the function returns.
            unused: Patterns of weights that the module does not have.
            export: The keys of `[export]` that the recipe sets.

        Raises:
            OwnerCodeFailed: The function is not there, raised, or returned no model.
            MissingExtra: The framework it needs is not installed.
        """
        return self._build({"function": function}, module, unused, export)

    def read(
        self,
        kind: str,
        path: Path,
        module: str | None = None,
        unused: Sequence[str] = (),
        export: Mapping[str, Any] | None = None,
    ) -> "BuiltModel":
        """Read a file of a framework and keep the model.

        Args:
            kind: The converter that reads it.
            path: The file.
            module: `model.py:make`, which makes the module whose weights the file holds.
            unused: Patterns of weights that the module does not have.
            export: The keys of `[export]` that the recipe sets.

        Raises:
            OwnerCodeFailed: The file is broken or unsafe, does not fit, or the function failed.
            MissingExtra: The framework it needs is not installed.
        """
        return self._build({"kind": kind, "path": str(path.absolute())}, module, unused, export)

    def samples(self, function: str) -> list[Row]:
        """Call `train.py:samples`, which returns inputs for the graph, one per row.

        Raises:
            OwnerCodeFailed: The function is not there, raised, or returned something else.
        """
        rows = self._ask({"do": "samples", "function": function})["rows"]
        return [
            from_json(row["tensor"])
            if "tensor" in row
            else {name: from_json(tensor) for name, tensor in row["record"].items()}
            for row in rows
        ]

    def export(self) -> onnx.ModelProto:
        """Convert the kept model; a graph may be large, so it comes as a file."""
        with tempfile.TemporaryDirectory(prefix="modelet-") as scratch:
            path = Path(scratch) / "model.onnx"
            self._ask({"do": "export", "path": str(path)})
            return onnx.load_model_from_string(path.read_bytes())

    def run(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Let the kept model answer."""
        answer = self._ask({"do": "run", "inputs": [to_json(tensor) for tensor in inputs]})
        return [from_json(tensor) for tensor in answer["outputs"]]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
        try:
            self._process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _build(
        self,
        source: Mapping[str, str],
        module: str | None,
        unused: Sequence[str],
        export: Mapping[str, Any] | None,
    ) -> "BuiltModel":
        """Ask for a model from a function or a file."""
        wishes = {"module": module, "unused": list(unused), "export": dict(export or {})}
        answer = self._ask({"do": "build", "function": None, "path": None, **source, **wishes})
        return BuiltModel(self, answer["kind"])

    def _ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        try:
            send(self._socket, json.dumps(question).encode())
            answer: dict[str, Any] = json.loads(receive(self._socket))
        except (EOFError, OSError) as error:
            code = self._process.wait()
            where = question.get("function") or question.get("module") or self._folder.name
            reason = f"{where} ended its process with code {code}"
            raise OwnerCodeFailed(reason, output=self._last_lines()) from error
        if "module" in answer and (extra := missing(answer["module"])):
            raise extra
        if "error" in answer:
            raise OwnerCodeFailed(answer["error"], answer["remedy"], self._last_lines())
        return answer

    def _last_lines(self) -> str:
        """The end of what the code printed, its traceback included."""
        self._log.seek(0)
        return "\n".join(self._log.read().decode(errors="replace").splitlines()[-_LOG_LINES:])


class BuiltModel:
    """The model an `OwnerProcess` keeps, as an `Original`."""

    def __init__(self, process: OwnerProcess, kind: str) -> None:
        self.kind = kind
        self._process = process

    def export(self) -> onnx.ModelProto:
        """Convert to ONNX."""
        return self._process.export()

    def run(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Answer as the framework does."""
        return self._process.run(inputs)


def reproducible_environment() -> dict[str, str]:
    """Environment variables that make the math libraries choose alike on every machine.

    Source: https://github.com/OpenMathLib/OpenBLAS#setting-the-number-of-threads-using-environment-variables
    """
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    fixed = {"PYTHONHASHSEED": "0", "TZ": "UTC", "LC_ALL": "C.UTF-8", **_TENSORFLOW}
    found = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    if special := sorted(set(found) - _COMMON_FEATURES):
        fixed["NPY_DISABLE_CPU_FEATURES"] = " ".join(special)
    if platform.machine() == "x86_64" and "X86_V3" in found:
        fixed["OPENBLAS_CORETYPE"] = "Haswell"
        fixed |= {"ATEN_CPU_CAPABILITY": "avx2", "MKL_CBWR": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
    return threads | fixed
