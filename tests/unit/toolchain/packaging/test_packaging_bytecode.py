import subprocess
from pathlib import Path

import pytest
from support.projects import EchoCompiler

from modelet.packaging.bytecode import Interpreter, choose, compile_sources
from modelet.packaging.errors import CompilationFailed, CompilerUnavailable
from modelet.packaging.pyodide import VERSION, Pyodide

# What `python3.13 -I -c ...` prints where it is 3.13: its version, and the magic number of its bytecode.
PYTHON_3_13 = "3.13.7 f30d0d0a"


class Refusing:
    name = "refusing"

    def run(self, arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], 1, "SyntaxError: invalid syntax", "")


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing on it, and no way to reach a registry or an index."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", (tmp_path / "registry").as_uri())
    return folder


def program(folder: Path, name: str, prints: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{prints}'\n")
    path.chmod(0o755)
    return path


class TestCompileSources:
    def test_gives_the_bytecode_of_each_module_where_python_looks_for_it(self) -> None:
        sources = {"opt/python/a.py": b"1", "opt/python/b/__init__.py": b"2", "opt/python/b/data.json": b"{}"}

        assert compile_sources(sources, EchoCompiler()) == {
            "opt/python/__pycache__/a.cpython-313.pyc": b"compiled 1",
            "opt/python/b/__pycache__/__init__.cpython-313.pyc": b"compiled 2",
        }

    def test_asks_for_unchecked_bytecode_with_the_paths_of_the_image(self) -> None:
        compiler = EchoCompiler()
        compile_sources({"opt/python/a.py": b""}, compiler)

        (arguments,) = compiler.runs
        assert arguments[arguments.index("--invalidation-mode") + 1] == "unchecked-hash"
        assert arguments[arguments.index("-p") + 1] == "/"

    def test_starts_no_compiler_for_nothing(self) -> None:
        compiler = EchoCompiler()

        assert compile_sources({"opt/model/model.ort": b""}, compiler) == {}
        assert compiler.runs == []

    def test_names_the_file_that_is_not_python(self) -> None:
        with pytest.raises(CompilationFailed, match=r"opt/a\.py: SyntaxError"):
            compile_sources({"opt/a.py": b"def"}, Refusing())


class TestChoose:
    def test_takes_a_python_of_the_right_version_where_the_pinned_compiler_cannot_be_had(
        self, programs: Path, tmp_path: Path
    ) -> None:
        program(programs, "python3.13", PYTHON_3_13)

        chosen = choose(tmp_path / "cache")

        # This Python itself is preferred, where it is of the right version.
        assert chosen.name.endswith("of this machine")
        assert "3.13." in chosen.name

    def test_prefers_the_pinned_compiler(self, programs: Path, tmp_path: Path) -> None:
        program(programs, "node", "v22.0.0")
        program(programs, "python3.13", PYTHON_3_13)
        (tmp_path / "cache" / f"pyodide-{VERSION}").mkdir(parents=True)

        assert isinstance(choose(tmp_path / "cache"), Pyodide)


class TestInterpreter:
    def test_refuses_an_interpreter_whose_bytecode_the_base_image_would_not_take(
        self, tmp_path: Path
    ) -> None:
        with pytest.raises(CompilerUnavailable, match=r"is not a Python 3\.13"):
            print(Interpreter(str(program(tmp_path, "python3.13", "3.12.1 cb0d0d0a"))).name)  # noqa: T201


class TestPyodide:
    def test_refuses_an_archive_that_is_not_the_pinned_one(self, programs: Path, tmp_path: Path) -> None:
        program(programs, "node", "v22.0.0")
        served = tmp_path / "registry" / "pyodide" / "-" / f"pyodide-{VERSION}.tgz"
        served.parent.mkdir(parents=True)
        served.write_bytes(b"something else")

        with pytest.raises(CompilerUnavailable, match="not the file that was pinned"):
            Pyodide(tmp_path / "cache").prepare()
        assert not (tmp_path / "cache" / f"pyodide-{VERSION}").exists()

    def test_says_which_registry_cannot_be_reached(self, programs: Path, tmp_path: Path) -> None:
        program(programs, "node", "v22.0.0")

        with pytest.raises(CompilerUnavailable, match="NPM_CONFIG_REGISTRY"):
            Pyodide(tmp_path / "cache").prepare()
