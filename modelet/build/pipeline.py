"""The build: what a model needs is planned, and done in stages only if there is something to do."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter
from typing import Literal

from modelet.build import folder
from modelet.build.plan import plan
from modelet.errors import PassportMissing
from modelet.repository import VERSIONS, ModelFolder, Version

STAGES = ("convert", "check", "optimise", "prove", "compete", "write")
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a build did.

    Attributes:
        model: The model's name.
        version: Its newest version; None if there is none.
        action: `kept` what was there, `restored` its binaries, `built` a new version, or `skipped` a model
            whose framework is not installed.
        reason: Why, in a few words.
        seconds: How long it took.
        notes: What a person should know of the proof: why the winner won, which candidates failed.
        is_proven: Whether the version may be given to callers.
    """

    model: str
    version: int | None
    action: Literal["kept", "restored", "built", "skipped"]
    reason: str
    seconds: float
    notes: tuple[str, ...] = ()
    is_proven: bool = True


def build(model: ModelFolder, report: Report = lambda stage: None, accept: str = "") -> Outcome:
    """Bring a model's newest version up to date with its folder.

    Args:
        model: The model's folder.
        report: Called with each of `STAGES` as it begins, and within `compete` with what it is at.
        accept: Why a version whose proof fails may be given to callers all the same.

    Raises:
        Refused: The recipe, the source or the proof failed; nothing was written.
    """
    started_s = perf_counter()
    with folder.locked(model.path):
        todo = plan(model, accept)
        if todo.action == "keep" and todo.newest:
            _settle(todo.newest)
            seconds, is_proven = perf_counter() - started_s, todo.newest.is_proven
            return Outcome(model.name, todo.newest.number, "kept", todo.reason, seconds, is_proven=is_proven)
        # Frameworks are imported for work, not to find that there is none: `make run` builds every time.
        from modelet.build.stages import Stages  # noqa: PLC0415

        with folder.staging(model.path / VERSIONS) as staged:
            stages = Stages(todo, staged, report)
            number, action, reason = stages.run()
        version = model.version(number)
        _settle(version)
        seconds = perf_counter() - started_s
        return Outcome(model.name, number, action, reason, seconds, stages.notes, version.is_proven)


def _settle(version: Version) -> None:
    """Have what is made of a version's files and not committed: its page, and what Triton serves."""
    from modelet.passport import page  # noqa: PLC0415

    with suppress(PassportMissing):  # the page of an earlier form is not there, and the version serves on
        page.settle(version)
    if version.manifest.target == "gpu":
        from modelet.triton import repository  # noqa: PLC0415

        repository.settle(version)
