"""Promote and rollback: the only ways in which the toolchain moves an alias.

A move is one file put in another's place, so whoever reads finds the old or the new state, and a kill
leaves one of them.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from modelet.aliases.breaks import breaks
from modelet.build import folder
from modelet.errors import MoveRefused
from modelet.repository import VERSIONS, ModelFolder, Version, highest_servable
from modelet_runtime.aliases import FILE_NAME, Aliases, Canary
from modelet_runtime.errors import ArtifactError

# How many steps back are remembered.
_HISTORY = 20
# Git ignores it; a move that was killed leaves one, and the next writes over it.
_STAGED = ".aliases.toml.new"


@dataclass(frozen=True, slots=True)
class Move:
    """What a promote or a rollback did.

    Attributes:
        model: The model's name.
        before: Its aliases until now; None if no version could answer.
        after: Its aliases from now on.
        breaks: What callers of the live version lose.
    """

    model: str
    before: Aliases | None
    after: Aliases
    breaks: tuple[str, ...]


def promote(
    model: ModelFolder, number: int, *, weight: float | None = None, is_breaking: bool = False
) -> Move:
    """Make a version live, or a canary that takes a share of live's requests.

    Either ends a canary that is under way.

    Args:
        model: The model.
        number: The version.
        weight: The canary's share; None makes the version live.
        is_breaking: Whether callers of the live version may be broken.

    Raises:
        UnknownModel: There is no such version.
        MoveRefused: The version is not built, not as it was built, or not proven; or it breaks callers.
    """
    version = model.version(number)
    with folder.locked(model.path / VERSIONS):
        before = current(model)
        _check(model, version)
        lost = _breaks(model, before, version)
        if lost and not is_breaking:
            raise MoveRefused(
                f"version {number} of model '{model.name}' breaks callers of live, version"
                f" {before.live if before else '?'}: {'; '.join(lost)}",
                "say --breaking if they are ready for it",
            )
        after = _as_live(before, number) if weight is None else _as_canary(model, before, number, weight)
        _write(model, after)
    return Move(model.name, before, after, lost)


def rollback(model: ModelFolder) -> Move:
    """Undo the last promote: end the canary if there is one, or else make the previous version live again.

    Again and again it goes further back.

    Raises:
        MoveRefused: There is nothing to go back to, or it is not built, as it was built and proven.
        UnknownModel: The previous version is not there any more.
    """
    if not model.versions():
        raise MoveRefused(f"model '{model.name}' has no version yet", f"run `modelet build {model.name}`")
    with folder.locked(model.path / VERSIONS):
        before = current(model)
        if before is None or not (before.canary or before.previous):
            raise MoveRefused(
                f"model '{model.name}' has no previous live version",
                f"name one with `modelet promote {model.name} VERSION`",
            )
        lost: tuple[str, ...] = ()
        if before.canary:
            after = replace(before, canary=None)
        else:
            after = replace(before, live=before.previous[-1], previous=before.previous[:-1])
            version = model.version(after.live)
            _check(model, version)
            lost = _breaks(model, before, version)
        _write(model, after)
    return Move(model.name, before, after, lost)


def current(model: ModelFolder) -> Aliases | None:
    """A model's aliases; without a file those it has by default, or None if no version can answer.

    By default the highest version that is proven and complete is live, so what was live before are those
    below it.

    Raises:
        ArtifactError: The file is wrong.
    """
    aliases = Aliases.load(model.path)
    if aliases is not None:
        return aliases
    live = highest_servable(model)
    if live is None:
        return None
    below = [version.number for version in model.versions() if version.number < live.number]
    return Aliases(live.number, previous=tuple(n for n in below if not model.version(n).obstacle))


def _check(model: ModelFolder, version: Version) -> None:
    """Refuse a version that may not be given to callers, or is not what was built."""
    obstacle = version.obstacle
    if not obstacle and (changed := version.changed_files()):
        obstacle = f"has changed since it was built: {', '.join(changed)}"
    if obstacle:
        raise MoveRefused(
            f"version {version.number} of model '{model.name}' {obstacle}",
            f"see `modelet show {model.name}@{version.number}`, or run `modelet build {model.name}`",
        )


def _breaks(model: ModelFolder, before: Aliases | None, version: Version) -> tuple[str, ...]:
    """What callers of the live version lose; nothing if that one is not there to compare with."""
    if before is None:
        return ()
    try:
        live = next(v.manifest for v in model.versions() if v.number == before.live)
    except (StopIteration, ArtifactError):
        return ()
    return breaks(live.signature, version.manifest.signature)


def _as_live(before: Aliases | None, number: int) -> Aliases:
    if before is None:
        return Aliases(number)
    if number == before.live:
        return replace(before, canary=None)
    previous = (*before.previous, before.live)[-_HISTORY:]
    return replace(before, live=number, canary=None, previous=previous)


def _as_canary(model: ModelFolder, before: Aliases | None, number: int, weight: float) -> Aliases:
    if before is None or number == before.live:
        what = "is live already" if before else "would be the only one that answers"
        raise MoveRefused(
            f"version {number} of model '{model.name}' {what}", "a canary stands beside another live version"
        )
    return replace(before, canary=Canary(number, weight))


def _write(model: ModelFolder, aliases: Aliases) -> None:
    """Put the new file in the place of the old, once it is on the disk; comments at its top stay."""
    path = model.path / FILE_NAME
    staged = model.path / _STAGED
    staged.write_text(_head(path) + aliases.to_toml())
    folder.replace(staged, path)


def _head(path: Path) -> str:
    """The comments above the first key."""
    if not path.is_file():
        return "# Written by `modelet promote` and `modelet rollback`; may be edited by hand.\n"
    lines = path.read_text().splitlines(keepends=True)
    keys = (index for index, line in enumerate(lines) if line.strip() and not line.startswith("#"))
    return "".join(lines[: next(keys, len(lines))])
