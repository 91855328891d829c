"""From an opened source to the graph that is optimised: exported, checked, normalised, grafted."""

from collections.abc import Callable
from dataclasses import replace

import onnx

from modelet.build import check, facts
from modelet.build.contents import Contents
from modelet.build.normalise import normalise
from modelet.build.origin import Origin
from modelet.recipe import Recipe


def convert(
    recipe: Recipe, parts: Contents, source: Origin, report: Callable[[str], None] = lambda stage: None
) -> tuple[onnx.ModelProto, Origin]:
    """Make the graph, and put the steps that became part of it around the original too.

    Args:
        recipe: The recipe.
        parts: Its checked parts.
        source: Its opened source.
        report: Called with each stage as it begins.

    Raises:
        GraphRefused: The graph may not or cannot be served.
    """
    report("convert")
    graph = source.original.export()
    report("check")
    check.check(graph, recipe.model.source)
    normalise(graph, recipe.model.name)
    facts.settle_outputs(graph)
    return graph, replace(source, original=parts.graft.apply(graph, source.original))
