"""The reader of a slice and the writer of a format."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from modelet_runtime.batch.forms.arrays import NpyReader, NpzReader
from modelet_runtime.batch.forms.base import Limits, Reader, Source, Writer
from modelet_runtime.batch.forms.columns import ArrowReader, ParquetReader, Table
from modelet_runtime.batch.forms.csv_table import CsvReader
from modelet_runtime.batch.forms.jsonl import JsonLinesReader
from modelet_runtime.batch.forms.lines import Text
from modelet_runtime.batch.forms.parquet_out import ParquetWriter
from modelet_runtime.batch.forms.single import ManifestReader, ObjectReader
from modelet_runtime.batch.forms.writers import CsvWriter, JsonLinesWriter, NpyWriter
from modelet_runtime.batch.options import Options

_WRITERS: Mapping[str, type[JsonLinesWriter] | type[CsvWriter] | type[ParquetWriter] | type[NpyWriter]] = {
    "jsonl": JsonLinesWriter,
    "csv": CsvWriter,
    "parquet": ParquetWriter,
    "npy": NpyWriter,
}


def open_reader(
    source: Source,
    cut: Mapping[str, Any],
    options: Options,
    limits: Limits,
    inputs: Sequence[str],
    media_types: Sequence[str],
) -> Reader:
    """The reader of a slice.

    Args:
        source: The object.
        cut: The slice, as the planner made it.
        options: The run's.
        limits: Bounds.
        inputs: Names of the graph's inputs, where no step stands before it.
        media_types: What the model takes, for objects that are one value.
    """
    form = cut["form"]
    start, end = cut.get("start", 0), cut.get("end", -1)
    if form in ("jsonl", "csv", "manifest"):
        text = Text(source, limits, cut["compression"], start, end)
        return _of_text(text, cut, options, media_types)
    table = Table(inputs, options.kept)
    if form == "parquet":
        return ParquetReader(source, table, limits, start, end)
    if form in ("arrow", "arrow-stream"):
        return ArrowReader(source, table, limits, is_stream=form == "arrow-stream")
    if form == "npy":
        return NpyReader(source, limits, start, end)
    return NpzReader(source, limits) if form == "npz" else ObjectReader(source, media_types, limits)


def _of_text(text: Text, cut: Mapping[str, Any], options: Options, media_types: Sequence[str]) -> Reader:
    if cut["form"] == "csv":
        quoted = replace(text, quoted=True, odd=cut.get("odd", False))
        header: Any = options.header
        return CsvReader(
            quoted, cut["delimiter"], header, cut.get("known"), options.kept, text.limits.columns
        )
    if cut["form"] == "manifest":
        return ManifestReader(text, text.source.bucket, media_types, options.kept)
    return JsonLinesReader(text, options.kept)


def open_writer(format_name: str, columns: Any) -> Writer:
    """The writer of a format, with what is known of the columns so far."""
    return _WRITERS[format_name](columns)
