from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import boto3
import pytest
from moto import mock_aws
from support.jobs import Desk, Invoked

from modelet_runtime.jobs.record import Job
from modelet_runtime.jobs.store import Store

TABLE, BUCKET = "jobs", "jobs-bucket"
ID = "0123456789abcdef0123456789abcdef"


class Clock:
    """A time that tests move."""

    def __init__(self) -> None:
        self.now_s = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


# Making one takes longer than most tests; moto answers whatever was made once it is imported.
client = cache(boto3.client)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        client("s3").create_bucket(Bucket=BUCKET)
        client("dynamodb").create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "job", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "job", "KeyType": "HASH"}],
        )
        yield client


@pytest.fixture
def store(aws: Callable[[str], Any], clock: Clock) -> Store:
    return Store(aws("dynamodb"), TABLE, clock)


@pytest.fixture
def job(clock: Clock) -> Job:
    now = int(clock())
    return Job(
        job=ID,
        model="demo_sum",
        version=3,
        function="arn:aws:lambda:us-east-1:0:function:demo_sum:live",
        method="POST",
        path="/models/demo_sum/predict",
        headers={"content-type": "text/plain"},
        query={},
        request_key=f"jobs/{ID}/request/f",
        fingerprint="f",
        created_at=now,
        updated_at=now,
        due_at=now + 60,
        expires_at=now + 3600,
    )


@pytest.fixture
def invoked() -> Invoked:
    return Invoked()


@pytest.fixture
def open_desk(aws: Callable[[str], Any], clock: Clock, invoked: Invoked) -> Callable[..., Desk]:
    def opened(**options: Any) -> Desk:
        return Desk(aws("dynamodb"), aws("s3"), invoked, clock, **options)

    return opened
