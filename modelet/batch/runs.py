"""What the table says of runs, with speed, time left and cost."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from modelet.aliases.standing import standing
from modelet.batch.places import Places
from modelet.batch.submit import Submitted, version
from modelet.errors import ServiceRefused, UnknownModel
from modelet.repository import Repository
from modelet_runtime.aliases import CANARY
from modelet_runtime.batch import messages
from modelet_runtime.batch.identity import retry_id, selector
from modelet_runtime.batch.records import Progress, Run
from modelet_runtime.batch.report import cost_usd
from modelet_runtime.batch.store import Store
from modelet_runtime.errors import ArtifactError

_POLL_S = 0.5
# How long an object may take to become a run: the queue, and a cold start.
_APPEAR_S = 120.0
_CLOCKS_S = 120.0
_SHORTEST = 4


@dataclass(frozen=True, slots=True)
class View:
    """A run as a person looks at it.

    Attributes:
        run: Its record.
        progress: Its parts, summed.
        elapsed_s: From its beginning to its end, or to now.
        cost_usd: So far, about; None where the version is not here to tell the function's size.
    """

    run: Run
    progress: Progress
    elapsed_s: float
    cost_usd: float | None

    @property
    def rows(self) -> int:
        """Rows done."""
        return self.run.rows if self.run.is_final else self.progress.rows

    @property
    def failed_rows(self) -> int:
        """Rows that failed."""
        return self.run.failed_rows if self.run.is_final else self.progress.failed_rows

    @property
    def share(self) -> float:
        """The share of the input that is done."""
        return 1.0 if self.run.state == "succeeded" else self.progress.share

    @property
    def rows_per_s(self) -> float | None:
        """Over the whole time; None before any row is done."""
        return self.rows / self.elapsed_s if self.rows and self.elapsed_s > 0 else None

    @property
    def eta_s(self) -> float | None:
        """How much longer it takes at this pace; None where nothing tells."""
        if self.run.is_final or not self.share:
            return None
        return self.elapsed_s * (1 - self.share) / self.share

    def to_dict(self) -> dict[str, Any]:
        """For programs."""
        run = self.run
        document: dict[str, Any] = {
            "run": run.run, "model": run.model, "version": run.version, "state": run.state,
            "input": f"s3://{run.bucket}/{run.key}", "input_version": run.object_version,
            "share": round(self.share, 4), "rows": self.rows, "failed_rows": self.failed_rows,
            "parts": run.parts, "parts_done": self.progress.parts_done,
            "elapsed_s": round(self.elapsed_s, 3),
            "rows_per_s": _rounded(self.rows_per_s, 1), "eta_s": _rounded(self.eta_s, 1),
            "cost_estimate_usd": _rounded(self.cost_usd, 9),
            "cancel": run.cancel, "output": run.output,
            "results": run.results or None, "errors": run.errors or None, "error": run.error or None,
            "retry_of": run.retry_of or None,
        }  # fmt: skip
        return document


class Runs:
    """The runs of a place.

    Args:
        places: Where.
        models: The folder of the models, which names them and knows their functions' sizes.
    """

    def __init__(self, places: Places, models: Path) -> None:
        self._places = places
        self._repository = Repository(models)
        self._store = Store(places.client("dynamodb"), places.table)

    def latest(self, names: Sequence[str], most: int) -> list[View]:
        """The newest runs of some models, newest first."""
        try:
            found = [run for name in names for run in islice(self._store.runs(name), most)]
        except (BotoCoreError, ClientError) as error:
            raise ServiceRefused(f"table {self._places.table} cannot be read: {error}") from error
        newest = sorted(found, key=lambda run: run.created_at, reverse=True)[:most]
        return [self._view(run) for run in newest]

    def names(self) -> list[str]:
        """The models that are here."""
        return [model.name for model in self._repository.models()]

    def find(self, reference: str) -> str:
        """The run that a person means: an id, its beginning, or the URI of its input.

        Raises:
            UnknownModel: There is none, or more than one.
            ServiceRefused: The table cannot be read.
        """
        if reference.startswith("s3://"):
            bucket, _, key = reference.removeprefix("s3://").partition("/")
            try:
                found = version(self._places.client("s3"), bucket, key)
            except ClientError as error:
                raise UnknownModel(f"there is no object {reference}") from error
            return self.appeared(Submitted(key, found, 0))
        if self._store.run(reference) is not None:
            return reference
        known = [run.run for name in self.names() for run in self._store.runs(name)]
        matches = [run for run in known if len(reference) >= _SHORTEST and run.startswith(reference)]
        if len(matches) != 1:
            there = "there is no run" if not matches else f"{len(matches)} runs begin with"
            raise UnknownModel(f"{there} {reference}", "`modelet batch status` lists them")
        return matches[0]

    def appeared(self, submitted: Submitted) -> str:
        """Wait until an object has become a run.

        Raises:
            ServiceRefused: It has not.
        """
        model = selector(submitted.key).model
        end_s = time.monotonic() + _APPEAR_S
        while time.monotonic() < end_s:
            for run in self._store.runs(model):
                if run.created_at < submitted.at_s - _CLOCKS_S:
                    break
                if (run.key, run.object_version) == (submitted.key, submitted.version):
                    return run.run
            time.sleep(_POLL_S)
        raise ServiceRefused(
            f"s3://{self._places.inputs}/{submitted.key} has not become a run in {_APPEAR_S:.0f} s",
            "see the function's log, and whether the model takes batches",
        )

    def view(self, run: str) -> View:
        """A run as it is now.

        Raises:
            UnknownModel: There is none.
        """
        found = self._store.run(run)
        if found is None:
            raise UnknownModel(f"there is no run {run}")
        return self._view(found)

    def watch(self, run: str) -> Iterator[View]:
        """A run again and again, until it is over; the last one is final."""
        while not (view := self.view(run)).run.is_final:
            yield view
            time.sleep(_POLL_S)
        yield view

    def cancel(self, run: str) -> bool:
        """Ask a run to stop; False if it is too late."""
        return self._store.cancel(run)

    def retry(self, run: str, *, failed_only: bool) -> str:
        """Repeat a run that is over, or the rows that failed in it; gives the new run.

        Raises:
            ServiceRefused: It is not over, has no such rows, or its version takes no batches any more.
        """
        before = self.view(run).run
        if not before.is_final:
            raise ServiceRefused(f"run {run} is {before.state}", "wait for its end, or cancel it")
        if failed_only and before.state != "succeeded":
            raise ServiceRefused(
                f"run {run} ended as {before.state}, so its other rows have no results",
                "retry it without --failed-only",
            )
        if failed_only and not before.errors:
            raise ServiceRefused(f"run {run} has no failed rows")
        attempt = next(n for n in count(1) if self._store.run(retry_id(run, n)) is None)
        url = self._places.queue_url(before.model, before.version)
        body = messages.retry(run, attempt, failed_only=failed_only)
        self._places.client("sqs").send_message(QueueUrl=url, MessageBody=body)
        again = retry_id(run, attempt)
        end_s = time.monotonic() + _APPEAR_S
        while self._store.run(again) is None:
            if time.monotonic() > end_s:
                raise ServiceRefused(f"the retry of {run} has not begun in {_APPEAR_S:.0f} s")
            time.sleep(_POLL_S)
        return again

    def queue_url(self, key: str) -> str:
        """The queue that objects of a key are announced in.

        Raises:
            Refused: The key is for no version that is here.
        """
        chosen = selector(key)
        model = self._repository.model(chosen.model)
        if chosen.which.isdecimal():
            return self._places.queue_url(model.name, int(chosen.which))
        at = standing(model)
        version = at.canary if chosen.which == CANARY else at.live
        if version is None:
            raise UnknownModel(f"no version of model '{model.name}' is {chosen.which}")
        return self._places.queue_url(model.name, version.number)

    def results(self, run: Run) -> Iterator[bytes]:
        """The lines of a run's results."""
        body = self._places.client("s3").get_object(Bucket=self._places.outputs, Key=run.results)["Body"]
        yield from body.iter_lines()

    def _view(self, run: Run) -> View:
        progress = Progress.of(self._store.parts(run.run))
        elapsed_s = (run.finished_at or time.time()) - run.created_at
        if run.report:
            cost: float | None = json.loads(run.report)["cost_estimate_usd"]
        else:
            cost = self._cost(run, progress)
        return View(run, progress, elapsed_s, cost)

    def _cost(self, run: Run, progress: Progress) -> float | None:
        try:
            manifest = self._repository.model(run.model).version(run.version).manifest
        except (UnknownModel, ArtifactError):
            return None
        memory_mib = (manifest.batch and manifest.batch.memory_mib) or manifest.resources.memory_mib
        return cost_usd(manifest, memory_mib, progress)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
