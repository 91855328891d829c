"""S3 as batch needs it: ranges of one version, objects that appear whole or not at all, copies by S3.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import Any

from botocore.exceptions import ClientError as AwsError
from botocore.exceptions import HTTPClientError, IncompleteReadError

from modelet_runtime.batch.errors import InputGone, InputTooLarge
from modelet_runtime.batch.identity import ObjectRef

# All but the last part of an upload have at least 5 MiB, and there are at most 10,000.
# Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
MIN_PART_BYTES = 5 * 1024 * 1024
MAX_COPY_BYTES = 5 * 1024**3
_BROKEN_READS = 3
_GONE = frozenset({"NoSuchKey", "NoSuchVersion", "NoSuchBucket", "404", "412", "PreconditionFailed"})
_EXISTS = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict", "409"})


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of an object to be: bytes at hand, or a range of an object that is stored.

    Attributes:
        data: The bytes; None where they are stored.
        key: The object, otherwise.
        start: Its first byte.
        end: The byte after its last.
    """

    data: bytes | None = None
    key: str = ""
    start: int = 0
    end: int = 0

    @property
    def size_bytes(self) -> int:
        """How much it adds."""
        return self.end - self.start if self.data is None else len(self.data)


class Bucket:
    """One bucket; a thin, typed layer over botocore's client. Safe to use from several threads."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self.name = name

    def head(self, key: str, version_id: str = "", etag: str = "") -> tuple[ObjectRef, dict[str, str]]:
        """An object's version and metadata.

        Raises:
            InputGone: (404) There is no such object, or it is another one by now.
        """
        arguments = {"VersionId": version_id} if version_id else {}
        try:
            found = self._client.head_object(Bucket=self.name, Key=key, **arguments)
        except AwsError as error:
            raise _translated(error, self.name, key) from error
        ref = ObjectRef(
            self.name, key, _version(found), found["ETag"].strip('"'), int(found["ContentLength"])
        )
        if etag and not version_id and ref.etag != etag:
            raise InputGone(f"s3://{self.name}/{key}: it was replaced before it was read")
        return ref, dict(found.get("Metadata", {}))

    def read(self, ref: ObjectRef, start: int = 0, end: int | None = None) -> bytes:
        """A range of exactly this version; an empty one costs nothing.

        Raises:
            InputGone: (404) The version is gone.
        """
        stop = ref.size_bytes if end is None else min(end, ref.size_bytes)
        if stop <= start:
            return b""
        arguments = {"VersionId": ref.version_id} if ref.version_id else {"IfMatch": f'"{ref.etag}"'}
        where = {"Bucket": self.name, "Key": ref.key, "Range": f"bytes={start}-{stop - 1}"}
        try:
            return self._fetched(**where, **arguments)
        except AwsError as error:
            raise _translated(error, self.name, ref.key) from error

    def _fetched(self, **arguments: Any) -> bytes:
        """One range; again where the connection breaks in it, as botocore's retries end at the headers."""
        for _ in range(_BROKEN_READS):
            try:
                data: bytes = self._client.get_object(**arguments)["Body"].read()
            except (HTTPClientError, IncompleteReadError):
                continue
            return data
        last: bytes = self._client.get_object(**arguments)["Body"].read()
        return last

    def read_own(self, key: str, start: int, end: int) -> bytes:
        """A range of an object that never changes once it is there."""
        return self._load(Piece(None, key, start, end))

    def read_small(self, key: str, limit_bytes: int) -> bytes | None:
        """A whole small object, or None if there is none.

        Raises:
            InputGone: (404) It changed in between.
            InputTooLarge: (413) It is larger than the limit.
        """
        try:
            ref, _ = self.head(key)
        except InputGone:
            return None
        if ref.size_bytes > limit_bytes:
            raise InputTooLarge(f"s3://{self.name}/{key}: expected at most {limit_bytes} bytes")
        return self.read(ref)

    def tags(self, ref: ObjectRef) -> dict[str, str]:
        """An object's tags."""
        arguments = {"VersionId": ref.version_id} if ref.version_id else {}
        try:
            found = self._client.get_object_tagging(Bucket=self.name, Key=ref.key, **arguments)
        except AwsError as error:
            raise _translated(error, self.name, ref.key) from error
        return {tag["Key"]: tag["Value"] for tag in found["TagSet"]}

    def stream(self, ref: ObjectRef, start: int, end: int, chunk_bytes: int, ahead: int) -> Iterator[bytes]:
        """Read a range in order, with so many ranged requests under way at once."""
        starts = iter(range(start, end, chunk_bytes))
        with ThreadPoolExecutor(max_workers=max(1, ahead), thread_name_prefix="modelet-get") as pool:
            waiting: list[Future[bytes]] = []
            try:
                for offset in starts:
                    waiting.append(pool.submit(self.read, ref, offset, min(end, offset + chunk_bytes)))
                    if len(waiting) > ahead:
                        yield waiting.pop(0).result()
                while waiting:
                    yield waiting.pop(0).result()
            finally:
                for future in waiting:
                    future.cancel()

    def put(self, key: str, data: bytes) -> None:
        """Write an object that nobody else writes."""
        self._client.put_object(Bucket=self.name, Key=key, Body=data)

    def put_new(self, key: str, data: bytes, media_type: str, metadata: Mapping[str, str]) -> bool:
        """Write an object unless there is one; False if there is."""
        try:
            self._client.put_object(
                Bucket=self.name,
                Key=key,
                Body=data,
                ContentType=media_type,
                Metadata=dict(metadata),
                IfNoneMatch="*",
            )
        except AwsError as error:
            return _existed(error)
        return True

    def delete(self, key: str) -> None:
        """Remove an object, if it is there."""
        self._client.delete_object(Bucket=self.name, Key=key)

    def begin_upload(self, key: str, media_type: str, metadata: Mapping[str, str]) -> "Upload":
        """Start an upload in parts; nothing is visible before it is completed."""
        begun = self._client.create_multipart_upload(
            Bucket=self.name, Key=key, ContentType=media_type, Metadata=dict(metadata)
        )
        return Upload(self._client, self.name, key, begun["UploadId"])

    def assemble_new(
        self, key: str, pieces: Iterable[Piece], media_type: str, metadata: Mapping[str, str]
    ) -> bool:
        """Write an object of pieces unless there is one; False if there is.

        What is stored is copied by S3 itself; only what is too small to be a part passes through here.
        """
        coming = iter(pieces)
        small = bytearray()
        for piece in coming:
            if piece.size_bytes + len(small) >= MIN_PART_BYTES:
                return self._upload_new(
                    key, chain([Piece(bytes(small)), piece], coming), media_type, metadata
                )
            small += self._load(piece)
        return self.put_new(key, bytes(small), media_type, metadata)

    def _upload_new(
        self, key: str, pieces: Iterable[Piece], media_type: str, metadata: Mapping[str, str]
    ) -> bool:
        upload = self.begin_upload(key, media_type, metadata)
        try:
            self._fill(upload, pieces)
            return upload.complete(only_new=True)
        except BaseException:
            upload.abort()
            raise

    def _fill(self, upload: "Upload", pieces: Iterable[Piece]) -> None:
        """Parts of at least 5 MiB: stored stretches are copied, what lies between them is carried along."""
        held = bytearray()
        for piece in pieces:
            start = piece.start
            if piece.data is None and piece.size_bytes >= 2 * MIN_PART_BYTES:
                if held:  # top it up to a part, and leave the copy a part at least
                    start += max(0, MIN_PART_BYTES - len(held))
                    held += self._load(Piece(None, piece.key, piece.start, start))
                    upload.add(bytes(held))
                    held.clear()
                upload.copy(piece.key, start, piece.end)
                continue
            held += self._load(piece)
            if len(held) >= MIN_PART_BYTES:
                upload.add(bytes(held))
                held.clear()
        if held:
            upload.add(bytes(held))

    def _load(self, piece: Piece) -> bytes:
        if piece.data is not None:
            return piece.data
        if piece.end <= piece.start:
            return b""
        return self._fetched(Bucket=self.name, Key=piece.key, Range=f"bytes={piece.start}-{piece.end - 1}")


class Upload:
    """An upload in parts that is under way."""

    def __init__(self, client: Any, bucket: str, key: str, upload_id: str) -> None:
        self._client = client
        self._where = {"Bucket": bucket, "Key": key, "UploadId": upload_id}
        self._parts: list[dict[str, Any]] = []
        self.key = key
        self.size_bytes = 0

    def add(self, data: bytes) -> None:
        """Send the next part."""
        number = len(self._parts) + 1
        answer = self._client.upload_part(**self._where, PartNumber=number, Body=data)
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        self.size_bytes += len(data)

    def copy(self, key: str, start: int, end: int) -> None:
        """Have S3 copy a range of another object of the bucket, as one part or several."""
        source = {"Bucket": self._where["Bucket"], "Key": key}
        count = -(-(end - start) // MAX_COPY_BYTES)
        step = -(-(end - start) // count)
        for begin in range(start, end, step):
            number = len(self._parts) + 1
            answer = self._client.upload_part_copy(
                **self._where,
                PartNumber=number,
                CopySource=source,
                CopySourceRange=f"bytes={begin}-{min(end, begin + step) - 1}",
            )
            self._parts.append({"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]})
        self.size_bytes += end - start

    def complete(self, *, only_new: bool) -> bool:
        """Make the object visible; False if there is one already and `only_new` is asked for."""
        arguments = {"IfNoneMatch": "*"} if only_new else {}
        try:
            self._client.complete_multipart_upload(
                **self._where, MultipartUpload={"Parts": self._parts}, **arguments
            )
        except AwsError as error:
            if only_new and error.response["Error"]["Code"] in _EXISTS:
                self.abort()
                return False
            raise
        return True

    def abort(self) -> None:
        """Give it up; what cannot be removed now, the bucket's lifecycle removes."""
        try:
            self._client.abort_multipart_upload(**self._where)
        except AwsError:
            return


def _existed(error: AwsError) -> bool:
    """False, for an object that exists; anything else is raised."""
    if error.response["Error"]["Code"] in _EXISTS:
        return False
    raise error


def _version(found: Mapping[str, Any]) -> str:
    version = found.get("VersionId") or ""
    return "" if version == "null" else str(version)


def _translated(error: Exception, bucket: str, key: str) -> Exception:
    code = error.response["Error"]["Code"] if isinstance(error, AwsError) else ""
    if code in _GONE:
        return InputGone(f"s3://{bucket}/{key}: there is no such object any more ({code})")
    return error
