"""The demo models: OrtSession answers the bits of ONNX Runtime's Python binding over the built artifacts."""

import random
from pathlib import Path

import pytest
from support.binding import Binding, bits_of

from modelet_runtime.manifest import TensorSpec
from modelet_runtime.ort import OrtSession
from modelet_runtime.tensor import DATATYPES, Tensor

MODELS = Path(__file__).parents[2] / "model_artifacts"


def likely(spec: TensorSpec, rows: int) -> Tensor:
    """Small whole numbers: a pixel, a token or a feature may be each of them."""
    shape = tuple(rows if size == -1 else size for size in spec.shape)
    count = 1
    for size in shape:
        count *= size
    chance = random.Random(f"{spec.name} {rows}")
    values = [chance.randrange(10) for _ in range(count)]
    return Tensor.from_values(spec.name, DATATYPES[spec.datatype], shape, values)


@pytest.mark.parametrize("name", ["file_type", "digit_image"])
def test_bits_of_a_built_model(name: str) -> None:
    versions = sorted((MODELS / name / "versions").glob("*/model.ort"))
    if not versions:
        pytest.skip(f"{name} is not built: `make test` does it first")
    for path in versions:
        peer = Binding(path)
        with OrtSession(path) as session:
            for rows in (1, 1, 1, 2, 7, 1, 64):
                request = [likely(spec, rows) for spec in session.signature.inputs]
                assert bits_of(session.run(request)) == peer.run(request)
