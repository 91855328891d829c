"""What the aliases of a model are at, and why one of them cannot answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from modelet.repository import ModelFolder, Version, highest_servable
from modelet_runtime.aliases import CANARY, LIVE, Aliases
from modelet_runtime.errors import ArtifactError


@dataclass(frozen=True, slots=True)
class Standing:
    """The versions behind a model's aliases; those that cannot answer are left out.

    Attributes:
        aliases: What `aliases.toml` says; None without one.
        live: What answers whoever names no version.
        canary: What takes a share of that.
        troubles: Why an alias has no version, in a sentence with the next step, by alias.
        is_unreadable: Whether `aliases.toml` is there and wrong.
    """

    aliases: Aliases | None
    live: Version | None
    canary: Version | None
    troubles: Mapping[str, str] = field(default_factory=dict)
    is_unreadable: bool = False

    @property
    def weight(self) -> float:
        """The canary's share of live's requests; 0 while there is none that can answer."""
        return self.aliases.canary.weight if self.canary and self.aliases and self.aliases.canary else 0.0


def standing(model: ModelFolder) -> Standing:
    """Look up a model's aliases; what is wrong is told, not raised."""
    try:
        aliases = Aliases.load(model.path)
    except ArtifactError as error:
        return Standing(None, None, None, {LIVE: str(error)}, is_unreadable=True)
    if aliases is None:
        live = highest_servable(model)
        return Standing(None, live, None, {} if live else {LIVE: _nothing(model)})
    found: dict[str, Version] = {}
    troubles: dict[str, str] = {}
    wanted = {LIVE: aliases.live, **({CANARY: aliases.canary.version} if aliases.canary else {})}
    versions = {version.number: version for version in model.versions()}
    for alias, number in wanted.items():
        version = versions.get(number)
        obstacle = version.obstacle if version else "is not there"
        if version is None or obstacle:
            troubles[alias] = _trouble(model, alias, number, obstacle)
        else:
            found[alias] = version
    return Standing(aliases, found.get(LIVE), found.get(CANARY), troubles)


def deployed(model: ModelFolder) -> list[Version]:
    """The versions that `infra/` deploys, whether they are built here or not: live, canary and pinned.

    Raises:
        ArtifactError: `aliases.toml` is wrong.
        UnknownModel: An alias is at a version that is not there.
    """
    aliases = Aliases.load(model.path)
    if aliases is None:
        live = highest_servable(model)
        return [live] if live else []
    canary = [aliases.canary.version] if aliases.canary else []
    return [model.version(number) for number in sorted({aliases.live, *canary, *aliases.pinned})]


def _nothing(model: ModelFolder) -> str:
    versions = model.versions()
    if not versions:
        return f"model '{model.name}' has no version yet: run `modelet build {model.name}`"
    newest = versions[-1]
    return (
        f"no version of model '{model.name}' can answer; version {newest.number} {newest.obstacle}:"
        f" run `modelet build {model.name}`"
    )


def _trouble(model: ModelFolder, alias: str, number: int, obstacle: str) -> str:
    return (
        f"{alias} of model '{model.name}' is version {number}, which {obstacle}: build it here, or move"
        f" {alias} with `modelet promote` or `modelet rollback {model.name}`"
    )


def next_step(model: ModelFolder, number: int) -> str:
    """What to do after a build so that a version answers; empty if it is live already."""
    found = standing(model)
    if found.live and found.live.number == number:
        return ""
    live = f"live stays at version {found.live.number}" if found.live else "nothing is live"
    obstacle = model.version(number).obstacle
    if obstacle:
        return f"{live}: version {number} {obstacle}, see `modelet show {model.name}@{number}`"
    compare = f"compare them with `modelet diff {model.name} live {number}`, " if found.live else ""
    return f"{live}: {compare}make it live with `modelet promote {model.name} {number}`"
