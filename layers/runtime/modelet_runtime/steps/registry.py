"""Every step by name. A step's module is imported only when a model names it."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, cast

from modelet_runtime import manifest
from modelet_runtime.errors import ArtifactError
from modelet_runtime.steps.base import InputStep, OutputStep
from modelet_runtime.steps.parameters import build

INPUT: Mapping[str, str] = {
    "audio": "modelet_runtime.steps.audio:Audio",
    "hook": "modelet_runtime.steps.hook:HookInput",
    "image": "modelet_runtime.steps.image:Image",
    "table": "modelet_runtime.steps.table:Table",
    "text": "modelet_runtime.steps.text:Text",
    "words": "modelet_runtime.steps.words:Words",
}
OUTPUT: Mapping[str, str] = {
    "hook": "modelet_runtime.steps.hook:HookOutput",
    "labels": "modelet_runtime.steps.labels:Labels",
}


def step_class(table: Mapping[str, str], name: str, where: str) -> type[Any]:
    """The documented class of a step: `INPUT` or `OUTPUT` by name.

    Raises:
        ArtifactError: There is no such step; the text lists those there are.
    """
    if name not in table:
        raise ArtifactError(f"{where}: unknown step '{name}': there are {', '.join(sorted(table))}")
    module, _, attribute = table[name].partition(":")
    return cast("type[Any]", getattr(import_module(module), attribute))


def input_step(step: manifest.Step, where: str = "input.steps") -> InputStep:
    """Make a checked input step; `where` stands before the text of errors.

    Raises:
        ArtifactError: The step or a parameter is unknown, missing or has a wrong value.
    """
    made: InputStep = build(step_class(INPUT, step.name, where), step, where)
    return made


def output_step(step: manifest.Step, where: str = "output.steps") -> OutputStep:
    """Make a checked output step; `where` stands before the text of errors.

    Raises:
        ArtifactError: The step or a parameter is unknown, missing or has a wrong value.
    """
    made: OutputStep = build(step_class(OUTPUT, step.name, where), step, where)
    return made
