"""ONNX Runtime in this process: its functions and the one environment all sessions share."""

from ctypes import c_int, c_void_p
from pathlib import Path
from threading import Lock

from modelet_runtime.ort.api import Api
from modelet_runtime.ort.library import find_library, open_library

# Nothing is logged: every failure comes back as a status, whose message the session's errors carry,
# and log lines would quote values of the payload.
_FATAL = 4
_DEVICE_ALLOCATOR, _DEFAULT_MEMORY = 0, 0


class Engine:
    """An opened library.

    Attributes:
        api: Its functions.
        environment: The OrtEnv; never released, since ONNX Runtime wants one for the whole process.
        cpu_memory: The OrtMemoryInfo of plain memory.
        allocator: The default OrtAllocator.
    """

    def __init__(self, library: Path) -> None:
        self.api = api = Api(open_library(library))
        self.environment = api.get(c_void_p, "CreateEnv", c_int(_FATAL), b"modelet")
        self.cpu_memory = api.get(c_void_p, "CreateCpuMemoryInfo", _DEVICE_ALLOCATOR, _DEFAULT_MEMORY)
        self.allocator = api.get(c_void_p, "GetAllocatorWithDefaultOptions")


_engines: dict[Path, Engine] = {}
_lock = Lock()


def load(library: Path | None = None) -> Engine:
    """Open ONNX Runtime once per process.

    Args:
        library: The C library; by default the one `find_library` finds.

    Raises:
        ArtifactError: (500) It is missing, too old or not ONNX Runtime.
    """
    with _lock:
        path = library or find_library()
        engine = _engines.get(path)
        if engine is None:
            engine = _engines[path] = Engine(path)
        return engine
