"""Makes the steps of a recipe part of its graph, and puts the same steps around the original."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import onnx

from modelet.build.arrays import dtype_of, to_array, to_tensor
from modelet.build.graft.base import Arrays, Context, InputStep, OutputStep, Reference
from modelet.build.graft.editor import Builder, Editor, modernise
from modelet.build.graft.registry import Placed
from modelet.build.graft.value import Misfit, Value, Values
from modelet.build.original import Original
from modelet.errors import GraphRefused, RecipeRefused
from modelet_runtime import manifest
from modelet_runtime.tensor import Tensor


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
        return _Surrounded(original, *names, links, references, list(outputs))

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

    def _graft_inputs(self, editor: Editor) -> tuple[Values, list["_Link"]]:
        """From the graph outwards; the links come in the order in which a request passes them."""
        inputs, links = Values("input", editor.model.graph.input), list[_Link]()
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
            links.insert(0, _Link(step, step.rename or name, name, inner))
        return inputs, links

    def _refused(self, placed: Placed[Any], error: Misfit, name: str = "") -> RecipeRefused:
        text = f"input '{name}': {error}" if name else str(error)
        return RecipeRefused(f"{self.where}: {placed.where}: {text}")


@dataclass(frozen=True, slots=True)
class _Link:
    """A step in front of the graph, by the names on its two sides."""

    step: InputStep
    outer: str
    inner: str
    value: Value

    def pass_on(self, arrays: Arrays) -> None:
        """Compute what the step gives."""
        array = self.step.compute(arrays.pop(self.outer), self.value)
        arrays[self.inner] = array.astype(dtype_of(self.value.datatype))


class _Surrounded:
    """An original with the steps around it, as an `Original`."""

    def __init__(
        self,
        original: Original,
        inputs: Sequence[str],
        outputs: Sequence[str],
        links: Sequence[_Link],
        references: Sequence[Reference],
        answers: Sequence[str],
    ) -> None:
        self.kind = original.kind
        self._original = original
        self._inputs = inputs
        self._outputs = outputs
        self._links = links
        self._references = references
        self._answers = answers

    def export(self) -> onnx.ModelProto:
        """The original's own graph, without the steps."""
        return self._original.export()

    def run(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Compute the steps with numpy and let the framework answer in between."""
        arrays = {tensor.name: to_array(tensor) for tensor in inputs}
        for link in self._links:
            link.pass_on(arrays)
        outputs = self._original.run([to_tensor(name, arrays[name]) for name in self._inputs])
        answers = {name: to_array(tensor) for name, tensor in zip(self._outputs, outputs, strict=True)}
        for reference in self._references:
            reference(answers, arrays)
        return [to_tensor(name, answers[name]) for name in self._answers]


def _written(step: manifest.Step) -> dict[str, Any]:
    return {"name": step.name, "parameters": dict(step.parameters)}


def _check_edges(model: onnx.ModelProto) -> None:
    """Refuse a graph whose input is its output: there is nothing between the two to graft to."""
    outputs = {info.name for info in model.graph.output}
    for info in model.graph.input:
        if info.name in outputs:
            raise GraphRefused(f"input '{info.name}' is an output, too", "export it with an Identity between")
