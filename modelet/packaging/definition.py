"""What a layer is made of, as its folder says."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from modelet.packaging.errors import LayerRefused
from modelet.packaging.wheels import Wheel

_EVERYTHING = ("*",)


@dataclass(frozen=True, slots=True)
class Definition:
    """A layer's folder: `requirements.txt`, `layer.toml`, our own packages and licences.

    Attributes:
        folder: Where it lies.
        packages: The packages in it that go along.
        patterns: Which files to take of a wheel, by distribution; of others, all that run.
    """

    folder: Path
    packages: tuple[str, ...]
    patterns: Mapping[str, tuple[str, ...]]

    @classmethod
    def load(cls, folder: Path) -> "Definition":
        """Read `layer.toml`; a layer without one takes its wheels whole.

        Raises:
            LayerRefused: It has an unknown key, or names a package that is not there.
        """
        path = folder / "layer.toml"
        document = tomllib.loads(path.read_text()) if path.exists() else {}
        if unknown := sorted(set(document) - {"packages", "wheels"}):
            raise LayerRefused(f"{path}: unknown key {', '.join(unknown)}", "it takes packages and wheels")
        packages = tuple(document.get("packages", ()))
        if missing := [name for name in packages if not (folder / name).is_dir()]:
            raise LayerRefused(f"{path}: packages: there is no folder {', '.join(missing)} beside it")
        patterns = {name: tuple(globs) for name, globs in document.get("wheels", {}).items()}
        return cls(folder, packages, patterns)

    @property
    def requirements(self) -> Path:
        """The hash-locked list of wheels."""
        return self.folder / "requirements.txt"

    @property
    def sources(self) -> dict[str, Path]:
        """Our own modules by their path in the layer's folder."""
        return {
            path.relative_to(self.folder).as_posix(): path
            for package in self.packages
            for path in sorted((self.folder / package).rglob("*.py"))
        }

    @property
    def licenses(self) -> dict[str, Path]:
        """Licence texts for wheels that hold none: `licenses/<package>/<file>`, by package and file."""
        folder = self.folder / "licenses"
        return {path.relative_to(folder).as_posix(): path for path in sorted(folder.glob("*/*"))}

    @property
    def inputs(self) -> list[Path]:
        """Every file that the layer's bytes depend on."""
        own = [*self.sources.values(), *self.licenses.values()]
        return [*sorted(self.folder.glob("layer.toml")), self.requirements, *own]

    def select(self, wheels: Sequence[Wheel]) -> dict[str, bytes]:
        """The files of the wheels that ship.

        Raises:
            LayerRefused: A pattern is for a wheel that is not there, or fits nothing in it.
        """
        if unknown := sorted(set(self.patterns) - {wheel.name for wheel in wheels}):
            raise LayerRefused(
                f"{self.folder / 'layer.toml'}: wheels.{unknown[0]}: requirements.txt has no such package"
            )
        chosen: dict[str, bytes] = {}
        for wheel in wheels:
            patterns = self.patterns.get(wheel.name, _EVERYTHING)
            files = wheel.select(patterns)
            if all(".dist-info/" in name for name in files):
                raise LayerRefused(
                    f"{self.folder / 'layer.toml'}: wheels.{wheel.name}: nothing in {wheel.file_name} "
                    f"matches {', '.join(patterns)}"
                )
            chosen |= files
        return chosen
