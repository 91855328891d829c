"""Which requests wait for the emulator."""

import asyncio

import pytest
from aiohttp.test_utils import make_mocked_request

from modelet.errors import ServiceRefused
from modelet.local.aws.wishes import needs_aws, until_up
from modelet.local.errors import StillStarting


@pytest.mark.parametrize(
    ("method", "path", "headers", "needs"),
    [
        ("POST", "/models/m/predict", {}, False),
        ("POST", "/models/m/predict", {"prefer": "wait=5"}, False),
        ("POST", "/models/m/predict", {"Prefer": "Respond-Async, wait=5"}, True),
        ("POST", "/models/m/predict?upload=x", {}, True),
        ("POST", "/models/m/predict?uploaded=x", {}, False),
        ("PUT", "/models/m/predict", {}, True),
        ("GET", "/v2", {}, False),
        ("GET", "/jobs/x", {}, True),
        ("POST", "/uploads/", {}, True),
    ],
)
def test_those_for_jobs_and_uploads(method: str, path: str, headers: dict[str, str], needs: bool):
    assert needs_aws(make_mocked_request(method, path, headers=headers)) is needs


def test_an_emulator_that_does_not_come_up_is_a_503():
    async def start() -> None:
        raise ServiceRefused("moto's server did not come up", "see why")

    with pytest.raises(StillStarting) as refused:
        asyncio.run(until_up(start))
    assert (refused.value.status, refused.value.headers["retry-after"]) == (503, "2")
