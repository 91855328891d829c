"""What a `.pt2` may hold before PyTorch loads it: a graph of operators, plain weights and an example.

PyTorch's loader also takes pickles, compiled libraries, names of any function of its own as an operator,
and expressions that it evaluates as Python. It says itself not to load what one does not trust.

Source: https://docs.pytorch.org/docs/stable/export.html#serialization
"""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import torch

from modelet.build.converters.pt2_expressions import is_harmless
from modelet.errors import SourceRefused

_OPERATOR = re.compile(
    r"torch\.ops\.(aten|prim|prims|higher_order|quantized|quantized_decomposed|torchvision)(\.\w+)+"
    r"|torch\._?sym_\w+|_operator\.\w+|math\.\w+"
)
_STRUCTURE = re.compile(r"builtins\.(tuple|list|dict)|collections\.(OrderedDict|namedtuple)")
_PLAIN_PAYLOADS = ("weight_", "tensor_")


def check_archive(path: Path) -> None:
    """Refuse an archive that could do more than compute.

    Raises:
        SourceRefused: It is no archive, holds code, or was exported on another device than the CPU.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                _check_member(path.name, name, archive)
    except (zipfile.BadZipFile, ValueError, KeyError, TypeError) as error:
        raise SourceRefused(f"{path.name} is no exported program: {error}", "export it again") from error


def _check_member(file: str, name: str, archive: zipfile.ZipFile) -> None:
    parts = PurePosixPath(name).parts[1:]
    match parts:
        case ("data", "weights" | "constants", end) if end.endswith("_config.json"):
            _check_payloads(file, json.loads(archive.read(name)))
        case ("data", "weights" | "constants", end) if end.startswith(_PLAIN_PAYLOADS):
            pass
        case ("data", "sample_inputs", _):
            _check_example(file, archive.read(name))
        case ("models", end) if end.endswith(".json"):
            _check_graph(file, json.loads(archive.read(name)))
        case ("archive_format" | "archive_version" | "byteorder" | "version",) | (".data" | "extra", *_):
            pass
        case _:
            raise _unsafe(file, f"'{'/'.join(parts) or name}', which is no part of a plain program")


def _check_payloads(file: str, document: Any) -> None:
    for name, payload in document["config"].items():
        if payload["use_pickle"] or not payload["path_name"].startswith(_PLAIN_PAYLOADS):
            raise _unsafe(file, f"'{name}' as a pickle")
        device = payload["tensor_meta"]["device"]["type"]
        if device != "cpu":
            raise SourceRefused(
                f"{file} was exported on {device}",
                "move the program first: torch.export.passes.move_to_device_pass(program, 'cpu')",
            )


def _check_example(file: str, data: bytes) -> None:
    """PyTorch loads it without restrictions where its restricted loader does not take it."""
    if not data:
        return
    try:
        torch.load(io.BytesIO(data), weights_only=True)
    except Exception as error:  # unpickling raises whatever it was told to
        raise _unsafe(file, "an example of its inputs that is more than tensors") from error


def _check_graph(file: str, document: Any) -> None:
    for operator in _texts(document, "target"):
        if not _OPERATOR.fullmatch(operator):
            raise _unsafe(file, f"a call of {operator[:60]}")
    guards = document.get("guards_code") or []
    symbols = document.get("range_constraints") or {}
    for expression in (*_texts(document, "expr_str"), *guards, *symbols):
        if not is_harmless(expression):
            raise _unsafe(file, f"the expression {expression[:60]}")
    for key in ("in_spec", "out_spec"):
        for structure in _texts(document, key):
            _check_structure(file, structure)


def _check_structure(file: str, text: str) -> None:
    """Nested arguments and results: of Python's own types, others would be imported."""
    for name in _texts(json.loads(text), "type"):
        if not _STRUCTURE.fullmatch(name):
            raise _unsafe(file, f"arguments or results of type {name[:60]}")


def _texts(document: Any, key: str) -> Iterator[str]:
    """Every text under a key, however deep."""
    if isinstance(document, list):
        for item in document:
            yield from _texts(item, key)
    elif isinstance(document, dict):
        for name, value in document.items():
            if name == key and isinstance(value, str):
                yield value
            yield from _texts(value, key)


def _unsafe(file: str, what: str) -> SourceRefused:
    return SourceRefused(
        f"{file} holds {what}", "export it again with torch.export.save, or return the module from a function"
    )
