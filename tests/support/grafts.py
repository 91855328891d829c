"""Graph steps applied to tiny graphs, and both that answer: the graph and the proof's reference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from modelet.build.arrays import to_array, to_tensor
from modelet.build.converters.onnx_graph import OnnxGraph
from modelet.build.graft.graft import Graft
from modelet.build.graft.registry import split_input, split_output
from modelet.build.original import Original
from modelet.build.reference import ReferenceSession
from modelet_runtime.manifest import Step

Written = Mapping[str, Any]
Arrays = dict[str, np.ndarray]


def steps(written: Sequence[Written]) -> list[Step]:
    """Steps as `model.toml` has them: `name`, and all other keys as parameters."""
    return [
        Step(str(step["name"]), {key: value for key, value in step.items() if key != "name"})
        for step in written
    ]


@dataclass
class Grafted:
    """A graph with steps.

    Attributes:
        model: The grafted graph.
        original: What the proof compares it with.
    """

    model: onnx.ModelProto
    original: Original

    def answer(self, **feed: np.ndarray) -> Arrays:
        """What the graph answers."""
        session = ReferenceSession(self.model.SerializeToString())
        return _named(session.run(_tensors(feed)))

    def expected(self, **feed: np.ndarray) -> Arrays:
        """What the original with numpy's steps around it answers."""
        return _named(self.original.run(_tensors(feed)))

    def agreed(self, rtol: float = 1e-5, atol: float = 1e-6, **feed: np.ndarray) -> Arrays:
        """The answer, after both were found to be the same."""
        actual, expected = self.answer(**feed), self.expected(**feed)
        assert list(actual) == list(expected)
        for name, array in actual.items():
            assert (array.dtype, array.shape) == (expected[name].dtype, expected[name].shape), name
            if array.dtype.kind == "f":
                np.testing.assert_allclose(array, expected[name], rtol, atol, err_msg=name)
            else:
                np.testing.assert_array_equal(array, expected[name], err_msg=name)
        return actual

    @property
    def signature(self) -> dict[str, str]:
        """Inputs and outputs by name, such as `FLOAT[n,3]`."""
        return {
            info.name: _shown(info.type.tensor_type)
            for info in (*self.model.graph.input, *self.model.graph.output)
        }


def graft(
    model: onnx.ModelProto,
    before: Sequence[Written] = (),
    after: Sequence[Written] = (),
    labels: Sequence[str] = (),
) -> Grafted:
    """Graft steps to a graph; the result is valid, and its declared shapes are those that are inferred."""
    original = OnnxGraph(model)
    grafted = original.export()
    _, inputs = split_input(steps(before))
    outputs, _ = split_output(steps(after))
    plan = Graft(inputs, outputs, tuple(labels), "model.toml")
    surrounded = plan.apply(grafted, original)
    onnx.checker.check_model(grafted, full_check=True)
    onnx.shape_inference.infer_shapes(grafted, check_type=True, strict_mode=True, data_prop=True)
    return Grafted(grafted, surrounded)


def _tensors(feed: Mapping[str, np.ndarray]) -> list:
    return [to_tensor(name, array) for name, array in feed.items()]


def _named(tensors: Sequence) -> Arrays:
    return {tensor.name: to_array(tensor) for tensor in tensors}


def _shown(kind: onnx.TypeProto.Tensor) -> str:
    sizes = (str(dim.dim_value) if dim.HasField("dim_value") else dim.dim_param for dim in kind.shape.dim)
    return f"{onnx.TensorProto.DataType.Name(kind.elem_type)}[{','.join(sizes)}]"
