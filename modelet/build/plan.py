"""What a model needs: nothing, its binaries again, or a new version, and why."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from modelet.build.converters import CONVERTERS
from modelet.build.fingerprint import fingerprint
from modelet.errors import MissingExtra
from modelet.recipe import Recipe
from modelet.repository import ModelFolder, Version
from modelet_runtime.errors import ArtifactError
from modelet_runtime.manifest import Manifest, Placement

Action = Literal["keep", "restore", "build"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with one model.

    Attributes:
        model: The model.
        recipe: Its `model.toml`.
        source_sha256: Digest of everything the version is made from.
        newest: The newest version, if there is one.
        action: `keep` what is there, `restore` the newest version's missing files, or `build` the next.
        reason: Why, in a few words.
        accept: Why a version whose proof fails may be given to callers all the same.
        placement: Who runs the graph, where the target is `auto` and the build of an earlier version from
            the same source decided it: another machine does not decide it anew.
    """

    model: ModelFolder
    recipe: Recipe
    source_sha256: str
    newest: Version | None
    action: Action
    reason: str
    accept: str = ""
    placement: Placement | None = None

    @property
    def next_number(self) -> int:
        """The number a new version gets."""
        return self.newest.number + 1 if self.newest else 1

    @property
    def is_open(self) -> bool:
        """Whether the build has to decide who runs the graph."""
        return self.recipe.model.target == "auto" and self.placement is None

    @property
    def target(self) -> Literal["cpu", "gpu"]:
        """Who runs the graph; while that is open, who is measured."""
        wanted = self.recipe.model.target
        if wanted == "auto":
            return "gpu" if self.placement and self.placement.target == "gpu" else "cpu"
        return wanted


def plan(model: ModelFolder, accept: str = "") -> Plan:
    """Compare a model's newest version with what its folder says now.

    Args:
        model: The model's folder.
        accept: Why a version whose proof fails may be given to callers all the same. Versions never
            change, so one that failed is proven anew as the next.

    Raises:
        RecipeRefused: `model.toml` is missing or wrong.
        SourceRefused: A file it names is not there.
        MissingExtra: A package it names is not there, and the newest version is not whole; or that version
            has to be restored and its framework is not there.
    """
    recipe = Recipe.load(model.path)
    versions = model.versions()
    newest = versions[-1] if versions else None
    try:
        source_sha256 = fingerprint(recipe, model.path)
    except MissingExtra as error:
        if newest is None or not _is_whole(newest):
            raise
        return Plan(model, recipe, newest.manifest.source.sha256, newest, "keep", f"kept: {error.reason}")
    action, reason = _decide(newest, source_sha256)
    if action == "keep" and accept and newest and not newest.is_proven:
        action, reason = "build", f"the failed proof of version {newest.number} is accepted"
    if action == "restore" and newest:
        CONVERTERS[newest.manifest.source.kind].require()
    placement = _placement(newest, source_sha256)
    return Plan(model, recipe, source_sha256, newest, action, reason, accept, placement)


def _decide(newest: Version | None, source_sha256: str) -> tuple[Action, str]:
    if newest is None:
        return "build", "there is no version yet"
    try:
        manifest = newest.manifest
    except ArtifactError as error:
        return "build", f"version {newest.number} is unreadable ({error})"
    if manifest.source.sha256 != source_sha256:
        return "build", "the source or the recipe changed"
    if changed := changed_tools(manifest):
        return "build", changed
    if broken := sorted({*newest.missing_files(), *newest.changed_files()}):
        return "restore", f"{', '.join(broken)} of version {newest.number} missing or changed"
    return "keep", "up to date"


def _placement(newest: Version | None, source_sha256: str) -> Placement | None:
    """The decision of the newest version, if that is made from what is there now."""
    with suppress(ArtifactError):
        if newest is not None and newest.manifest.source.sha256 == source_sha256:
            return newest.manifest.placement
    return None


def _is_whole(version: Version) -> bool:
    return version.is_complete and not version.changed_files()


def changed_tools(manifest: Manifest) -> str:
    """Which tools have another version than the manifest says; empty if none.

    A tool that is not installed here cannot make other bytes, so it does not count.
    """
    installed = CONVERTERS[manifest.source.kind].versions()
    changes = [
        f"{name} {version} -> {installed[name]}"
        for name, version in manifest.tools.items()
        if installed.get(name, version) != version
    ]
    return f"tools changed: {', '.join(changes)}" if changes else ""
