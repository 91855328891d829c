"""What the bucket says of uploads, where the emulator says less than S3."""

import pytest
from botocore.exceptions import ClientError

from modelet_runtime.errors import NotFound, PayloadTooLarge
from modelet_runtime.jobs.objects import MAX_UPLOAD_BYTES, Objects

UPLOAD = "00112233445566778899aabbccddeeff"


class Head:
    """S3, as far as it is asked for an object's head."""

    def __init__(self, answer):
        self.answer = answer

    def head_object(self, **fields):
        assert fields == {"Bucket": "b", "Key": f"uploads/{UPLOAD}"}
        if isinstance(self.answer, str):
            raise ClientError({"Error": {"Code": self.answer}}, "HeadObject")
        return self.answer


def upload(answer):
    return Objects(Head(answer), "b").upload(UPLOAD)


def test_one_that_is_larger_than_its_form_allowed_is_refused():
    assert upload({"ContentLength": MAX_UPLOAD_BYTES, "ETag": "e"}).etag == "e"
    with pytest.raises(PayloadTooLarge, match="100,000,000"):
        upload({"ContentLength": MAX_UPLOAD_BYTES + 1, "ETag": "e"})


@pytest.mark.parametrize("code", ["404", "403"])
def test_one_that_is_not_there_is_a_404_also_for_who_may_not_list(code):
    with pytest.raises(NotFound):
        upload(code)


def test_other_failures_are_not_the_callers():
    with pytest.raises(ClientError):
        upload("SlowDown")


@pytest.mark.parametrize(
    ("stored", "media_type"),
    [
        ({}, "application/octet-stream"),
        ({"ContentType": "binary/octet-stream"}, "application/octet-stream"),
        ({"ContentType": "image/jpeg"}, "image/jpeg"),
    ],
)
def test_what_came_without_a_type_is_bytes(stored, media_type):
    assert upload({"ContentLength": 1, "ETag": "e", **stored}).media_type == media_type
