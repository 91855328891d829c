"""A run whose shapes are known: made once, then only bytes go in and out."""

from collections.abc import Sequence
from ctypes import c_void_p
from os import urandom

from modelet_runtime.ort.api import FAIL, OrtFailure
from modelet_runtime.ort.engine import Engine
from modelet_runtime.ort.memory import Names, OwnedValue, aligned, borrow
from modelet_runtime.tensor import Tensor

# Copying this much takes about as long as making and releasing an OrtValue.
_MOST_BYTES = 16_384


def is_replayable(tensors: Sequence[Tensor]) -> bool:
    """Whether tensors are numbers, and few enough to copy."""
    return all(
        isinstance(tensor.data, memoryview) and 0 < len(tensor.data) <= _MOST_BYTES for tensor in tensors
    )


class Replay:
    """OrtValues over memory of our own, for tensors with the shapes of a run that went well.

    It spares making, describing and releasing an OrtValue for each tensor, which for a small graph
    takes half as long as the run itself. ONNX Runtime refuses the run if an output gets another
    shape. But it leaves the memory alone, and says nothing, if an output is not computed: if it is
    an input or a constant of the graph, or of the branch that an `If` takes. So each run starts with
    random bytes in the outputs, and is not believed if one of them still holds these.

    Args:
        engine: ONNX Runtime.
        session: The OrtSession.
        input_names: The session's inputs.
        output_names: The outputs to compute.
        inputs: What went in.
        outputs: What came out.
    """

    def __init__(
        self,
        engine: Engine,
        session: int,
        input_names: Names,
        output_names: Names,
        inputs: Sequence[Tensor],
        outputs: Sequence[Tensor],
    ) -> None:
        self._api, self._invoke = engine.api, engine.api.Run
        self._owned: list[OwnedValue] = []
        self._inputs = [self._make(engine, tensor) for tensor in inputs]
        self._outputs = [
            (
                tensor.name,
                tensor.datatype,
                tensor.shape,
                self._make(engine, tensor),
                urandom(len(tensor.data)),
            )
            for tensor in outputs
        ]
        addresses = [value.address for value in self._owned]
        values = (c_void_p * len(inputs))(*addresses[: len(inputs)])
        results = (c_void_p * len(outputs))(*addresses[len(inputs) :])
        self._session = session
        self._arguments = (
            input_names.address,
            values,
            len(values),
            output_names.address,
            len(results),
            results,
        )

    def run(self, inputs: Sequence[Tensor], options: int | None) -> list[Tensor]:
        """Run with other values.

        Args:
            inputs: Tensors of the same shapes and datatypes.
            options: OrtRunOptions, if any.

        Raises:
            OrtFailure: The run failed, or cannot be a replay.
        """
        for view, tensor in zip(self._inputs, inputs):  # noqa: B905  (twice as long with strict)
            view[:] = tensor.data  # type: ignore[assignment]
        for _, _, _, view, untouched in self._outputs:
            view[:] = untouched
        status = self._invoke(self._session, options, *self._arguments)
        if status:
            raise self._api.failure(status)
        answer = []
        for name, datatype, shape, view, untouched in self._outputs:
            data = bytes(view)
            if data == untouched:
                raise OrtFailure(FAIL, f"output '{name}' was not written")
            answer.append(Tensor(name, datatype, shape, memoryview(data)))
        return answer

    def _make(self, engine: Engine, like: Tensor) -> memoryview:
        address, view = aligned(len(like.data))
        self._owned.append(borrow(engine, like.name, like.datatype, like.shape, address, len(like.data)))
        return view
