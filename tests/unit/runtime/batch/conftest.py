"""Credentials that moto takes, and a model that is loaded once."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import batching
from support.graphs import softmax

from modelet_runtime.predictor import Predictor


@pytest.fixture(autouse=True, scope="session")
def _credentials() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        patch.setenv(name, "testing")
    patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    yield
    patch.undo()


@pytest.fixture(scope="session")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """`probabilities = softmax(logits)` over FP32[n,4]."""
    return batching.version(tmp_path_factory.mktemp("softmax"), softmax())


@pytest.fixture
def aws() -> Iterator[None]:
    with batching.aws():
        yield


@pytest.fixture(scope="module")
def shared(predictor: Predictor) -> Iterator[batching.Batching]:
    """One AWS for the examples of a property."""
    with batching.aws():
        yield batching.Batching(predictor)


@pytest.fixture
def batch(aws: None, predictor: Predictor) -> batching.Batching:
    return batching.Batching(predictor)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "version"
