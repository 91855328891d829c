"""What this machine has, what it lacks, what that is for and how to get it."""

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from modelet import paths
from modelet.errors import Refused
from modelet.extras import requirements
from modelet.packaging.builder import TOOLS
from modelet.packaging.builder import works as builder_works
from modelet_runtime.errors import ArtifactError
from modelet_runtime.ort.library import find_library

State = Literal["ok", "missing", "optional"]
Which = Callable[[str], str | None]
Works = Callable[[str], bool]

_OLDEST_PYTHON, _FIRST_UNTESTED_PYTHON = (3, 11), (3, 14)
_EXTRAS: Mapping[str, str] = {
    "sklearn": "scikit-learn models",
    "torch": "PyTorch models",
    "keras": "Keras models",
    "tensorflow": "TensorFlow models",
    "examples": "the example file_type",
    "examples-frameworks": "the examples that PyTorch or Keras makes",
    "infra": "deploying with the CDK",
    "dev": "tests and checks",
}
_INSTALL_BUILDER = "install docker, podman, buildah or finch"
_TRITON = ("nvidia-pytriton", "the GPU endpoint on this machine")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked for.

    Attributes:
        name: What it is.
        state: `ok`, `missing` (modelet does not work without it) or `optional` (some commands need it).
        found: The version or place; empty if it is not there.
        needed_for: What works only with it.
        remedy: How to get it; empty if it is there.
    """

    name: str
    state: State
    found: str
    needed_for: str
    remedy: str


def examine(
    environ: Mapping[str, str] = os.environ,
    which: Which = shutil.which,
    home: Path | None = None,
    works: Works = builder_works,
) -> list[Finding]:
    """Look at everything.

    Args:
        environ: Where credentials may be.
        which: Finds a program on the path.
        home: The user's folder.
        works: Whether a container builder can build here.
    """
    return [
        _python(),
        _checkout(),
        *_packages(),
        _library(),
        *_extras(),
        _builder(environ, which, works),
        _program("node", which, "deploying with the CDK", "install the extra infra, which brings it"),
        _credentials(environ, home or Path.home()),
        _distribution(*_TRITON),
    ]


def _python() -> Finding:
    supported = _OLDEST_PYTHON <= sys.version_info[:2] < _FIRST_UNTESTED_PYTHON
    remedy = "" if supported else "use Python 3.11, 3.12 or 3.13"
    state: State = "ok" if supported else "missing"
    return Finding("Python", state, platform.python_version(), "everything", remedy)


def _checkout() -> Finding:
    try:
        return Finding("functions and layers", "ok", str(paths.root()), "modelet serve", "")
    except Refused as error:
        return Finding("functions and layers", "missing", "", "modelet serve", error.remedy)


def _packages() -> Iterator[Finding]:
    """The distributions that modelet itself requires and that are not there; one line if all are."""
    missing = [name for name, marker in requirements() if not marker and not _version(name)]
    for name in missing:
        yield Finding(name, "missing", "", "the toolchain", f"run `pip install {name}`")
    if not missing:
        yield Finding("packages", "ok", f"modelet {_version('modelet')}", "the toolchain", "")


def _library() -> Finding:
    name, purpose = "ONNX Runtime's C library", "building and running models"
    try:
        return Finding(name, "ok", find_library().name, purpose, "")
    except ArtifactError:
        return Finding(name, "missing", "", purpose, "run `pip install --force-reinstall onnxruntime`")


def _extras() -> Iterator[Finding]:
    for extra, purpose in _EXTRAS.items():
        names = [name for name, marker in requirements() if marker == extra]
        if not names:
            continue
        missing = [name for name in names if not _version(name)]
        remedy = f"run `pip install 'modelet[{extra}]'` (missing: {', '.join(missing)})" if missing else ""
        found = "" if missing else f"{len(names)} packages"
        yield Finding(f"extra {extra}", "optional" if missing else "ok", found, purpose, remedy)


def _builder(environ: Mapping[str, str], which: Which, works: Works) -> Finding:
    """The container builder that `modelet image` takes: the first that answers."""
    named = environ.get("CDK_DOCKER")
    paths = {tool: path for tool in ((named,) if named else TOOLS) if (path := which(tool))}
    working = next((tool for tool, path in paths.items() if works(path)), "")
    remedy = ""
    if not working:
        silent = ", ".join(paths)
        remedy = f"start {silent}, which is there and does not answer" if silent else _INSTALL_BUILDER
    return Finding("container builder", "ok" if working else "optional", working, "modelet image", remedy)


def _program(name: str, which: Which, purpose: str, remedy: str) -> Finding:
    path = which(name)
    return Finding(name, "ok" if path else "optional", path or "", purpose, "" if path else remedy)


def _credentials(environ: Mapping[str, str], home: Path) -> Finding:
    """Whether there are AWS credentials; they are looked for and not read."""
    names = ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE")
    found = [name for name in names if environ.get(name)]
    found += [f"~/.aws/{file}" for file in ("credentials", "config") if (home / ".aws" / file).is_file()]
    remedy = "" if found else "run `aws configure sso`, or set AWS_PROFILE"
    return Finding("AWS credentials", "ok" if found else "optional", ", ".join(found), "deploying", remedy)


def _distribution(name: str, purpose: str) -> Finding:
    version = _version(name)
    remedy = "" if version else f"run `pip install {name}` (Linux on x86_64)"
    return Finding(name, "ok" if version else "optional", version, purpose, remedy)


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
