"""Opens what `model.source` names: an ONNX file in this process, anything else in one of its own."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

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
    export = recipe.export.model_dump(exclude_defaults=True)
    with ExitStack() as resources:
        if isinstance(named, Function):
            _refuse_module(recipe, f"{named} makes the whole model")
            owner = resources.enter_context(OwnerProcess(folder))
            yield Origin(owner.build(str(named), export), folder, owner, resources)
            return
        converter = reader_of(named.path.name)
        assert converter is not None
        if not converter.reader:
            _refuse_module(recipe, "an ONNX file is a whole model")
            graph = check.load(named.path, allow_hard_links=named.is_packaged)
            yield Origin(converter.open(graph, export), folder, None, resources)
        else:
            converter.require()
            owner = resources.enter_context(OwnerProcess(folder))
            yield Origin(_read(owner, converter, named, recipe, folder), folder, owner, resources)


def _read(owner: OwnerProcess, converter: Converter, named: File, recipe: Recipe, folder: Path) -> Original:
    model = recipe.model
    maker = None
    if model.module is not None:
        maker = function(model.module, folder)
        if maker is None:
            raise SourceRefused(f"model.module: '{model.module}' is no function", "write FILE.py:FUNCTION")
    export = recipe.export.model_dump(exclude_defaults=True)
    made_by = str(maker) if maker else None
    return owner.read(converter.kind, named.path, made_by, model.unused_weights, export)


def _refuse_module(recipe: Recipe, reason: str) -> None:
    for key in ("module", "unused_weights"):
        if getattr(recipe.model, key):
            raise SourceRefused(f"model.{key}: {reason}", "remove the key: it belongs to a file of weights")
