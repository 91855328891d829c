"""Opens what `model.source` names: an ONNX file in this process, a function in one of its own."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from modelet.build import check
from modelet.build.converters import CONVERTERS
from modelet.build.original import Original
from modelet.build.owner import OwnerProcess, Row
from modelet.build.sources import File, Function, source


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
def opened(uri: str, folder: Path) -> Iterator[Origin]:
    """Open a source until the end of the block.

    Raises:
        SourceRefused: It is not there, or a graph that cannot be served.
        OwnerCodeFailed: The owner's function failed.
    """
    named = source(uri, folder)
    with ExitStack() as resources:
        if isinstance(named, File):
            graph = check.load(named.path, allow_hard_links=named.is_packaged)
            yield Origin(CONVERTERS["onnx"].open(graph), folder, None, resources)
        else:
            owner = resources.enter_context(OwnerProcess(folder))
            yield Origin(owner.build(str(named)), folder, owner, resources)
