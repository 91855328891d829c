"""The pinned compiler: CPython built for WebAssembly, which compiles to the same bytes everywhere.

PyPI carries no interpreter of another version than one's own; npm carries Pyodide, which is CPython
itself, and Node runs it. One archive serves every operating system and machine.
"""

import base64
import hashlib
import os
import subprocess
import tarfile
import tempfile
import urllib.request
from io import BytesIO
from pathlib import Path

from modelet.packaging.errors import CompilerUnavailable
from modelet.packaging.node import node

# Pyodide 0.29 is the last to carry Python 3.13.
VERSION = "0.29.5"
PYTHON_PATCH = "3.13.2"
# As `https://registry.npmjs.org/pyodide/0.29.5` states it under `dist.integrity`.
_SHA512 = "TkYrUv9m8QmfImADKRmpwZulL48E0uUaBSO+dvRQKyAJc0qh9gu7jn8btyHPh3NZm1r2IH2YrJhIr7Q2B9urAw=="
_REGISTRY = "https://registry.npmjs.org"
_MIRROR = "name a mirror of the npm registry in NPM_CONFIG_REGISTRY"
_TIMEOUT_S = 120
_SCRIPT = Path(__file__).with_name("compileall.mjs")


class Pyodide:
    """Runs `compileall` inside Pyodide.

    Args:
        cache: Where it is kept once it has been fetched.
    """

    name = f"CPython {PYTHON_PATCH} (Pyodide {VERSION})"

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._folder = cache / f"pyodide-{VERSION}"

    def prepare(self) -> None:
        """Fetch what is missing.

        Raises:
            CompilerUnavailable: The registry, or where Node is missing the package index, says no.
        """
        node(self._cache)
        if not self._folder.exists():
            _fetch(self._folder)

    def run(self, arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
        """Run `python -m compileall`; nothing of this machine but `folder` is visible to it."""
        command = [str(node(self._cache)), str(_SCRIPT), str(self._folder), str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)


def _fetch(folder: Path) -> None:
    registry = os.environ.get("NPM_CONFIG_REGISTRY", _REGISTRY).rstrip("/")
    url = f"{registry}/pyodide/-/pyodide-{VERSION}.tgz"
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response:  # noqa: S310 - checked by its hash
            data = response.read()
    except OSError as error:
        raise CompilerUnavailable(f"{url} cannot be fetched ({error})", _MIRROR) from error
    if base64.b64encode(hashlib.sha512(data).digest()).decode() != _SHA512:
        raise CompilerUnavailable(f"{url} is not the file that was pinned", _MIRROR)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        with tarfile.open(fileobj=BytesIO(data)) as tar:
            tar.extractall(name, filter="data")
        (Path(name) / "package").rename(folder)
