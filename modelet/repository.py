"""Model folders and their versions on disk.

<root>/<model>/model.toml          written by people
<root>/<model>/versions/<n>/       written once, whole, by the toolchain

A number is never used twice; what a version holds is in its manifest.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from modelet.errors import UnknownModel
from modelet_runtime.aliases import Aliases
from modelet_runtime.errors import ArtifactError
from modelet_runtime.manifest import Manifest

RECIPE = "model.toml"
VERSIONS = "versions"
PASSPORT_FILE = "passport.json"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Version:
    """One folder `versions/<number>`.

    Attributes:
        number: The version's number.
        folder: Where its files lie.
    """

    number: int
    folder: Path

    @cached_property
    def manifest(self) -> Manifest:
        """What the version is.

        Raises:
            ArtifactError: The manifest is missing or malformed.
        """
        return Manifest.load(self.folder)

    def missing_files(self) -> list[str]:
        """Files the manifest lists that are not there or not as long: binaries are not committed."""
        return [
            name
            for name, digest in self.manifest.files.items()
            if not (path := self.folder / name).is_file() or path.stat().st_size != digest.bytes
        ]

    def changed_files(self) -> list[str]:
        """Files that are there, but with another digest than the manifest's."""
        return [
            name
            for name, digest in self.manifest.files.items()
            if (path := self.folder / name).is_file() and sha256(path) != digest.sha256
        ]

    @property
    def graph_file(self) -> Path:
        """What a function loads.

        Raises:
            ArtifactError: The manifest is missing or malformed.
        """
        return self.folder / self.manifest.graph.file

    @property
    def is_complete(self) -> bool:
        """Whether it can be served: the manifest is readable and every file is there."""
        try:
            return not self.missing_files()
        except ArtifactError:
            return False

    @property
    def is_proven(self) -> bool:
        """Whether it may be given to callers: its passport passed, or a person accepted it."""
        try:
            return self.manifest.is_proven
        except ArtifactError:
            return False

    @property
    def obstacle(self) -> str:
        """Why it may not be given to callers, to be said after "version 3 ..."; empty if it may."""
        try:
            missing = self.missing_files()
        except ArtifactError as error:
            return f"is unreadable ({error})"
        if missing:
            return f"is not built here ({', '.join(missing)} missing)"
        return "" if self.is_proven else "has a passport that failed"


@dataclass(frozen=True)
class ModelFolder:
    """The folder of one model; its name is the model's."""

    path: Path

    @property
    def name(self) -> str:
        """The model's name."""
        return self.path.name

    def versions(self) -> list[Version]:
        """All versions, complete or not, lowest number first."""
        folder = self.path / VERSIONS
        if not folder.is_dir():
            return []
        numbers = sorted(int(entry.name) for entry in folder.iterdir() if entry.name.isdecimal())
        return [Version(number, folder / str(number)) for number in numbers]

    def version(self, number: int) -> Version:
        """One version by its number.

        Raises:
            UnknownModel: There is no such version.
        """
        versions = self.versions()
        for version in versions:
            if version.number == number:
                return version
        there_are = ", ".join(str(version.number) for version in versions) or "none yet"
        raise UnknownModel(f"model '{self.name}' has no version {number}", f"there are {there_are}")


@dataclass(frozen=True)
class Repository:
    """A folder of model folders."""

    root: Path

    def models(self) -> list[ModelFolder]:
        """All models, by name."""
        return list(self._models())

    def model(self, name: str) -> ModelFolder:
        """One model by name.

        Raises:
            UnknownModel: There is no such model here.
        """
        for model in self._models():
            if model.name == name:
                return model
        names = ", ".join(model.name for model in self._models()) or "no models"
        raise UnknownModel(f"there is no model '{name}' in {self.root}", f"it has {names}")

    def version(self, reference: str) -> Version:
        """The version that `NAME` or `NAME@VERSION` means.

        Without a number it is the one that is served, or the newest if none is complete.

        Raises:
            UnknownModel: There is no such model or version.
        """
        name, separator, number = reference.partition("@")
        model = self.model(name)
        if separator:
            if not number.isdecimal():
                raise UnknownModel(f"'{reference}' names no version", "write NAME@VERSION with a number")
            return model.version(int(number))
        versions = model.versions()
        if not versions:
            raise UnknownModel(f"model '{name}' has no version yet", f"run `modelet build {name}`")
        return served_version(model) or versions[-1]

    def _models(self) -> Iterator[ModelFolder]:
        if not self.root.is_dir():
            raise UnknownModel(
                f"there is no folder {self.root}",
                "make a model with `modelet add`, or name a folder with --models",
            )
        for entry in sorted(self.root.iterdir()):
            if (entry / RECIPE).is_file() or (entry / VERSIONS).is_dir():
                yield ModelFolder(entry)


def served_version(model: ModelFolder) -> Version | None:
    """The version that answers whoever names none: `live` of aliases.toml, or else the highest servable.

    None if that is not complete and proven.

    Raises:
        ArtifactError: The file is wrong.
    """
    aliases = Aliases.load(model.path)
    if aliases is None:
        return highest_servable(model)
    found = (version for version in model.versions() if version.number == aliases.live)
    return next((version for version in found if not version.obstacle), None)


def highest_servable(model: ModelFolder) -> Version | None:
    """The highest version that is complete and proven; None if there is none."""
    return next((version for version in reversed(model.versions()) if not version.obstacle), None)


def sha256(path: Path) -> str:
    """The digest of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
