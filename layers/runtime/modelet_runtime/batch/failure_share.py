"""How many of a run's rows may fail."""

from collections.abc import Mapping
from typing import Any

from modelet_runtime.batch.errors import TooManyFailures
from modelet_runtime.batch.options import Options
from modelet_runtime.manifest import Manifest

# A handful of failures says nothing of a share while a run is under way; at its end all count.
_FEWEST_ROWS = 1000
_DEFAULT = 0.1


class FailureShare:
    """The share of failed rows above which a run stops.

    Rows that are tried again because they failed are no sample of the input: they were within the share of
    the run that they come from, so all of them may fail again.

    Args:
        options: The run's.
        manifest: The model, whose share holds where the options name none.
        cut: A slice of the run.
    """

    def __init__(self, options: Mapping[str, Any], manifest: Manifest, cut: Mapping[str, Any]) -> None:
        chosen = Options.from_dict(options, "options").failure_share
        default = manifest.batch.failure_share if manifest.batch else _DEFAULT
        self._share = default if chosen is None else chosen
        self._is_repeated = "only" in cut

    def check(self, rows: int, failed_rows: int, *, at_end: bool, first: str = "") -> None:
        """Stop a run of too many failures.

        Args:
            rows: Rows done.
            failed_rows: How many of them failed.
            at_end: Whether these are all rows.
            first: What was wrong with the first one, for the report.

        Raises:
            TooManyFailures: More failed than may.
        """
        if self._is_repeated or failed_rows <= self._share * rows or not (at_end or rows >= _FEWEST_ROWS):
            return
        text = f"{failed_rows} of {rows} rows failed, more than the {self._share:.0%} that are allowed"
        raise TooManyFailures(f"{text}; {first}" if first else text)
