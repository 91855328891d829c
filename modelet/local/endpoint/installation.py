"""Where a Triton server for the CPU is: the one in NVIDIA's wheel, in an environment of its own.

The wheel asks for an older numpy than the toolchain, so it does not share its environment.
"""

import os
import shutil
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from modelet import paths

VARIABLE = "MODELET_TRITON"
_DEFAULT = Path(".cache") / "triton"


@dataclass(frozen=True, slots=True)
class Installation:
    """An environment that has the wheel `nvidia-pytriton`.

    Attributes:
        packages: Its `site-packages`.
    """

    packages: Path

    @classmethod
    def find(cls, environ: Mapping[str, str] = os.environ) -> "Installation | None":
        """The environment that `MODELET_TRITON` names, or else the one that `make` makes."""
        folder = Path(environ[VARIABLE]) if VARIABLE in environ else paths.root() / _DEFAULT
        found = sorted(folder.glob("lib/python3.*/site-packages/pytriton/tritonserver/bin/tritonserver"))
        return cls(found[-1].parents[3]) if found else None

    @property
    def program(self) -> Path:
        """The server."""
        return self._triton / "bin" / "tritonserver"

    def environment(self) -> dict[str, str]:
        """What the server's process needs to find its libraries and the interpreter it embeds."""
        python = sysconfig.get_config_vars()
        libraries = [str(python["LIBDIR"]), str(self.packages / "nvidia_pytriton.libs")]
        return {
            "LD_LIBRARY_PATH": os.pathsep.join(libraries),
            "PYTHONHOME": str(python["base"]),
            "MODELET_TRITON_PACKAGES": str(self.packages),
        }

    def write_backends(self, folder: Path) -> None:
        """Lay out a backend directory: Triton's Python backend, and ours for ONNX Runtime that runs on it."""
        version = self.packages.parent.name.removeprefix("python")
        python = folder / "python"
        shutil.copytree(self._triton / "backends" / "python", python)
        stub = self._triton / "python_backend_stubs" / version / "triton_python_backend_stub"
        shutil.copy(stub, python)
        shutil.copytree(paths.root() / "layers" / "gpu" / "onnxruntime", folder / "onnxruntime")

    @property
    def _triton(self) -> Path:
        return self.packages / "pytriton" / "tritonserver"
