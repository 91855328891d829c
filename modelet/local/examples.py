"""Commands that work when they are pasted, made for the models that are there."""

import ast
import json
import os
import shlex
import shutil
import sys
from collections.abc import Container, Iterator
from math import prod
from pathlib import Path
from typing import Any

from modelet.local.aws.names import INPUT_BUCKET, OUTPUT_BUCKET
from modelet.local.fleet import Fleet
from modelet.repository import Version
from modelet_runtime.manifest import Signature, TensorSpec
from modelet_runtime.steps.hook import FILE_NAME as HOOKS

_MOST = 3
_OCTETS = "application/octet-stream"
_PICTURES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}
# What is sent to a model by its first step; a hook says it itself.
_ACCEPTED = {
    "image": ("image/*",),
    "audio": ("audio/*",),
    "text": ("text/plain",),
    "words": ("text/plain",),
}
# A command that is longer than this is no example.
_MAX_VALUES = 64


def commands(fleet: Fleet, url: str) -> list[str]:
    """Three commands to try the service with: predictions first, then what always works.

    Args:
        fleet: The models.
        url: Where they are served.
    """
    live = fleet.live
    predictions = [command for version in live.values() if (command := _predict(version, url))]
    metadata = [f"curl {url}/v2/models/{name}" for name in live]
    always = [f"curl {url}/{path}" for path in ("v2/models", "v2", "v2/health/ready")]
    return list(dict.fromkeys([*predictions[: _MOST - 1], *metadata[:1], *predictions, *always]))[:_MOST]


def batch_commands(fleet: Fleet, url: str) -> Iterator[str]:
    """Where files are put for batch inference, and a command that puts one and shows its results.

    Args:
        fleet: The models.
        url: Where S3 is.
    """
    yield f"batch {url}: put files into {INPUT_BUCKET}/MODEL/, find results in {OUTPUT_BUCKET}"
    for version in fleet.live.values():
        file = next(_inputs(version), None) if version.manifest.batch else None
        if file is not None:
            key = f"{INPUT_BUCKET}/{version.manifest.name}/{file.name}"
            wait = f"{_modelet()} batch wait s3://{key} --endpoint-url {url} --show"
            yield f"curl -T {_quoted(file)} {url}/{key} && {wait}"
            return


def _inputs(version: Version) -> Iterator[Path]:
    """Files that a model takes whole: rows of a table first, then pictures, then any."""
    model = version.folder.parents[1]
    yield from _files(model, {".jsonl", ".csv"})
    step = version.manifest.input_steps[0].name if version.manifest.input_steps else ""
    accepted = _hook_media_types(version.folder / HOOKS) if step == "hook" else _ACCEPTED.get(step, ())
    if "image/*" in accepted or _OCTETS in accepted:
        yield from _files(model, _PICTURES)
    if _OCTETS in accepted:
        yield from _readmes(version)


def _modelet() -> str:
    """The command as it can be typed here."""
    beside = Path(sys.executable).with_name("modelet")
    return _quoted(beside) if beside.is_file() and shutil.which("modelet") != str(beside) else "modelet"


def _predict(version: Version, url: str) -> str | None:
    """A friendly prediction, if what the model takes can be told from its files."""
    body = next(_bodies(version), None)
    return body and f"curl {url}/models/{version.manifest.name}/predict {body}"


def _bodies(version: Version) -> Iterator[str]:
    """Bodies that the model takes, as curl's arguments."""
    manifest = version.manifest
    step = manifest.input_steps[0].name if manifest.input_steps else None
    parameters = manifest.input_steps[0].parameters if step else {}
    if step is None or (step == "table" and not parameters.get("columns")):
        value = _sample(manifest.signature)
        if value is not None:
            yield f"-H 'content-type: application/json' -d {shlex.quote(json.dumps(value))}"
        return
    accepted = _hook_media_types(version.folder / HOOKS) if step == "hook" else _ACCEPTED.get(step, ())
    if accepted:
        if "image/*" in accepted or _OCTETS in accepted:
            yield from (
                f"-H 'content-type: {kind}' --data-binary @{_quoted(path)}"
                for path, kind in _pictures(version.folder.parents[1])
                if "image/*" in accepted
            )
        if _OCTETS in accepted:
            yield from (f"--data-binary @{_quoted(path)}" for path in _readmes(version))
        if len(fields := parameters.get("fields", ())) > 1:
            record = json.dumps(dict.fromkeys(fields, "This is a text."))
            yield f"-H 'content-type: application/json' -d {shlex.quote(record)}"
        elif "text/plain" in accepted:
            yield "-H 'content-type: text/plain' -d 'This is a text.'"
        if "audio/*" in accepted:
            for path in _files(version.folder.parents[1], {".wav"}):
                yield f"-H 'content-type: audio/wav' --data-binary @{_quoted(path)}"


def _sample(signature: Signature) -> Any:
    """A record of zeros, or None when it would be long."""
    skipped = 1 if signature.has_batch_axis else 0
    shapes = [tuple(1 if size < 0 else size for size in spec.shape[skipped:]) for spec in signature.inputs]
    if sum(prod(shape) for shape in shapes) > _MAX_VALUES:
        return None
    pairs = zip(signature.inputs, shapes, strict=True)
    values = {spec.name: _filled(spec, shape) for spec, shape in pairs}
    return values if len(values) > 1 else next(iter(values.values()))


def _filled(spec: TensorSpec, shape: tuple[int, ...]) -> Any:
    if shape:
        return [_filled(spec, shape[1:]) for _ in range(shape[0])]
    return {"BYTES": "text", "BOOL": False}.get(spec.datatype, 0)


def _hook_media_types(path: Path) -> tuple[str, ...]:
    """The media types a `hooks.py` declares, read without running it."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return ()
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == "media_types" for target in targets):
            return tuple(
                c.value for c in ast.walk(node) if isinstance(c, ast.Constant) and isinstance(c.value, str)
            )
    return ()


def _pictures(model: Path) -> Iterator[tuple[Path, str]]:
    """Pictures a model's folder holds, outside its versions."""
    for path in _files(model, _PICTURES):
        yield path, _PICTURES[path.suffix.lower()]


def _files(model: Path, endings: Container[str]) -> Iterator[Path]:
    """Files of such endings that a model's folder holds, outside its versions."""
    for path in sorted(model.glob("*/*")) + sorted(model.glob("*")):
        if path.suffix.lower() in endings and path.is_file():
            yield path


def _readmes(version: Version) -> Iterator[Path]:
    """A file that is nearly always there: the project's own, or the model's."""
    for path in (
        Path("README.md"),
        version.folder.parents[1] / "README.md",
        version.folder / "manifest.json",
    ):
        if path.is_file() and path.stat().st_size:
            yield path


def _quoted(path: Path) -> str:
    relative = os.path.relpath(path)
    return shlex.quote(str(path.resolve()) if relative.startswith("..") else relative)
