"""A run's segments become its results: one object, in order, visible at once or not at all."""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from modelet_runtime.batch.errors import InputGone, RunFailed
from modelet_runtime.batch.forms import parquet_footer
from modelet_runtime.batch.forms.opening import open_writer
from modelet_runtime.batch.forms.parquet_out import empty_file
from modelet_runtime.batch.forms.writers import csv_header, npy_header
from modelet_runtime.batch.identity import Layout, ObjectRef
from modelet_runtime.batch.objects import Bucket, Piece
from modelet_runtime.batch.records import Part, Run, Segment
from modelet_runtime.errors import NotReady

_LOAD_BYTES = 8 * 1024**2


class Joiner:
    """Publishes what the parts of a run made.

    Args:
        outputs: The output bucket.
        run: The run.
        parts: All its parts, in order.
        held: Results and failures that are in memory, of a run that needed no segments.
    """

    def __init__(
        self, outputs: Bucket, run: Run, parts: Sequence[Part], held: tuple[bytes, bytes] | None = None
    ) -> None:
        self._outputs = outputs
        self._run = run
        self._parts = parts
        self._held = held
        self._layout = Layout(run.run, run.key, run.version)

    def publish(self) -> dict[str, dict[str, Any] | None]:
        """Write results and failures; what an earlier worker published stands.

        Returns:
            `results` and `errors`, each with key, bytes and ETag, or None.

        Raises:
            RunFailed: The parts do not fit together.
        """
        writer = open_writer(self._run.format, self._columns())
        results = self._layout.results(writer.suffix)
        self._put(results, self._results(), writer.media_type)
        return {"results": self._facts(results), "errors": self.publish_errors()}

    def publish_errors(self) -> dict[str, Any] | None:
        """Write the failures alone, if there are any."""
        if not any(part.failed_rows for part in self._parts):
            return None
        self._put(self._layout.errors, self._errors(), "application/x-ndjson")
        return self._facts(self._layout.errors)

    def _put(self, key: str, pieces: Iterator[Piece], media_type: str) -> None:
        metadata = {"modelet-run": self._run.run}
        if self._outputs.assemble_new(key, pieces, media_type, metadata):
            return
        _, found = self._head(key)
        if found.get("modelet-run") != self._run.run:
            raise RunFailed(f"s3://{self._outputs.name}/{key} is there, and not from this run")

    def _facts(self, key: str) -> dict[str, Any]:
        ref, _ = self._head(key)
        return {"key": key, "bytes": ref.size_bytes, "etag": ref.etag}

    def _head(self, key: str) -> tuple[ObjectRef, dict[str, str]]:
        """What is published under a key.

        Raises:
            NotReady: (503) Two workers were in each other's way, and neither has published yet.
        """
        try:
            return self._outputs.head(key)
        except InputGone as error:
            raise NotReady(f"s3://{self._outputs.name}/{key} is being written by another worker") from error

    def _columns(self) -> Any:
        """The columns of the output, on which all parts have to agree."""
        known = [part.columns for part in self._parts if part.columns is not None]
        if any(columns != known[0] for columns in known):
            raise RunFailed('the answers of different parts have different columns: ask for format = "jsonl"')
        return known[0] if known else None

    def _results(self) -> Iterator[Piece]:
        segments = [segment for part in self._parts for segment in part.segments]
        rows = sum(part.rows for part in self._parts)
        if self._run.format == "parquet":
            yield from self._parquet(segments)
            return
        if self._run.format == "csv":
            yield Piece(csv_header(self._columns()))
        elif self._run.format == "npy":
            yield Piece(npy_header(self._columns(), rows))
        yield from self._copied(segments, 0)

    def _copied(self, segments: Sequence[Segment], which: int) -> Iterator[Piece]:
        if self._held is not None:
            yield Piece(self._held[which])
        for segment in segments:
            yield Piece(None, segment.key, 0, segment.size_bytes)

    def _parquet(self, segments: Sequence[Segment]) -> Iterator[Piece]:
        if not segments:
            yield Piece((self._held[0] if self._held else b"") or empty_file())
            return
        footers = [
            parquet_footer.read_footer(
                lambda start, end, key=segment.key: self._outputs.read_own(key, start, end),  # type: ignore[misc]
                segment.size_bytes,
            )
            for segment in segments
        ]
        ranges, tail = parquet_footer.joined(footers)
        yield Piece(parquet_footer.MAGIC)
        for segment, of_file in zip(segments, ranges, strict=True):
            # A segment's row groups follow one another.
            yield Piece(None, segment.key, of_file[0][0], of_file[-1][1])
        yield Piece(tail)

    def _errors(self) -> Iterator[Piece]:
        """Failures with the rows' numbers counted over all parts."""
        base = 0
        for part in self._parts:
            if base == 0 or part.slice.get("only"):
                yield from self._copied(part.error_segments, 1)
            else:
                for segment in part.error_segments:
                    yield from self._renumbered(segment, base)
            base += part.rows

    def _renumbered(self, segment: Segment, base: int) -> Iterator[Piece]:
        held = b""
        for start in range(0, segment.size_bytes, _LOAD_BYTES):
            held += self._outputs.read_own(segment.key, start, min(segment.size_bytes, start + _LOAD_BYTES))
            whole, _, held = held.rpartition(b"\n")
            lines = [orjson.loads(line) for line in whole.splitlines()]
            out = [orjson.dumps({**line, "row": line["row"] + base}) + b"\n" for line in lines]
            yield Piece(b"".join(out))
