"""A new model folder: its `model.toml`, and its source where that lies elsewhere."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from modelet.build import check, external_data
from modelet.build.sources import PACKAGE_PREFIX
from modelet.errors import RecipeRefused, SourceRefused
from modelet.recipe import FILE_NAME, check_name
from modelet.recipe_template import render
from modelet.repository import ModelFolder, Repository

_ONNX = ".onnx"
_WEIGHTS = frozenset({_ONNX, ".pt", ".pt2", ".pth", ".safetensors"})


@dataclass(slots=True)
class Added:
    """A model that was added, not built yet.

    Attributes:
        model: Its folder.
        notes: What the owner should know.
        written: Every file and folder that was made, in order.
    """

    model: ModelFolder
    notes: list[str] = field(default_factory=list)
    written: list[Path] = field(default_factory=list)

    def undo(self) -> None:
        """Remove what was made: a model that cannot be built is not left behind."""
        for path in reversed(self.written):
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink(missing_ok=True)


def add(
    repository: Repository,
    name: str,
    source: str,
    target: Literal["cpu", "gpu"],
    module: str | None = None,
) -> Added:
    """Make a model's folder.

    Args:
        repository: Where it is made.
        name: The model's name.
        source: As for `model.source`; a file may also lie outside of the model's folder.
        target: Who runs the graph.
        module: As for `model.module`; its file may lie elsewhere, too.

    Raises:
        RecipeRefused: The name is wrong, or there is such a model already.
        SourceRefused: The source is not there, or a graph that cannot be served.
    """
    check_name(name, "NAME")
    folder = repository.root / name
    if (folder / FILE_NAME).exists():
        raise RecipeRefused(
            f"{folder / FILE_NAME} is there already", f"change it and run `modelet build {name}`"
        )
    added = Added(ModelFolder(folder))
    try:
        for new in (repository.root, folder):
            _make(new, added)
        uri = source if source.startswith(PACKAGE_PREFIX) else _own(Path(source), folder, added)
        keys: dict[str, object] = {"name": name, "source": uri, "target": target}
        if module is not None:
            keys["module"] = _own(Path(module), folder, added)
        recipe = folder / FILE_NAME
        recipe.write_text(render(keys))
        added.written.append(recipe)
    except BaseException:
        added.undo()
        raise
    return added


def _own(source: Path, folder: Path, added: Added) -> str:
    """The source as a path of the folder, copied there if it lies elsewhere."""
    file, separator, function = str(source).partition(":")
    path = Path(file)
    if not path.is_absolute() and (folder / path).is_file():
        return str(source)
    if not path.is_file():
        raise SourceRefused(f"there is no file {file}", "name a file, or pkg:<package>/<path>")
    if path.resolve().is_relative_to(folder.resolve()):
        return f"{path.resolve().relative_to(folder.resolve())}{separator}{function}"
    weights = _weights(path) if path.suffix == _ONNX else []
    for beside in (path, *weights):
        target = folder / beside.relative_to(path.parent)
        _make(target.parent, added)
        shutil.copyfile(beside, target)
        added.written.append(target)
    note = f"copied {file} into {folder}"
    if path.suffix in _WEIGHTS:
        note += (
            f"; git ignores *{path.suffix}, so keep the file elsewhere too, or add it with `git add --force`"
        )
    added.notes.append(note)
    return f"{path.name}{separator}{function}"


def _weights(path: Path) -> list[Path]:
    """The checked files that an ONNX file keeps its weights in."""
    model = check.parse(path.read_bytes(), path.name)
    return external_data.files(model, path.parent)


def _make(folder: Path, added: Added) -> None:
    if not folder.is_dir():
        folder.mkdir(parents=True)
        added.written.append(folder)
