"""Finding and opening ONNX Runtime's C library, and what doing so leaves behind."""

import _ctypes
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from ctypes import CFUNCTYPE, POINTER, byref, c_uint32, c_void_p, cast, create_string_buffer
from pathlib import Path

import onnxruntime
import pytest
from support.binding import save
from support.graphs import softmax, table_lookup

import modelet_runtime
from modelet_runtime.errors import ArtifactError
from modelet_runtime.ort import OrtSession, find_library
from modelet_runtime.ort.library import OrtApiBase, function_table, open_library


def package(root: Path, *names: str) -> Path:
    folder = root / "onnxruntime" / "capi"
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch()
    return folder


def test_finds_the_library_of_the_installed_package() -> None:
    library = find_library()
    assert library.name == f"libonnxruntime.so.{onnxruntime.__version__}"
    assert open_library(library).GetVersionString().decode() == onnxruntime.__version__


def test_takes_the_newest_and_nothing_else(tmp_path: Path) -> None:
    folder = package(
        tmp_path,
        "libonnxruntime.so.1.9.1",
        "libonnxruntime.so.1.31.1",
        "libonnxruntime_providers_shared.so",
        "libonnxruntime.so.debug",
        "onnxruntime_pybind11_state.so",
    )
    assert find_library([str(tmp_path)]) == folder / "libonnxruntime.so.1.31.1"


def test_takes_the_first_on_the_path_as_an_import_would(tmp_path: Path) -> None:
    package(tmp_path / "empty")
    first = package(tmp_path / "first", "libonnxruntime.1.27.0.dylib")
    package(tmp_path / "second", "libonnxruntime.so.1.31.1")
    path = [str(tmp_path / name) for name in ("nowhere", "empty", "first", "second")]
    assert find_library(path) == first / "libonnxruntime.1.27.0.dylib"


def test_says_what_to_do_without_a_library(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"C library is missing.*install the onnxruntime package, 1\.26"):
        find_library([str(tmp_path)])


@pytest.mark.parametrize("name", ["nothing.so", "text.so"])
def test_refuses_what_cannot_be_opened(tmp_path: Path, name: str) -> None:
    (tmp_path / "text.so").write_text("no library at all")
    with pytest.raises(ArtifactError, match=f"cannot be opened: {name}") as caught:
        open_library(tmp_path / name)
    assert str(tmp_path) not in str(caught.value)


def test_refuses_another_library(tmp_path: Path) -> None:
    other = Path(_ctypes.__file__)
    with pytest.raises(ArtifactError, match=r"_ctypes.* is not ONNX Runtime: it has no OrtGetApiBase"):
        OrtSession(save(tmp_path, softmax()), library=other)


@pytest.mark.parametrize(
    ("version", "table", "accepted"),
    [
        ("1.31.1", 1234, True),
        ("1.26.0", 1234, True),
        ("1.26.0-rc1", 1234, True),
        ("2.0.0", 1234, True),
        ("2.0.0", None, False),
        ("1.25.9", 1234, False),
        ("1.9.0", 1234, False),
        ("nonsense", 1234, False),
    ],
)
def test_checks_the_version(version: str, table: int | None, accepted: bool) -> None:
    text = create_string_buffer(version.encode())
    get_table = CFUNCTYPE(c_void_p, c_uint32)(lambda number: table if number == 26 else None)
    get_version = CFUNCTYPE(c_void_p)(lambda: cast(text, c_void_p).value)
    functions = (c_void_p * 2)(cast(get_table, c_void_p), cast(get_version, c_void_p))
    base = cast(byref(functions), POINTER(OrtApiBase)).contents
    if accepted:
        assert function_table(base) == table
    else:
        with pytest.raises(ArtifactError, match=rf"ONNX Runtime {version} is too old: 1\.26 or newer"):
            function_table(base)


RUNTIME = str(Path(modelet_runtime.__file__).parents[1])
PROGRAM = """
import json, os, sys
from pathlib import Path
from modelet_runtime.ort import OrtSession
from modelet_runtime.tensor import DATATYPES, Tensor
answers = []
session = OrtSession(Path(sys.argv[1]))
for place in (1, 1, 1, 9, 9):
    try:
        index = Tensor.from_values("index", DATATYPES["INT64"], (1,), [place])
        answers += session.run([index])[0].values().tolist()
    except Exception as error:
        answers.append(type(error).__name__)
print(json.dumps({
    "answers": answers, "modules": sorted(sys.modules), "threads": os.listdir("/proc/self/task"),
}))
# What is alive when the process ends must not make it complain: the session, a view, the watching thread.
view = session.run([Tensor.from_buffer("index", DATATYPES["INT64"], (9000,), bytes(72000))], timeout_s=60)
"""


def run_alone(model: Path, home: Path, **environment: str) -> tuple[Mapping[str, object], str]:
    """Run a graph in a process of its own, with a home folder of its own and no sign of a CI."""
    home.mkdir()
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(model)],
        capture_output=True,
        text=True,
        check=True,
        cwd=home,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": RUNTIME, **environment},
    )
    answer: Mapping[str, object] = json.loads(result.stdout)
    return answer, result.stderr


def test_a_process_stays_lean_and_silent(tmp_path: Path) -> None:
    report, logged = run_alone(save(tmp_path, table_lookup()), tmp_path / "home")
    assert report["answers"] == [1, 1, 1, "InferenceRejected", "InferenceRejected"]
    assert logged == ""
    modules = report["modules"]
    assert isinstance(modules, list)
    roots = {module.partition(".")[0] for module in modules}
    assert not roots & {"numpy", "onnxruntime", "onnx", "pydantic", "boto3", "importlib_metadata"}


@pytest.mark.parametrize("environment", [{}, {"ORT_DISABLE_TELEMETRY": "0"}], ids=["unset", "asked for"])
def test_no_telemetry(tmp_path: Path, environment: Mapping[str, str]) -> None:
    home = tmp_path / "home"
    report, _ = run_alone(save(tmp_path, table_lookup()), home, **environment)
    assert list(home.iterdir()) == [], (
        "a device id and a database of events lie under ~/.cache with telemetry on"
    )
    threads = report["threads"]
    assert isinstance(threads, list)
    assert len(threads) == 1, "the uploader would be a second one"
