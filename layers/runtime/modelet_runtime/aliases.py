"""`aliases.toml`: which version of a model answers, as people and `modelet promote` write it.

    live = 2                                  # answers whoever names no version
    canary = { version = 3, weight = 0.1 }    # answers that share of live's requests
    previous = [1]                            # what was live before, latest last
    pinned = [1]                              # stays deployed, at /versions/1

Only `live` has to be there. Without the file the highest version that is proven and complete is live. The
toolchain, the service and `infra/` read it; a function does not, it is told its alias with each request.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelet_runtime.errors import ArtifactError

FILE_NAME = "aliases.toml"
LIVE, CANARY, PINNED = "live", "canary", "pinned"

_KEYS = (LIVE, CANARY, "previous", PINNED)
_CANARY_KEYS = ("version", "weight")


@dataclass(frozen=True, slots=True)
class Canary:
    """A version on trial.

    Attributes:
        version: Its number.
        weight: Its share of the requests that name no version, between 0 and 1.
    """

    version: int
    weight: float


@dataclass(frozen=True, slots=True)
class Aliases:
    """What a model's aliases are at.

    Attributes:
        live: The version that answers whoever names none.
        canary: The version that takes a share of that, if one does.
        previous: What was live before, latest last.
        pinned: Versions that stay deployed for those who name them.
    """

    live: int
    canary: Canary | None = None
    previous: tuple[int, ...] = ()
    pinned: tuple[int, ...] = ()

    @classmethod
    def load(cls, folder: Path) -> "Aliases | None":
        """Read a model folder's `aliases.toml`; None if there is none.

        Raises:
            ArtifactError: It cannot be read, is not TOML, or a key is unknown, missing or wrong.
        """
        path = folder / FILE_NAME
        try:
            text = path.read_text()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise ArtifactError(f"{path}: {error}") from error
        return cls.parse(text, str(path))

    @classmethod
    def parse(cls, text: str, where: str = FILE_NAME) -> "Aliases":
        """Read the file's text; `where` stands before the text of errors.

        Raises:
            ArtifactError: As `load`.
        """
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ArtifactError(f"{where}: {error}") from error
        _check_keys(document, _KEYS, where)
        live = _version(document.get(LIVE), f"{where}: {LIVE}")
        canary = _canary(document[CANARY], f"{where}: {CANARY}") if CANARY in document else None
        if canary and canary.version == live:
            raise ArtifactError(f"{where}: canary.version: expected another version than live, got {live}")
        previous = _versions(document.get("previous", []), f"{where}: previous")
        return cls(live, canary, previous, _versions(document.get(PINNED, []), f"{where}: {PINNED}"))

    def to_toml(self) -> str:
        """The file's text; `parse` gives equal aliases back."""
        lines = [f"{LIVE} = {self.live}"]
        if self.canary:
            canary = f"version = {self.canary.version}, weight = {self.canary.weight!r}"
            lines.append(f"{CANARY} = {{ {canary} }}")
        if self.previous:
            lines.append(f"previous = {[*self.previous]}")
        if self.pinned:
            lines.append(f"{PINNED} = {[*self.pinned]}")
        return "\n".join(lines) + "\n"


def _canary(value: object, where: str) -> Canary:
    if not isinstance(value, dict):
        raise ArtifactError(f"{where}: expected {{ version = 3, weight = 0.1 }}, got {value!r}")
    _check_keys(value, _CANARY_KEYS, where)
    weight = value.get("weight")
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < 1:
        raise ArtifactError(f"{where}.weight: expected a number between 0 and 1, got {weight!r}")
    return Canary(_version(value.get("version"), f"{where}.version"), float(weight))


def _versions(value: object, where: str) -> tuple[int, ...]:
    if not isinstance(value, list):
        raise ArtifactError(f"{where}: expected a list of version numbers, got {value!r}")
    return tuple(_version(number, f"{where}[{index}]") for index, number in enumerate(value))


def _version(value: object, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ArtifactError(f"{where}: expected a version's number, got {value!r}")
    return value


def _check_keys(document: dict[str, Any], known: tuple[str, ...], where: str) -> None:
    unknown = sorted(set(document) - set(known))
    if unknown:
        raise ArtifactError(f"{where}: unknown key {', '.join(unknown)}: there are {', '.join(known)}")
