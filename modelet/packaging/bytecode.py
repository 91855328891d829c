"""Bytecode for the base image's Python, the same bytes whichever Python this machine has.

Without it a read-only image compiles every module at every cold start. Bytecode fits one minor version
of Python, and patch releases of one version write different bytes, so a layer compiled by whatever is
installed would differ between machines. Decision 0071 has the figures.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Protocol

from modelet.packaging.errors import CompilationFailed, CompilerUnavailable
from modelet.packaging.platforms import BYTECODE_MAGIC, PYTHON_VERSION
from modelet.packaging.pyodide import Pyodide

_TAG = f"cpython-{PYTHON_VERSION.replace('.', '')}"
# Unchecked: the interpreter neither opens nor stats the source, which a read-only image cannot change.
_COMPILEALL = ["-q", "-f", "-j", "1", "-o", "0", "--invalidation-mode", "unchecked-hash"]


class Compiler(Protocol):
    """Something that compiles a folder in place with the standard library's `compileall`."""

    @property
    def name(self) -> str:
        """What the record of a layer calls it."""
        ...

    def run(self, arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
        """Run `python -m compileall` with these arguments, the last of which names `folder`."""
        ...


class Interpreter:
    """A Python of the right version on this machine: the second choice, as patch releases vary."""

    def __init__(self, executable: str) -> None:
        self._executable = executable

    @cached_property
    def name(self) -> str:
        """Its exact version.

        Raises:
            CompilerUnavailable: It writes another kind of bytecode.
        """
        code = "import platform, importlib.util as u; print(platform.python_version(), u.MAGIC_NUMBER.hex())"
        done = subprocess.run(
            [self._executable, "-I", "-c", code], capture_output=True, text=True, check=False
        )
        version, _, magic = done.stdout.strip().partition(" ")
        if done.returncode or magic != BYTECODE_MAGIC.hex():
            raise CompilerUnavailable(f"{self._executable} is not a Python {PYTHON_VERSION}", "take another")
        return f"CPython {version} of this machine"

    def run(self, arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
        """Run `compileall`."""
        command = [self._executable, "-I", "-m", "compileall", *arguments, str(folder)]
        return subprocess.run(command, capture_output=True, text=True, check=False)


def choose(cache: Path) -> Compiler:
    """The pinned compiler; without it, a Python of the right version on this machine.

    Raises:
        CompilerUnavailable: There is neither.
    """
    pinned = Pyodide(cache)
    try:
        pinned.prepare()
    except CompilerUnavailable as reason:
        for executable in (sys.executable, shutil.which(f"python{PYTHON_VERSION}")):
            local = Interpreter(executable) if executable else None
            if local and _works(local):
                return local
        raise CompilerUnavailable(
            f"bytecode for Python {PYTHON_VERSION} cannot be compiled here: {reason.reason}",
            f"{reason.remedy}, or put a python{PYTHON_VERSION} on the PATH",
        ) from reason
    return pinned


def compile_sources(sources: Mapping[str, bytes], compiler: Compiler) -> dict[str, bytes]:
    """Bytecode of every `.py` file of a tree.

    Args:
        sources: Files by their path in the image; others than `.py` are passed over.
        compiler: What compiles them.

    Returns:
        The bytecode by the path where Python looks for it, beside its source.

    Raises:
        CompilationFailed: A file is not valid Python of the base image's version.
    """
    modules = {name: data for name, data in sources.items() if name.endswith(".py")}
    if not modules:
        return {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        for module, data in modules.items():
            (folder / module).parent.mkdir(parents=True, exist_ok=True)
            (folder / module).write_bytes(data)
        # `-s` and `-p` put the path that a file has in the image into tracebacks.
        done = compiler.run([*_COMPILEALL, "-s", str(folder), "-p", "/"], folder)
        compiled = {module: folder / _cached(module) for module in modules}
        failed = sorted(module for module, path in compiled.items() if not path.exists())
        if done.returncode or failed:
            raise CompilationFailed(f"{', '.join(failed)}: {(done.stdout + done.stderr).strip()[-1000:]}")
        return {_cached(module): path.read_bytes() for module, path in compiled.items()}


def _works(interpreter: Interpreter) -> bool:
    try:
        return bool(interpreter.name)
    except CompilerUnavailable:
        return False


def _cached(module: str) -> str:
    path = Path(module)
    return str(path.parent / "__pycache__" / f"{path.stem}.{_TAG}.pyc")
