"""A model that is ONNX already: its own graph, run without any optimisation, is the original."""

from collections.abc import Sequence
from functools import cached_property

import onnx

from modelet.build.normalise import fix_locales
from modelet.build.reference import ReferenceSession
from modelet_runtime.tensor import Tensor


class OnnxGraph:
    """An ONNX model, run exactly as written."""

    kind = "onnx"

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model = model

    def export(self) -> onnx.ModelProto:
        """A copy of the model itself."""
        copy = onnx.ModelProto()
        copy.CopyFrom(self._model)
        return copy

    def run(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Run every node as it stands."""
        return self._session.run(inputs)

    @cached_property
    def _session(self) -> ReferenceSession:
        model = self.export()
        fix_locales(model)
        return ReferenceSession(model.SerializeToString())
