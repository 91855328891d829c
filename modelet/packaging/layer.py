"""The layers that model images share: the runtime, the options, the handlers.

A layer is described by a folder: `requirements.txt` (hash-locked) says which wheels, `layer.toml` which
of their files a function touches and which of our own packages go along. Assembling one is a function of
these files, of the architecture and of this package, and equal inputs give equal bytes.
"""

import hashlib
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from modelet.packaging import licenses
from modelet.packaging.archive import Archive, Made, Tree, keep
from modelet.packaging.bytecode import Compiler, choose, compile_sources
from modelet.packaging.errors import LayerRefused
from modelet.packaging.platforms import PYTHON_VERSION, Architecture
from modelet.packaging.wheels import Wheel, fetch

SITE = "opt/python"
TASK = "var/task"
# Functions that one image holds; its command says which of them it is.
FUNCTIONS = ("predict", "batch")


@dataclass(frozen=True, slots=True)
class Definition:
    """What `layer.toml` says.

    Attributes:
        packages: Our own packages in the layer's folder that go along.
        wheels: Patterns of the files to take, by distribution; all that run, where none are given.
    """

    packages: tuple[str, ...] = ()
    wheels: Mapping[str, tuple[str, ...]] | None = None

    @classmethod
    def load(cls, folder: Path) -> "Definition":
        """Read a layer's definition; a layer without one takes its wheels whole."""
        path = folder / "layer.toml"
        if not path.exists():
            return cls()
        document = tomllib.loads(path.read_text())
        unknown = sorted(set(document) - {"packages", "wheels"})
        if unknown:
            raise LayerRefused(f"{path}: unknown key {', '.join(unknown)}", "it takes packages and wheels")
        wheels = {name: tuple(patterns) for name, patterns in document.get("wheels", {}).items()}
        return cls(tuple(document.get("packages", ())), wheels)


class Workshop:
    """Assembles layers in one folder, and keeps them.

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
            raise LayerRefused(
                f"there is no option layer {name!r}", f"there are {', '.join(self.options) or 'none'}"
            )
        return self._assembled(f"option-{name}", self.root / "layers/options" / name, architecture)

    def functions(self) -> Archive:
        """The entry point and the handlers, on every architecture the same."""
        functions = self.root / "functions"
        paths = [functions / "entrypoint.py"]
        paths += [path for name in FUNCTIONS for path in sorted((functions / name).glob("*.py"))]
        sources = {f"{TASK}/{path.relative_to(functions).as_posix()}": path for path in paths}
        inputs = _digest([*_own_sources(), *sources.values()])
        return keep(self.build / "functions.tar", inputs, lambda: self._compiled(_contents(sources)))

    def nothing(self) -> Archive:
        """What stands in a context for an option layer the model does not take: a folder, and no file."""
        return keep(self.build / "nothing.tar", _digest(_own_sources()), lambda: Made({}, {}))

    def kept(self, path: Path, inputs: str, tree: Callable[[], Tree]) -> Archive:
        """An archive of any files, with the bytecode of the Python among them."""
        return keep(path, inputs, lambda: self._compiled(tree()))

    def _assembled(self, name: str, folder: Path, architecture: Architecture) -> Archive:
        definition = Definition.load(folder)
        requirements = folder / "requirements.txt"
        sources = _sources(folder, definition.packages)
        inputs = _digest(
            [*_own_sources(), requirements, *folder.glob("layer.toml"), *sources.values()], architecture
        )

        def make() -> Made:
            wheels = fetch(requirements, architecture, self.build / "wheels")
            tree = {**_selected(wheels, definition), **_contents(sources)}
            return self._compiled({**tree, **licenses.collect(name, wheels)})

        return keep(self.build / f"{name}-{architecture}.tar", inputs, make)

    def _compiled(self, tree: Tree) -> Made:
        modules = {name: data for name, data in tree.items() if name.endswith(".py")}
        if not modules:
            return Made(tree, {})
        if self._compiler is None:
            self._compiler = choose(self.build / "compiler")
        read = {
            name: data if isinstance(data, bytes) else data.read_bytes() for name, data in modules.items()
        }
        return Made({**tree, **compile_sources(read, self._compiler)}, {"compiler": self._compiler.name})


def _selected(wheels: Iterable[Wheel], definition: Definition) -> dict[str, bytes]:
    """The files of the wheels that ship, by path in the image."""
    tree: dict[str, bytes] = {}
    for wheel in wheels:
        patterns = (definition.wheels or {}).get(wheel.name, ("*",))
        chosen = wheel.select(patterns)
        if not any(".dist-info/" not in name for name in chosen):
            raise LayerRefused(
                f"layer.toml: wheels.{wheel.name}: nothing in {wheel.file_name} matches {', '.join(patterns)}"
            )
        tree |= {f"{SITE}/{name}": data for name, data in chosen.items()}
    return tree


def _sources(folder: Path, packages: Iterable[str]) -> dict[str, Path]:
    return {
        f"{SITE}/{path.relative_to(folder).as_posix()}": path
        for package in packages
        for path in sorted((folder / package).rglob("*.py"))
    }


def _contents(sources: Mapping[str, Path]) -> dict[str, bytes]:
    return {name: path.read_bytes() for name, path in sources.items()}


def _own_sources() -> list[Path]:
    """This package: what it does to a layer is one of the layer's inputs."""
    return sorted(path for path in Path(__file__).parent.iterdir() if path.is_file())


def _digest(paths: Iterable[Path], *facts: str) -> str:
    """What an archive is made from, whatever folder it lies in."""
    digest = hashlib.sha256(repr((PYTHON_VERSION, *facts)).encode())
    for path in paths:
        digest.update(f"{path.parent.name}/{path.name}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
