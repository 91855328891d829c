"""One model, ready to answer: validates, runs, counts; stacks rows for people's bodies."""

from collections.abc import Callable, Iterator, Sequence
from time import monotonic, perf_counter_ns
from typing import TypeVar

from modelet_runtime.batching import CPU_ELEMENTS, plan
from modelet_runtime.errors import (
    ClientError,
    DatatypeMismatch,
    DeadlineExceeded,
    InferenceRejected,
    InvalidRequest,
    MissingTensor,
    ShapeMismatch,
    UnknownTensor,
)
from modelet_runtime.manifest import Manifest
from modelet_runtime.session import Session
from modelet_runtime.stacking import split, stack
from modelet_runtime.statistics import Statistics
from modelet_runtime.steps.base import Answer, Answered, Encoded, Pipeline, Value
from modelet_runtime.tensor import Tensor

_T = TypeVar("_T")


class Predictor:
    """A manifest, a session and the steps around it. Safe to call from several threads.

    Attributes:
        manifest: What the version is; its signature is what inputs are checked against.
        pipeline: The model's steps.
        statistics: Counters of this process.
    """

    def __init__(self, manifest: Manifest, session: Session, pipeline: Pipeline) -> None:
        self.manifest = manifest
        self.pipeline = pipeline
        self.statistics = Statistics()
        self._session = session
        self._inputs = {spec.name: spec for spec in manifest.signature.inputs}
        self._outputs = [spec.name for spec in manifest.signature.outputs]
        self._has_batch_axis = manifest.signature.has_batch_axis
        # Each run of an endpoint is a request, and a GPU is fast by large ones.
        self._most_elements = None if manifest.target == "gpu" else CPU_ELEMENTS
        self._most_rows = manifest.endpoint.max_batch_size if manifest.endpoint else None

    def infer(
        self,
        inputs: Sequence[Tensor],
        output_names: Sequence[str] | None = None,
        timeout_s: float | None = None,
    ) -> list[Tensor]:
        """Check the inputs against the signature and run the graph once.

        Args:
            inputs: One tensor per input of the signature, in any order.
            output_names: The outputs to compute, in the order to return them; none means all.
            timeout_s: Stop the run after this many seconds.

        Raises:
            UnknownTensor: (400) An input or output is not the model's.
            MissingTensor: (400) An input of the model is not there.
            DatatypeMismatch: (400) An input has another datatype.
            ShapeMismatch: (400) An input has another rank or fixed dimension.
            ModeletError: Whatever the session raises.
        """
        return self._execute(lambda: inputs, lambda outputs: outputs, output_names, timeout_s)

    def predict(self, values: Sequence[Value], timeout_s: float | None = None) -> list[Answer]:
        """Answer values as people have them, in their order.

        Where the graph has a batch axis, rows of equal shapes run together, and rows that may be padded
        with others of about their length; else they run one by one.

        Args:
            values: One per row, as the model's input steps take them.
            timeout_s: For all rows together.

        Raises:
            ClientError: (4xx) A row is not what the model takes; of several, the text names which.
            ModeletError: Whatever the session raises.
        """
        deadline_s = None if timeout_s is None else monotonic() + timeout_s
        answers: list[Answer] = [None] * len(values)
        encodings: list[tuple[int, Encoded]] = []
        for row, value in enumerate(values):
            try:
                encoded = self.pipeline.encode(value)
            except ClientError as error:
                _name_row(error, row, values)
                raise
            if isinstance(encoded, Answered):
                answers[row] = encoded.answer
            else:
                encodings.append((row, encoded))
        for batch in self._batches(encodings):
            outputs = self._run_batch(batch, values, deadline_s)
            for (row, encoded), of_row in zip(batch, outputs, strict=True):
                answers[row] = self.pipeline.decode(of_row, encoded.context)
        return answers

    def _batches(self, encodings: Sequence[tuple[int, Encoded]]) -> Iterator[list[tuple[int, Encoded]]]:
        if not self._has_batch_axis:
            yield from ([item] for item in encodings)
            return
        for run in plan([encoded for _, encoded in encodings], self._most_elements, self._most_rows):
            yield [encodings[index] for index in run]

    def _run_batch(
        self, batch: Sequence[tuple[int, Encoded]], values: Sequence[Value], deadline_s: float | None
    ) -> list[dict[str, Tensor]]:
        rows = [encoded.tensors for _, encoded in batch]
        try:
            if self._has_batch_axis:
                return self._execute(
                    lambda: stack(rows, batch[0][1].padding),
                    lambda outputs: split(outputs, len(rows)),
                    None,
                    _left(deadline_s),
                )
            outputs = self.infer(list(rows[0].values()), None, _left(deadline_s))
            return [{tensor.name: tensor for tensor in outputs}]
        except ClientError as error:
            if len(batch) == 1:
                _name_row(error, batch[0][0], values)
                raise
            if not isinstance(error, InferenceRejected):
                raise
        # The graph refused the values of at least one row; alone, the others may pass.
        return [outputs for item in batch for outputs in self._run_batch([item], values, deadline_s)]

    def _execute(
        self,
        prepare: Callable[[], Sequence[Tensor]],
        finish: Callable[[list[Tensor]], _T],
        output_names: Sequence[str] | None,
        timeout_s: float | None,
    ) -> _T:
        """Run once between making the inputs and taking the outputs apart; count all three."""
        started_ns = perf_counter_ns()
        try:
            inputs = prepare()
            names = self._check(inputs, output_names)
            ready_ns = perf_counter_ns()
            outputs = self._session.run(inputs, names, timeout_s)
            done_ns = perf_counter_ns()
            finished = finish(outputs)
        except Exception:
            self.statistics.add_failure(perf_counter_ns() - started_ns)
            raise
        rows = inputs[0].shape[0] if self._has_batch_axis and inputs else 1
        self.statistics.add_success(
            rows, ready_ns - started_ns, done_ns - ready_ns, perf_counter_ns() - done_ns
        )
        return finished

    def _check(self, inputs: Sequence[Tensor], output_names: Sequence[str] | None) -> Sequence[str] | None:
        """Compare a request with the signature; gives the outputs to compute."""
        given = {tensor.name for tensor in inputs}
        for tensor in inputs:
            if tensor.name not in self._inputs:
                raise UnknownTensor("input", tensor.name, self._inputs)
        for name in self._inputs:
            if name not in given:
                raise MissingTensor(name, given)
        if len(inputs) != len(given):
            raise InvalidRequest("inputs", "each input once", f"{len(inputs)} for {len(given)} names")
        for tensor in inputs:
            self._check_tensor(tensor)
        for name in output_names or ():
            if name not in self._outputs:
                raise UnknownTensor("output", name, self._outputs)
        return output_names or None

    def _check_tensor(self, tensor: Tensor) -> None:
        spec = self._inputs[tensor.name]
        if tensor.datatype.name != spec.datatype:
            raise DatatypeMismatch(tensor.name, spec.datatype, tensor.datatype.name)
        fits = len(tensor.shape) == len(spec.shape) and all(
            wanted in (-1, actual) for wanted, actual in zip(spec.shape, tensor.shape, strict=True)
        )
        if not fits:
            raise ShapeMismatch(tensor.name, spec.shape, tensor.shape)


def _name_row(error: ClientError, row: int, values: Sequence[Value]) -> None:
    """Begin the error's text with the row's index where there are several."""
    if len(values) > 1:
        error.args = (f"row {row}: {error}",)


def _left(deadline_s: float | None) -> float | None:
    """Seconds until a deadline.

    Raises:
        DeadlineExceeded: (504) It has passed.
    """
    if deadline_s is None:
        return None
    left_s = deadline_s - monotonic()
    if left_s <= 0:
        raise DeadlineExceeded("the deadline passed before all rows were run")
    return left_s
