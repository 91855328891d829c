"""Makes the steps of a recipe part of its graph, and puts the same steps around the original."""

from dataclasses import dataclass
from typing import Any

import onnx

from modelet.build.graft.base import Context, InputStep, OutputStep, Reference
from modelet.build.graft.editor import Builder, Editor, modernise
from modelet.build.graft.registry import Placed
from modelet.build.graft.surrounded import Link, Surrounded
from modelet.build.graft.value import Misfit, Values
from modelet.build.original import Original
from modelet.errors import GraphRefused, RecipeRefused
from modelet_runtime import manifest


@dataclass(frozen=True, slots=True)
class Graft:
    """The graph steps of a recipe.

    Attributes:
        input: Those in front of the graph, outermost first.
        output: Those behind it.
        labels: Class names by index.
        where: The recipe, for errors.
    """

    input: tuple[Placed[InputStep], ...] = ()
    output: tuple[Placed[OutputStep], ...] = ()
    labels: tuple[str, ...] = ()
    where: str = ""

    def to_dict(self) -> dict[str, list[dict[str, Any]]]:
        """For the manifest; empty if there are none."""
        if not self.input and not self.output:
            return {}
        return {
            "input": [_written(placed.written) for placed in self.input],
            "output": [_written(placed.written) for placed in self.output],
        }

    def apply(self, model: onnx.ModelProto, original: Original) -> Original:
        """Write the steps into a graph.

        Args:
            model: A checked and normalised graph, changed in place.
            original: What it was exported from.

        Returns:
            The original with the same steps around it, computed with numpy.

        Raises:
            RecipeRefused: A step does not fit the graph.
            GraphRefused: The graph cannot be grafted.
        """
        if not self.input and not self.output:
            return original
        modernise(model)
        _check_edges(model)
        names = [info.name for info in model.graph.input], [info.name for info in model.graph.output]
        editor = Editor(model)
        outputs, references = self._graft_outputs(editor)
        inputs, links = self._graft_inputs(editor)
        if shared := sorted(set(inputs) & set(outputs)):
            raise RecipeRefused(
                f"{self.where}: '{shared[0]}' would be an input and an output", "rename one of them"
            )
        editor.settle([(name, value.tensor) for name, value in (*inputs.items(), *outputs.items())])
        for infos, values in ((model.graph.input, inputs), (model.graph.output, outputs)):
            del infos[:]
            infos.extend(value.info(name) for name, value in values.items())
        return Surrounded(original, *names, links, references, list(outputs))

    def _graft_outputs(self, editor: Editor) -> tuple[Values, list[Reference]]:
        graph = editor.model.graph
        outputs, references = Values("output", graph.output), list[Reference]()
        context = Context(Values("input", graph.input), self.labels)
        for placed in self.output:
            build = Builder(editor, placed.written.name)
            try:
                references.append(placed.step.graft(build, outputs, context))
            except Misfit as error:
                raise self._refused(placed, error) from error
            graph.node.extend(build.nodes)
        return outputs, references

    def _graft_inputs(self, editor: Editor) -> tuple[Values, list[Link]]:
        """From the graph outwards; the links come in the order in which a request passes them."""
        inputs, links = Values("input", editor.model.graph.input), list[Link]()
        for placed in reversed(self.input):
            step, build = placed.step, Builder(editor, placed.written.name)
            name = ""
            try:
                name = inputs.pick(step.input, step.wanted(), step.fits)
                inner = inputs[name]
                outer = step.outer(inner).at(build.fresh("input"))
                inputs.swap(name, {step.rename or name: outer})
            except Misfit as error:
                raise self._refused(placed, error, name) from error
            made = step.write(build, outer, inner)
            editor.prepend(build.nodes)
            editor.rename(inner.tensor, made)
            links.insert(0, Link(step, step.rename or name, name, inner))
        return inputs, links

    def _refused(self, placed: Placed[Any], error: Misfit, name: str = "") -> RecipeRefused:
        text = f"input '{name}': {error}" if name else str(error)
        return RecipeRefused(f"{self.where}: {placed.where}: {text}")


def _written(step: manifest.Step) -> dict[str, Any]:
    return {"name": step.name, "parameters": dict(step.parameters)}


def _check_edges(model: onnx.ModelProto) -> None:
    """Refuse a graph whose input is its output: there is nothing between the two to graft to."""
    outputs = {info.name for info in model.graph.output}
    for info in model.graph.input:
        if info.name in outputs:
            raise GraphRefused(f"input '{info.name}' is an output, too", "export it with an Identity between")
