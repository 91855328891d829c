"""A small project with wheels of its own, so that layers are assembled without a package index."""

import hashlib
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

DOCKERFILE = Path(__file__).parents[2] / "functions" / "predict" / "Dockerfile"


class EchoCompiler:
    """Writes "bytecode" that names its source, and counts how often it was asked."""

    name = "echo"

    def __init__(self) -> None:
        self.runs: list[list[str]] = []

    def run(self, arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
        self.runs.append(arguments)
        for source in folder.rglob("*.py"):
            target = source.parent / "__pycache__" / f"{source.stem}.cpython-313.pyc"
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(b"compiled " + source.read_bytes())
        return subprocess.CompletedProcess([], 0, "", "")


def write_wheel(
    folder: Path, name: str, files: Mapping[str, str], tag: str = "py3-none-any", metadata: str = ""
) -> str:
    """Write a wheel, version 1.0; returns its sha256."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-1.0.dist-info"
    path = folder / f"{name}-1.0-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in files.items():
            archive.writestr(member.replace("INFO", info), text)
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{metadata}\n"
        )
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        archive.writestr(f"{info}/RECORD", "")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def requirement(name: str, *digests: str) -> str:
    """A pinned line of a requirements file."""
    return f"{name}==1.0 " + " ".join(f"--hash=sha256:{digest}" for digest in digests) + "\n"


def write_project(root: Path, wheels: Path) -> Path:
    """Write `layers/` and `functions/` of a project, with wheels for both architectures.

    The runtime has the wheels `engine` (one file of which is taken) and `helper` (taken whole) and the
    package `modelet_runtime`; the option `image` has `picture`, the option `text` has `words`.
    """
    engine = [
        write_wheel(
            wheels,
            "engine",
            {
                "engine/libengine.so.1": machine,
                "engine/binding.py": "import numpy",
                "engine/LICENSE": "be kind",
            },
            tag=f"cp313-cp313-manylinux_2_28_{machine}",
            metadata="License-Expression: MIT",
        )
        for machine in ("x86_64", "aarch64")
    ]
    helper = write_wheel(
        wheels,
        "helper",
        {
            "helper/__init__.py": "answer = 42",
            "helper/types.pyi": "",
            "helper/tests/test_it.py": "",
            "INFO/licenses/LICENSE.txt": "do as you like",
        },
        metadata="Classifier: License :: OSI Approved :: Apache Software License",
    )
    _write(
        root / "layers/runtime/requirements.txt",
        requirement("engine", *engine) + requirement("helper", helper),
    )
    _write(
        root / "layers/runtime/layer.toml",
        """
        packages = ["modelet_runtime"]
        [wheels]
        engine = ["engine/libengine.so.*"]
        """,
    )
    _write(root / "layers/runtime/modelet_runtime/__init__.py", "version = 1\n")
    for option, package in (("aws", "cloud"), ("image", "picture"), ("text", "words")):
        digest = write_wheel(wheels, package, {f"{package}.py": "x = 1", "INFO/LICENSE": "free"})
        _write(root / "layers/options" / option / "requirements.txt", requirement(package, digest))
    _write(root / "functions/entrypoint.py", "import sys\n")
    _write(root / "functions/predict/handler.py", "def handler(event, context): ...\n")
    _write(root / "functions/catalog/handler.py", "import helper\n")
    _write(root / "functions/catalog/page.html", "<p>\n")
    _write(root / "functions/predict/Dockerfile", DOCKERFILE.read_text())
    return root


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text))
