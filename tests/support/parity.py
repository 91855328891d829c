"""A scikit-learn estimator and the graph made of it, over the same inputs."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from modelet.build import facts
from modelet.build.arrays import to_array, to_tensor
from modelet.build.check import check
from modelet.build.converters.scikit_learn import Estimator
from modelet.build.normalise import normalise
from modelet.build.reference import ReferenceSession
from modelet_runtime.manifest import Signature


def agree(estimator: Any, inputs: Mapping[str, Any], rtol: float = 1e-3, atol: float = 1e-4) -> Signature:
    """Compare all outputs of the served graph with the estimator's own; gives the graph's signature."""
    original = Estimator(estimator)
    graph = original.export()
    normalise(graph, "demo_model")
    check(graph, "graph")
    facts.settle_outputs(graph)
    session = ReferenceSession(graph.SerializeToString())
    tensors = [to_tensor(name, array) for name, array in inputs.items()]
    expected = original.run(tensors)
    actual = session.run(tensors)
    for one, other in zip(expected, actual, strict=True):
        assert (one.name, one.shape, one.datatype) == (other.name, other.shape, other.datatype)
        if one.datatype.is_float:
            np.testing.assert_allclose(to_array(other), to_array(one), rtol=rtol, atol=atol)
        else:
            assert to_array(one).tolist() == to_array(other).tolist()
    return facts.signature(graph)
