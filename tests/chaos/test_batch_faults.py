"""Faults of S3 and DynamoDB, kills, duplicates and time limits at any call of a worker; ninety seeds.

With the ten of tests/unit/runtime/batch and the hundred inputs of test_batch_killed.py these are 200 runs.
"""

from collections.abc import Iterator

import pytest
from support import batching
from support.batch_faults import survive
from support.graphs import softmax

from modelet_runtime.predictor import Predictor


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return batching.version(tmp_path_factory.mktemp("softmax"), softmax())


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with batching.aws():
        yield


@pytest.mark.parametrize("seed", range(10, 100))
def test_one_right_result_whatever_fails(aws: None, predictor: Predictor, seed: int):
    survive(predictor, seed)
