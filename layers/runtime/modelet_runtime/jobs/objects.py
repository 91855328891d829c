"""The bucket: requests and results of jobs, and what callers have uploaded.

uploads/<upload>               put there by callers, with a presigned form
jobs/<job>/request/<digest>    the body of a request; two requests never share one
jobs/<job>/result/<fence>      the body of an answer; only the one that the table names counts
"""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError as AwsError

from modelet_runtime.errors import InvalidRequest, NotFound, PayloadTooLarge
from modelet_runtime.jobs.record import is_id

# What a function of modest memory can hold beside its model.
MAX_UPLOAD_BYTES = 100_000_000
# Whoever may not list a bucket hears 403 of what is not in it.
# Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
_ABSENT = frozenset({"403", "404"})
_BYTES = "application/octet-stream"
# What S3 writes to an object that came without a type.
_UNTYPED = frozenset({"", "binary/octet-stream"})


@dataclass(frozen=True, slots=True)
class Upload:
    """What a caller has uploaded.

    Attributes:
        key: Where it is.
        media_type: As the caller said.
        etag: Of its bytes; the same form can be used twice.
    """

    key: str
    media_type: str
    etag: str


class Objects:
    """The objects of a bucket.

    Args:
        client: botocore's client of S3.
        bucket: The bucket's name.
    """

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def put(self, key: str, body: bytes | memoryview, media_type: str = _BYTES) -> None:
        """Write an object."""
        self._client.put_object(Bucket=self._bucket, Key=key, Body=bytes(body), ContentType=media_type)

    def get(self, key: str, etag: str | None = None) -> bytes:
        """Read an object, and only that one of its contents, if one is named."""
        only = {"IfMatch": etag} if etag else {}
        body: bytes = self._client.get_object(Bucket=self._bucket, Key=key, **only)["Body"].read()
        return body

    def copy(self, upload: Upload, key: str) -> None:
        """Keep an upload as it is now, whatever is uploaded in its place later."""
        self._client.copy_object(
            Bucket=self._bucket,
            Key=key,
            CopySource={"Bucket": self._bucket, "Key": upload.key},
            CopySourceIfMatch=upload.etag,
        )

    def upload(self, upload: str) -> Upload:
        """Look at what a caller has uploaded.

        Raises:
            InvalidRequest: (400) That is no upload's id.
            NotFound: (404) Nothing was uploaded, or it is gone.
            PayloadTooLarge: (413) It has more than 100 MB.
        """
        if not is_id(upload):
            raise InvalidRequest("upload", "the id that POST /uploads gave", repr(upload[:80]))
        key = f"uploads/{upload}"
        try:
            head = self._client.head_object(Bucket=self._bucket, Key=key)
        except AwsError as error:
            if error.response["Error"]["Code"] in _ABSENT:
                raise NotFound(f"nothing was uploaded as {upload}, or it is gone") from error
            raise
        if head["ContentLength"] > MAX_UPLOAD_BYTES:
            raise PayloadTooLarge(f"the upload has more than {MAX_UPLOAD_BYTES:,} bytes")
        media_type = head.get("ContentType", "")
        return Upload(key, _BYTES if media_type in _UNTYPED else media_type, head["ETag"])

    def form(self, upload: str, expires_s: int) -> dict[str, Any]:
        """A form with which one object of at most 100 MB may be uploaded: its URL and fields."""
        found: dict[str, Any] = self._client.generate_presigned_post(
            self._bucket,
            f"uploads/{upload}",
            Conditions=[
                ["content-length-range", 1, MAX_UPLOAD_BYTES],
                ["starts-with", "$Content-Type", ""],
            ],
            ExpiresIn=expires_s,
        )
        return found

    def link(self, key: str, expires_s: int) -> str:
        """A URL that reads an object."""
        found: str = self._client.generate_presigned_url(
            "get_object", {"Bucket": self._bucket, "Key": key}, ExpiresIn=expires_s
        )
        return found
