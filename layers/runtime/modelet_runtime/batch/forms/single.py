"""Whole objects as rows: a picture, a document, or many of them that a manifest names."""

from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from modelet_runtime.batch.errors import InputGone, InputRefused, InputTooLarge
from modelet_runtime.batch.forms.base import Chunk, Limits, Row, Source
from modelet_runtime.batch.forms.jsonl import parse
from modelet_runtime.batch.forms.lines import Text
from modelet_runtime.batch.forms.sniff import media_type_of
from modelet_runtime.batch.objects import Bucket
from modelet_runtime.errors import ClientError, InvalidRequest, ModeletError
from modelet_runtime.protocols import friendly
from modelet_runtime.steps.base import Value

_FETCHES = 8
_BATCH = 64


@dataclass(frozen=True, slots=True)
class ObjectReader:
    """One object, parsed as the friendly route parses a body of its media type."""

    source: Source
    media_types: Sequence[str]
    limits: Limits = field(default_factory=Limits)

    def chunks(self, position: Any) -> Generator[Chunk]:
        """One chunk of one row, or of as many as the document holds."""
        if position is not None:
            return
        size = self.source.ref.size_bytes
        if size > self.limits.row_bytes:
            raise InputTooLarge(f"an object of {size} bytes, expected {self.limits.row_bytes} at most")
        try:
            values = _values(self.source.load(0, size), self.media_types)
        except ClientError as error:
            raise InputRefused(str(error)) from error
        refer = {"uri": f"s3://{self.source.ref.bucket}/{self.source.ref.key}"}
        yield Chunk(
            first=0,
            rows=len(values),
            values=values,
            columns=None,
            refer=lambda row: refer,
            position={"done": True},
            bytes_done=size,
        )


@dataclass(frozen=True, slots=True)
class ManifestReader:
    """JSON Lines of S3 URIs: `"s3://..."` or `{"uri": "s3://...", ...}`; one that is gone fails alone."""

    text: Text
    bucket: Bucket
    media_types: Sequence[str]
    keep: Sequence[str] | None = None

    def chunks(self, position: Any) -> Generator[Chunk]:
        """Fetch so many objects ahead, and give them in order."""
        first = 0 if position is None else position["row"]
        with ThreadPoolExecutor(_FETCHES, thread_name_prefix="modelet-get") as pool:
            for begin, piece in self.text.pieces(None if position is None else position["offset"]):
                entries = parse(piece)
                done = begin + len(piece) - self.text.start
                after = {"offset": begin + len(piece), "row": first + len(entries)}
                for start in range(0, len(entries), _BATCH):
                    some = entries[start : start + _BATCH]
                    is_last = start + _BATCH >= len(entries)
                    yield Chunk(
                        first=first + start,
                        rows=len(some),
                        values=list(self._fetched(pool, some)),
                        columns=None,
                        refer=lambda row, some=some: {"uri": _uri_or_text(some[row])},  # type: ignore[misc]
                        kept=self._kept(some),
                        position=after if is_last else None,
                        bytes_done=done,
                    )
                first += len(entries)

    def _fetched(self, pool: ThreadPoolExecutor, entries: Sequence[Row]) -> Iterator[Row]:
        waiting: deque[Future[Row]] = deque()
        for entry in entries:
            waiting.append(pool.submit(self._fetch, entry))
            if len(waiting) >= _FETCHES:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _fetch(self, entry: Row) -> Row:
        """One object's value; whatever is wrong with it is its row's failure."""
        try:
            bucket, key, version = split_uri(entry)
            if bucket != self.bucket.name:
                raise InvalidRequest("uri", f"an object of s3://{self.bucket.name}", f"s3://{bucket}")
            ref, _ = self.bucket.head(key, version)
            if ref.size_bytes > self.text.limits.row_bytes:
                raise InputTooLarge(f"{ref.size_bytes} bytes, expected {self.text.limits.row_bytes} at most")
            values = _values(self.bucket.read(ref), self.media_types)
            if len(values) != 1:
                raise InvalidRequest("object", "one value", f"{len(values)}")
            return values[0]
        except (InputGone, InputRefused, ModeletError) as error:
            return error

    def _kept(self, entries: Sequence[Row]) -> list[Mapping[str, Any]] | None:
        if self.keep is None:
            return None
        rows = [entry if isinstance(entry, dict) else {"uri": _uri_or_text(entry)} for entry in entries]
        return [{name: row.get(name) for name in self.keep} if self.keep else row for row in rows]


def split_uri(entry: Row) -> tuple[str, str, str]:
    """Bucket, key and version of a manifest's line.

    Raises:
        InvalidRequest: (400) It names no object.
    """
    if isinstance(entry, ModeletError):
        raise entry
    uri = entry.get("uri") if isinstance(entry, dict) else entry
    version = str(entry.get("version_id", "")) if isinstance(entry, dict) else ""
    if not isinstance(uri, str) or not uri.startswith("s3://") or "/" not in uri[5:]:
        raise InvalidRequest("uri", "s3://bucket/key", f"{uri!r:.80}")
    bucket, _, key = uri[5:].partition("/")
    return bucket, key, version


def _uri_or_text(entry: Row) -> str:
    uri = entry.get("uri") if isinstance(entry, dict) else entry
    return str(uri)[:1024]


def _values(body: bytes, media_types: Sequence[str]) -> list[Value]:
    media_type = media_type_of(body)
    if media_type == friendly.JSON and friendly.JSON not in media_types:
        media_type = friendly.TEXT if friendly.TEXT in media_types else friendly.OCTETS
    if media_type == friendly.TEXT and friendly.TEXT not in media_types:
        media_type = friendly.OCTETS
    return friendly.parse(body, media_type, media_types)[0]
