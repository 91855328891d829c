"""Opens what `model.source` names: an ONNX file in this process, anything else in one of its own."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelet.build import check
from modelet.build.converters import Converter, reader_of
from modelet.build.original import Original
from modelet.build.owner import OwnerProcess, Row
from modelet.build.sources import File, Function, function, source
from modelet.errors import SourceRefused
from modelet.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Origin:
    """An opened source.

    Attributes:
        original: The model in its framework.
        folder: The model's folder, where the owner's functions are.
        owner: The process that holds the model, if a function made it.
        resources: What is closed at the end.
    """

    original: Original
    folder: Path
    owner: OwnerProcess | None
    resources: ExitStack

    def samples(self, function: Function) -> list[Row]:
        """Call the owner's function for samples, in the process that holds the model if there is one.

        Raises:
            OwnerCodeFailed: It is not there, raised, or returned something else than rows.
        """
        owner = self.owner or self.resources.enter_context(OwnerProcess(self.folder))
        return owner.samples(str(function))


@contextmanager
def opened(recipe: Recipe, folder: Path) -> Iterator[Origin]:
    """Open a source until the end of the block.

    Raises:
        SourceRefused: It is not there, or a graph that cannot be served.
        OwnerCodeFailed: The owner's function failed, or the file does not hold what it should.
        MissingExtra: The framework it needs is not installed.
    """
    named = source(recipe.model.source, folder)
    with ExitStack() as resources:
        if isinstance(named, File) and not _reader(named).reader:
            _refuse_module(recipe)
            graph = check.load(named.path, allow_hard_links=named.is_packaged)
            yield Origin(_reader(named).open(graph, _export(recipe)), folder, None, resources)
            return
        if isinstance(named, File):
            _reader(named).require()
        owner = resources.enter_context(OwnerProcess(folder))
        yield Origin(_built(owner, named, recipe, folder), folder, owner, resources)


def _built(owner: OwnerProcess, named: File | Function, recipe: Recipe, folder: Path) -> Original:
    model, made_by = recipe.model, None
    if model.module is not None:
        maker = function(model.module, folder)
        if maker is None:
            raise SourceRefused(f"model.module: '{model.module}' is no function", "write FILE.py:FUNCTION")
        made_by = str(maker)
    if isinstance(named, Function):
        return owner.build(str(named), made_by, model.unused_weights, _export(recipe))
    return owner.read(_reader(named).kind, named.path, made_by, model.unused_weights, _export(recipe))


def _reader(named: File) -> Converter:
    converter = reader_of(named.path.name)
    assert converter is not None, "sources.source has seen to it"
    return converter


def _export(recipe: Recipe) -> dict[str, Any]:
    """The keys of `[export]` that are set."""
    return recipe.export.model_dump(exclude_defaults=True)


def _refuse_module(recipe: Recipe) -> None:
    for key in ("module", "unused_weights"):
        if getattr(recipe.model, key):
            raise SourceRefused(f"model.{key}: an ONNX file is a whole model", "remove the key")
