"""What a recipe puts into a version beside the graph: hooks, assets, labels and steps."""

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from modelet.build.graft.graft import Graft
from modelet.build.graft.registry import split_input, split_output
from modelet.build.sources import file
from modelet.errors import RecipeRefused, SourceRefused
from modelet.golden import FILE_NAME as GOLDEN_FILE
from modelet.recipe import FILE_NAME, Recipe
from modelet.repository import PASSPORT_FILE
from modelet_runtime import manifest
from modelet_runtime.errors import ArtifactError
from modelet_runtime.steps.hook import FILE_NAME as HOOKS_FILE
from modelet_runtime.steps.registry import input_step, output_step

_RESERVED = frozenset(
    {manifest.FILE_NAME, manifest.ORT_FILE, manifest.ONNX_FILE, GOLDEN_FILE, PASSPORT_FILE, HOOKS_FILE}
)
_HOOK = "hook"


@dataclass(frozen=True, slots=True)
class Contents:
    """The checked parts of a recipe that need no graph.

    Attributes:
        files: Where each file of the version comes from, by its name there.
        labels: Class names by index.
        input_steps: The runtime's steps in front of the graph.
        output_steps: The runtime's steps behind it.
        graft: The steps that become part of the graph.
        layers: Option layers the steps import from.
    """

    files: dict[str, Path]
    labels: tuple[str, ...]
    input_steps: tuple[manifest.Step, ...]
    output_steps: tuple[manifest.Step, ...]
    graft: Graft
    layers: tuple[str, ...]

    def copy_to(self, folder: Path) -> None:
        """Copy hooks and assets into a version."""
        for name, path in self.files.items():
            shutil.copyfile(path, folder / name)


def read(recipe: Recipe, folder: Path) -> Contents:
    """Check steps, labels, hooks and assets before anything expensive is done.

    Raises:
        RecipeRefused: A step or parameter is unknown, or hooks and the step `hook` do not go together.
        SourceRefused: A file is not there or not what the recipe says.
    """
    recipe_file = str(folder / FILE_NAME)
    try:
        inputs, grafted_inputs = split_input([step.to_manifest() for step in recipe.input.steps])
        grafted_outputs, outputs = split_output([step.to_manifest() for step in recipe.output.steps])
        layers = {layer for step in inputs for layer in input_step(step).layers}
        layers |= {layer for step in outputs for layer in output_step(step).layers}
    except ArtifactError as error:
        raise RecipeRefused(f"{recipe_file}: {error}") from error
    _check_hooks(recipe, folder, {step.name for step in (*inputs, *outputs)})
    files = _files(recipe, folder)
    _check_assets(inputs, files, recipe_file)
    labels = _labels(recipe, folder)
    graft = Graft(grafted_inputs, grafted_outputs, labels, recipe_file)
    return Contents(files, labels, inputs, outputs, graft, tuple(sorted(layers)))


def _check_assets(steps: Iterable[manifest.Step], files: Mapping[str, Path], where: str) -> None:
    """Refuse a recipe whose steps read files that would not go along."""
    for step in steps:
        for name in input_step(step).assets:
            if name not in files:
                raise RecipeRefused(
                    f"{where}: input.steps: step '{step.name}': reads '{name}', which is no asset",
                    "add it to assets in [model]",
                )


def _check_hooks(recipe: Recipe, folder: Path, steps: set[str]) -> None:
    where = f"{folder / FILE_NAME}: model.hooks"
    if recipe.model.hooks and _HOOK not in steps:
        raise RecipeRefused(
            f"{where}: no step uses it", 'add [[input.steps]] or [[output.steps]] with name = "hook"'
        )
    if _HOOK in steps and not recipe.model.hooks:
        raise RecipeRefused(f"{where}: missing key, which the step 'hook' needs", 'add hooks = "hooks.py"')


def _files(recipe: Recipe, folder: Path) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for uri in recipe.model.assets:
        path = file(uri, folder, "model.assets").path
        if path.name in files or path.name in _RESERVED:
            raise SourceRefused(f"model.assets: '{path.name}' is there twice", "give the file another name")
        files[path.name] = path
    if recipe.model.hooks:
        files[HOOKS_FILE] = file(recipe.model.hooks, folder, "model.hooks").path
    return dict(sorted(files.items()))


def _labels(recipe: Recipe, folder: Path) -> tuple[str, ...]:
    """The class names: a list in the recipe, in a JSON file, or one per line."""
    if isinstance(recipe.model.labels, list):
        return tuple(recipe.model.labels)
    path = file(recipe.model.labels, folder, "model.labels").path
    text = path.read_text()
    if path.suffix != ".json":
        return tuple(line.strip() for line in text.splitlines() if line.strip())
    try:
        labels = json.loads(text)
    except ValueError as error:
        raise SourceRefused(f"model.labels: {path.name}: {error}") from error
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise SourceRefused(f"model.labels: {path.name}: expected a JSON list of strings")
    return tuple(labels)
