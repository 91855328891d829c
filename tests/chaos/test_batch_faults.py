"""Faults of S3 and DynamoDB, kills, duplicates and time limits at any call of a worker; ninety seeds.

At every moment a reader finds whole results or none.

With the ten of tests/unit/runtime/batch and the hundred inputs of test_batch_killed.py these are 200 runs.
"""

import random
from collections.abc import Iterator

import pytest
from support import batching
from support.batch_faults import KINDS, Faults, survive
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


def test_the_same_seed_injects_the_same_faults_in_whatever_order_threads_call():
    calls = [f"get_object Key=k Range=bytes={start}-" for start in range(300)] + ["update_item"] * 50
    shuffled = random.Random(0).sample(calls, len(calls))
    one, other, third = (Faults(seed, 0.1) for seed in ("1/0", "1/0", "2/0"))
    for faults, made in ((one, calls), (other, shuffled), (third, calls)):
        for call in made:
            faults.of(call)
    assert sorted(map(repr, one.injected)) == sorted(map(repr, other.injected))
    assert sorted(map(repr, one.injected)) != sorted(map(repr, third.injected))
    assert {fault.kind for _, fault in one.injected} == set(KINDS)
