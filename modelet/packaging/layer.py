"""The layers that model images share: the runtime, the options, the handlers.

Assembling a layer is a function of its folder, of the architecture and of this package: equal inputs
give equal bytes, in any folder, on any machine and on any day.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from modelet.packaging import licenses
from modelet.packaging.archive import Archive, Made, Tree, keep
from modelet.packaging.bytecode import Compiler, choose, compile_sources
from modelet.packaging.definition import Definition
from modelet.packaging.errors import LayerRefused
from modelet.packaging.platforms import PYTHON_VERSION, Architecture
from modelet.packaging.wheels import fetch

SITE = "opt/python"
TASK = "var/task"
_Content = TypeVar("_Content", bytes, Path)

# Functions that one image holds; its command says which of them it is.
FUNCTIONS = ("predict", "batch")


class Workshop:
    """Assembles layers in one folder, and keeps them there.

    Args:
        root: The project's root, where `layers/` and `functions/` lie.
        build: Where layers are kept.
        compiler: Compiles their bytecode; chosen when first needed.
    """

    def __init__(self, root: Path, build: Path | None = None, compiler: Compiler | None = None) -> None:
        self.root = root
        self.build = build or root / "layers" / ".build"
        self._compiler = compiler

    @property
    def options(self) -> list[str]:
        """The option layers there are."""
        return sorted(path.parent.name for path in (self.root / "layers/options").glob("*/requirements.txt"))

    def runtime(self, architecture: Architecture) -> Archive:
        """The layer of every image: ONNX Runtime's C library, the runtime client and `modelet_runtime`."""
        return self._assembled("runtime", self.root / "layers/runtime", architecture)

    def option(self, name: str, architecture: Architecture) -> Archive:
        """An option layer, such as `image`.

        Raises:
            LayerRefused: There is none of that name.
        """
        if name not in self.options:
            raise LayerRefused(f"there is no option layer '{name}'", f"there are {', '.join(self.options)}")
        runtime = Definition.load(self.root / "layers/runtime")
        folder = self.root / "layers/options" / name
        return self._assembled(f"option-{name}", folder, architecture, beneath=runtime)

    def functions(self) -> Archive:
        """The entry point and the handlers, on every architecture the same."""
        functions = self.root / "functions"
        paths = [functions / "entrypoint.py"]
        paths += [path for name in FUNCTIONS for path in sorted((functions / name).glob("*.py"))]
        tree = {f"{TASK}/{path.relative_to(functions).as_posix()}": path for path in paths}
        return self.kept(self.build / "functions.tar", digest_of(paths), lambda: tree)

    def nothing(self) -> Archive:
        """What stands in a context for an option layer that the model does not take."""
        return self.kept(self.build / "nothing.tar", digest_of([]), dict)

    def kept(self, path: Path, inputs: str, tree: Callable[[], Tree]) -> Archive:
        """An archive of any files, with the bytecode of the Python among them."""
        return keep(path, inputs, lambda: self._compiled(tree()))

    def _assembled(
        self, name: str, folder: Path, architecture: Architecture, beneath: Definition | None = None
    ) -> Archive:
        """A layer; what the one beneath it has already is left out.

        A file that came twice would move everything after it when an image is flattened, and so change
        chunks of the lower layer that all images share.
        """
        definition = Definition.load(folder)
        lower = [*beneath.folder.glob("layer.toml"), beneath.requirements] if beneath else []

        def tree() -> Tree:
            own = self._contents(name, definition, architecture)
            there = self._contents("runtime", beneath, architecture) if beneath else {}
            if differing := sorted(file for file in own.keys() & there.keys() if own[file] != there[file]):
                raise LayerRefused(f"{folder}: {differing[0]} is in the runtime layer with other content")
            kept = {file: data for file, data in own.items() if file not in there}
            return {**kept, **below(SITE, definition.sources)}

        inputs = digest_of([*definition.inputs, *lower], architecture)
        return self.kept(self.build / f"{name}-{architecture}.tar", inputs, tree)

    def _contents(self, name: str, definition: Definition, architecture: Architecture) -> dict[str, bytes]:
        """What a layer takes of its wheels, and their licences."""
        wheels = fetch(definition.requirements, architecture, self.build / "wheels")
        return {
            **below(SITE, definition.select(wheels)),
            **licenses.collect(name, wheels, definition.licenses),
        }

    def _compiled(self, tree: Tree) -> Made:
        sources = {name: _read(content) for name, content in tree.items() if name.endswith(".py")}
        if not sources:
            return Made(tree, {})
        if self._compiler is None:
            self._compiler = choose(self.build / "compiler")
        # The sources as compiled go in, not as they may be a moment later.
        return Made(
            {**tree, **sources, **compile_sources(sources, self._compiler)}, {"compiler": self._compiler.name}
        )


def below(folder: str, files: Mapping[str, _Content]) -> dict[str, _Content]:
    """The files of a tree with a folder before their paths."""
    return {f"{folder}/{name}": content for name, content in files.items()}


def _read(content: bytes | Path) -> bytes:
    return content if isinstance(content, bytes) else content.read_bytes()


def digest_of(paths: Iterable[Path], *facts: str) -> str:
    """What a layer is made from, wherever it lies: these files, and this package that makes it."""
    digest = hashlib.sha256(repr((PYTHON_VERSION, *facts)).encode())
    own = sorted(path for path in Path(__file__).parent.iterdir() if path.is_file())
    for path in (*own, *paths):
        digest.update(f"{path.parent.name}/{path.name}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
