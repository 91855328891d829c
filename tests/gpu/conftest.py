"""A real Triton server on the CPU, behind SageMaker's runtime API, asked by boto3."""

from collections.abc import Iterator

import onnx
import pytest
from support.triton import MODELS, Chain, chain_over

from modelet.local.endpoint.installation import Installation
from modelet.triton import repository


@pytest.fixture(scope="session")
def installation() -> Installation:
    """The server; these tests are not run without it."""
    found = Installation.find()
    assert found is not None, "there is no Triton server: run `make install-gpu-local`"
    return found


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.fixture(scope="session")
def chain(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """The small models, on one endpoint."""
    folder = tmp_path_factory.mktemp("models")
    for of, graph in MODELS.values():
        path = tmp_path_factory.mktemp("graph") / "model.onnx"
        onnx.save(graph, path)
        repository.write(folder, of, path, (), "cpu")
    with chain_over(installation, folder) as running:
        yield running
