"""Model folders for tests of the toolchain: a recipe and its source, in a folder of their own."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx

from modelet.repository import ModelFolder


def write_recipe(folder: Path, source: str, **sections: Mapping[str, Any]) -> ModelFolder:
    """Write `model.toml`; `sections` add keys, those of `model` included."""
    folder.mkdir(parents=True, exist_ok=True)
    document: dict[str, dict[str, Any]] = {"model": {"name": folder.name, "source": source}}
    for name, keys in sections.items():
        document[name] = {**document.get(name, {}), **keys}
    lines: list[str] = []
    for name, keys in document.items():
        steps = keys.get("steps", ())
        lines += [
            f"[{name}]",
            *(f"{key} = {json.dumps(value)}" for key, value in keys.items() if key != "steps"),
        ]
        for step in steps:
            lines += [f"[[{name}.steps]]", *(f"{key} = {json.dumps(value)}" for key, value in step.items())]
    (folder / "model.toml").write_text("\n".join(lines) + "\n")
    return ModelFolder(folder)


def write_model(folder: Path, proto: onnx.ModelProto, **sections: Mapping[str, Any]) -> ModelFolder:
    """Write `model.onnx` and a recipe for it."""
    model = write_recipe(folder, "model.onnx", **sections)
    (folder / "model.onnx").write_bytes(proto.SerializeToString())
    return model
