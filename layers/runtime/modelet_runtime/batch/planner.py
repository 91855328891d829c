"""What an input is, and how it is cut: slices that are read independently and joined in order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any, cast

from modelet_runtime.batch.errors import InputRefused
from modelet_runtime.batch.forms import parquet_footer
from modelet_runtime.batch.forms.arrays import layout_of
from modelet_runtime.batch.forms.base import Limits, Source
from modelet_runtime.batch.forms.csv_table import Header, first_line, head_of
from modelet_runtime.batch.forms.sniff import HEAD_BYTES, Form, sniff
from modelet_runtime.batch.forms.unpack import compression_of, unpack
from modelet_runtime.batch.options import Options
from modelet_runtime.errors import ModeletError
from modelet_runtime.manifest import Manifest
from modelet_runtime.protocols import friendly

_TABLES = ("parquet", "arrow", "arrow-stream", "npy", "npz")
_WORDS = frozenset({"jsonl", "csv", "manifest"})


@dataclass(frozen=True, slots=True)
class Input:
    """What an object was found to be.

    Attributes:
        form: Its form.
        compression: How it is packed.
        delimiter: Between cells.
        head: What the first line of a table says.
    """

    form: Form
    compression: str = ""
    delimiter: str = ","
    head: Mapping[str, Any] | None = None

    def slice(self, **bounds: Any) -> dict[str, Any]:
        """A slice of it, as the table keeps it."""
        whole = {"form": self.form, "compression": self.compression}
        if self.form == "csv":
            whole["delimiter"] = self.delimiter
        return {**whole, **bounds}


def look(source: Source, options: Options, media_types: Sequence[str], limits: Limits) -> Input:
    """Find out what an object is, by its bytes.

    Raises:
        InputRefused: (400) The model does not take rows of this form, or only texts may be packed.
    """
    head = source.load(0, HEAD_BYTES)
    compression = compression_of(head)
    name = source.ref.key
    whole = source.ref.size_bytes <= HEAD_BYTES
    if compression:
        head = _beginning(head, compression)
        whole = False
        name = str(PurePosixPath(name).with_suffix(""))
    guess = sniff(head, name, whole=whole)
    form = guess.form if options.form == "auto" else cast("Form", options.form)
    if options.form == "auto" and not _is_taken(form, head, media_types):
        form = "object"
    if form == "object":
        return Input(form)  # packed or not, the model may want to see it as it is
    if compression and form not in _WORDS:
        raise InputRefused(f"{compression}: only jsonl, csv and manifests may be packed, got {form}")
    delimiter = options.delimiter or guess.delimiter
    known = None
    if form == "csv" and head.strip():
        known = head_of(first_line(head, delimiter), cast("Header", options.header))
        if len(known["names"] or ()) > limits.columns or known["width"] > limits.columns:
            raise InputRefused(f"csv: {known['width']} columns, expected {limits.columns} at most")
    return Input(form, compression, delimiter, known)


def _beginning(head: bytes, compression: str) -> bytes:
    """The first bytes of what is packed; torn off where the range ended."""
    out = bytearray()
    try:
        for piece in unpack(iter([head]), cast("Any", compression), HEAD_BYTES * 64):
            out += piece
            if len(out) >= HEAD_BYTES:
                break
    except ModeletError:
        pass  # the range tears the last block
    return bytes(out[:HEAD_BYTES])


def _is_taken(form: Form, head: bytes, media_types: Sequence[str]) -> bool:
    """Whether rows of a form are what the model takes; if not, the object as a whole may be."""
    if form in ("object", "manifest"):
        return True
    if form == "csv":
        return friendly.CSV in media_types
    if form in _TABLES:
        return friendly.NPY in media_types or friendly.JSON in media_types
    return friendly.JSON in media_types or head.lstrip()[:7].replace(b" ", b"").startswith(b'{"b64"')


def split(source: Source, found: Input, part_bytes: int, limits: Limits) -> list[dict[str, Any]]:
    """Cut an input into slices of about a size; forms that only read from front to end are one slice."""
    size = source.ref.size_bytes
    if found.compression or size <= part_bytes:
        return [found.slice()]
    if found.form in _WORDS:
        return _of_text(source, found, part_bytes, limits)
    if found.form == "parquet":
        return _of_row_groups(source, found, part_bytes)
    if found.form == "npy":
        return _of_rows(source, found, part_bytes, limits)
    return [found.slice()]


def _of_text(source: Source, found: Input, part_bytes: int, limits: Limits) -> list[dict[str, Any]]:
    size = source.ref.size_bytes
    count = -(-size // part_bytes)
    bounds = [size * number // count for number in range(count + 1)]
    odd = _quotes(source, bounds, limits) if found.form == "csv" else [False] * count
    slices = []
    for number in range(count):
        cut = found.slice(start=bounds[number], end=bounds[number + 1])
        if found.form == "csv":
            cut["odd"] = odd[number]
            if number:
                cut["known"] = found.head
        slices.append(cut)
    return slices


def _quotes(source: Source, bounds: Sequence[int], limits: Limits) -> list[bool]:
    """Whether an odd number of quotes comes before each bound: one pass over the text, which only counts."""
    odd, is_odd = [], False
    for start, end in pairwise(bounds):
        odd.append(is_odd)
        count = sum(piece.count(b'"') for piece in source.stream(start, end, limits))
        is_odd ^= bool(count % 2)
    return odd


def _of_row_groups(source: Source, found: Input, part_bytes: int) -> list[dict[str, Any]]:
    footer = parquet_footer.read_footer(source.load, source.ref.size_bytes)
    slices, start, size = [], 0, 0
    for number, group in enumerate(footer.row_groups):
        size += group.end - group.start
        if size >= part_bytes or number == len(footer.row_groups) - 1:
            slices.append(found.slice(start=start, end=number + 1, bytes=size))
            start, size = number + 1, 0
    return slices or [found.slice()]


def _of_rows(source: Source, found: Input, part_bytes: int, limits: Limits) -> list[dict[str, Any]]:
    layout = layout_of(source, limits)
    if layout.is_fortran or not layout.row_bytes:
        return [found.slice()]
    step = max(1, part_bytes // layout.row_bytes)
    return [
        found.slice(start=start, end=min(layout.rows, start + step)) for start in range(0, layout.rows, step)
    ]


def output_format(found: Input, options: Options, manifest: Manifest) -> str:
    """What the results are written as."""
    if options.format != "auto":
        return options.format
    if found.form in ("npy", "npz"):
        outputs = manifest.signature.outputs
        is_array = (
            not manifest.output_steps and len(outputs) == 1 and outputs[0].datatype not in ("BYTES", "BF16")
        )
        is_even = is_array and -1 not in outputs[0].shape[1:] and manifest.signature.has_batch_axis
        return "npy" if is_even else "jsonl"
    own = {"csv": "csv", "parquet": "parquet", "arrow": "parquet", "arrow-stream": "parquet"}
    return own.get(found.form, "jsonl")
