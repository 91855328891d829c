"""Graphs with steps answer on a real Triton as they do in the function: bytes in, words out."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from support.artifacts import write_version
from support.grafts import Grafted, graft
from support.graphs import model, value
from support.manifests import manifest
from support.triton import Chain, chain_over

from modelet.build import facts
from modelet.build.arrays import to_tensor
from modelet.local.endpoint.installation import Installation
from modelet.triton import repository
from modelet_runtime.manifest import Manifest
from modelet_runtime.ort import OrtSession
from modelet_runtime.tensor import Tensor

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
LABELS = ("cat", "Hund", "狐")
RANDOM = np.random.default_rng(0)


def classifier() -> Grafted:
    """A picture to the names of two classes and their probabilities."""
    weights = numpy_helper.from_array(RANDOM.normal(size=(75, 3)).astype(np.float32) / 100, "w")
    nodes = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("MatMul", ["f", "w"], ["logits"])]
    x, logits = value("x", FLOAT, ("n", 3, 5, 5)), value("logits", FLOAT, ("n", 3))
    return graft(
        model(nodes, [x], [logits], [weights]),
        [{"name": "pixels", "rename": "pixels"}, {"name": "normalise", "mean": [99, 9, 5], "std": [2, 3, 4]}],
        [{"name": "softmax"}, {"name": "top_k", "k": 2}, {"name": "class_names", "rename": "labels"}],
        LABELS,
    )


def detector() -> Grafted:
    """Boxes and scores to detections, their names and how many there are."""
    nodes = [helper.make_node("Identity", [name[0]], [name]) for name in ("boxes", "scores")]
    sides = [(FLOAT, ("n", 6, 4)), (FLOAT, ("n", 6, 3))]
    return graft(
        model(
            nodes,
            [value(name, *side) for name, side in zip("bs", sides, strict=True)],
            [value(name, *side) for name, side in zip(("boxes", "scores"), sides, strict=True)],
        ),
        after=[{"name": "non_max_suppression", "max_detections": 4}, {"name": "class_names"}],
        labels=LABELS,
    )


def encoder() -> Grafted:
    """Numbers of words to a vector of length 1."""
    table = numpy_helper.from_array(RANDOM.normal(size=(9, 5)).astype(np.float32), "table")
    node = helper.make_node("Gather", ["table", "input_ids"], ["vectors"])
    inputs = [value(name, INT64, ("n", "s")) for name in ("input_ids", "attention_mask")]
    output = value("vectors", FLOAT, ("n", "s", 5))
    after = [{"name": "mean_pool", "rename": "embedding"}, {"name": "l2_normalise"}]
    # The mask is used by the step alone; before that it is an input that no node takes.
    return graft(model([node], inputs, [output], [table]), after=after)


@dataclass
class Served:
    """A model in both places."""

    manifest: Manifest
    here: OrtSession
    graph: Path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Served]:
    made = {}
    for name, grafted in (("classifier", classifier()), ("detector", detector()), ("encoder", encoder())):
        signature = facts.signature(grafted.model)
        of = manifest(signature.inputs, signature.outputs, name=name)
        folder = tmp_path_factory.mktemp(name)
        write_version(folder, grafted.model, name, signature=signature)
        onnx.save(grafted.model, folder / "model.onnx")
        made[name] = Served(of, OrtSession(folder / "model.ort"), folder / "model.onnx")
    return made


@pytest.fixture(scope="module")
def endpoint(
    served: dict[str, Served], installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Chain]:
    folder = tmp_path_factory.mktemp("repository")
    for made in served.values():
        repository.write(folder, made.manifest, made.graph, (), "cpu")
    with chain_over(installation, folder) as running:
        yield running


def rows(count: int) -> dict[str, list[Tensor]]:
    """Inputs of each model."""
    corners = RANDOM.random((count, 6, 2)) * 5
    boxes = np.concatenate([corners, corners + 2], axis=-1).astype(np.float32)
    lengths = RANDOM.integers(0, 7, (count, 1))
    return {
        "classifier": [to_tensor("pixels", RANDOM.integers(0, 256, (count, 5, 5, 3), dtype=np.uint8))],
        "detector": [to_tensor("b", boxes), to_tensor("s", RANDOM.random((count, 6, 3)).astype(np.float32))],
        "encoder": [
            to_tensor("input_ids", RANDOM.integers(0, 9, (count, 7))),
            to_tensor("attention_mask", (np.arange(7) < lengths).astype(np.int64)),
        ],
    }


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("name", ["classifier", "detector", "encoder"])
def test_answers_are_the_same_in_both_places(
    served: dict[str, Served], endpoint: Chain, name: str, count: int
) -> None:
    inputs = rows(count)[name]
    expected = served[name].here.run(inputs)
    actual = endpoint.session(served[name].manifest).run(inputs)
    assert [tensor.name for tensor in actual] == [tensor.name for tensor in expected]
    for ours, theirs in zip(actual, expected, strict=True):
        assert (ours.datatype, ours.shape) == (theirs.datatype, theirs.shape), theirs.name
        if theirs.datatype.is_float:
            np.testing.assert_allclose(list(ours.values()), list(theirs.values()), rtol=1e-5, atol=1e-6)
        else:
            assert list(ours.values()) == list(theirs.values()), theirs.name
