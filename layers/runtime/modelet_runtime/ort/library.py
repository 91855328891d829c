"""ONNX Runtime's plain C library: where it lies, whether it is new enough, and opening it.

The `onnxruntime` wheel ships the C library beside its Python binding, which does not need it. It is
found by its file name on `sys.path`: importing the package would bring numpy, and asking
`importlib.metadata` would cost more than the search.
"""

import os
import sys
from collections.abc import Iterable
from ctypes import CDLL, CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_uint32, c_void_p
from pathlib import Path

from modelet_runtime.errors import ArtifactError

# 1.26 is the first release that maps `.ort` files, and its API number is the minor version.
# Source: https://github.com/microsoft/onnxruntime/pull/28164
MINIMUM_VERSION = (1, 26)
_API_NUMBER = 26

_FOLDER = os.path.join("onnxruntime", "capi")
# libonnxruntime.so.1.31.1 on Linux, libonnxruntime.1.31.1.dylib on macOS.
_AFFIXES = (("libonnxruntime.so.", ""), ("libonnxruntime.", ".dylib"))


class OrtApiBase(Structure):
    """The library's only entry point: it answers its version and hands out the function table."""

    _fields_ = (
        ("GetApi", CFUNCTYPE(c_void_p, c_uint32)),
        ("GetVersionString", CFUNCTYPE(c_char_p)),
    )


def find_library(search_path: Iterable[str] | None = None) -> Path:
    """Find the newest C library of the `onnxruntime` packages on a search path.

    Args:
        search_path: Folders that hold packages; by default `sys.path`.

    Raises:
        ArtifactError: (500) There is none.
    """
    for entry in sys.path if search_path is None else search_path:
        folder = os.path.join(entry, _FOLDER)
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        versions = {_version_in(name): name for name in names}
        newest = max(versions, default=())
        if newest:
            return Path(folder, versions[newest])
    raise ArtifactError(
        "ONNX Runtime's C library is missing: no onnxruntime/capi/libonnxruntime.so.* on the Python path; "
        f"install the onnxruntime package, {_dotted(MINIMUM_VERSION)} or newer"
    )


def open_library(path: Path) -> OrtApiBase:
    """Open the C library with its telemetry off, without holding the GIL.

    Raises:
        ArtifactError: (500) The file cannot be opened as ONNX Runtime.
    """
    # Since 1.29 the official builds upload events to Microsoft, and keep a device id and a database
    # in the home folder, unless this is set before the first environment is created.
    # Source: https://github.com/microsoft/onnxruntime/blob/main/docs/Privacy.md
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    # `CDLL(path)` would hold the GIL while 29 MB are mapped and relocated, 30 ms on a cold cache, and
    # so stop the imports that run meanwhile; a foreign call to dlopen does not.
    process = CDLL(None)
    process.dlopen.restype = c_void_p
    process.dlopen.argtypes = (c_char_p, c_int)
    process.dlerror.restype = c_char_p
    handle = process.dlopen(os.fsencode(path), os.RTLD_NOW | os.RTLD_LOCAL)
    if not handle:
        reason = (process.dlerror() or b"").decode(errors="replace").replace(str(path), path.name)
        raise ArtifactError(f"ONNX Runtime's C library cannot be opened: {reason}")
    try:
        entry_point = CDLL(str(path), handle=handle).OrtGetApiBase
    except AttributeError as error:
        raise ArtifactError(f"{path.name} is not ONNX Runtime: it has no OrtGetApiBase") from error
    entry_point.restype = POINTER(OrtApiBase)
    base: OrtApiBase = entry_point().contents
    return base


def function_table(base: OrtApiBase) -> int:
    """The address of the table of C functions that this package was written against.

    Raises:
        ArtifactError: (500) The library is older than `MINIMUM_VERSION`.
    """
    text = base.GetVersionString().decode()
    release = _numbers(".".join(text.split(".")[:2]))
    table: int | None = base.GetApi(_API_NUMBER) if release >= MINIMUM_VERSION else None
    if not table:
        raise ArtifactError(f"ONNX Runtime {text} is too old: {_dotted(MINIMUM_VERSION)} or newer is needed")
    return table


def _version_in(file_name: str) -> tuple[int, ...]:
    """The version a library's file name ends with; nothing for other files."""
    for prefix, suffix in _AFFIXES:
        if file_name.startswith(prefix) and file_name.endswith(suffix):
            return _numbers(file_name.removeprefix(prefix).removesuffix(suffix))
    return ()


def _numbers(version: str) -> tuple[int, ...]:
    numbers = version.split(".")
    return tuple(map(int, numbers)) if all(number.isdecimal() for number in numbers) else ()


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
