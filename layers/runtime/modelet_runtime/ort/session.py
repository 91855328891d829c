"""`OrtSession`: a graph run in this process by ONNX Runtime's C library."""

from collections.abc import Sequence
from ctypes import c_void_p
from os import fsencode
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock
from types import TracebackType
from typing import Self

from modelet_runtime.errors import ArtifactError, InvalidRequest, MissingTensor, NotReady, UnknownTensor
from modelet_runtime.manifest import Signature
from modelet_runtime.ort.api import OrtFailure
from modelet_runtime.ort.engine import Engine, load
from modelet_runtime.ort.failures import readable, run_failure
from modelet_runtime.ort.lane import Lane, Selection
from modelet_runtime.ort.memory import Names
from modelet_runtime.ort.options import SessionOptions, create_session_options
from modelet_runtime.ort.signature import read_signature
from modelet_runtime.tensor import DATATYPES, Tensor

# A caller asks for the same outputs each time; more combinations than this are made anew.
_KEPT_SELECTIONS = 16


class OrtSession:
    """A model file, loaded; implements `modelet_runtime.session.Session`.

    Args:
        model: A `.ort` file, which is mapped, or a `.onnx` file; or the bytes of one.
        threads: Threads that run the graph, the calling one included.
        options: How it runs; the defaults suit a Lambda function.
        library: ONNX Runtime's C library; by default that of the `onnxruntime` package.

    Raises:
        ArtifactError: (500) The library or the model cannot be used.

    Example:
        >>> with OrtSession(Path("model.ort")) as session:
        ...     [scores] = session.run([Tensor.from_values("x", DATATYPES["FP32"], (1, 2), [1, 2])])
    """

    def __init__(
        self,
        model: Path | bytes,
        threads: int = 1,
        *,
        options: SessionOptions | None = None,
        library: Path | None = None,
    ) -> None:
        self._closed = True  # until there is a session that `__del__` could close
        self._engine = load(library)
        self._session = _create_session(self._engine, model, threads, options or SessionOptions())
        self._idle: SimpleQueue[Lane] = SimpleQueue()
        self._lanes = 0
        self._lock = Lock()
        self._closed = False
        self._signature = _read_signature(self._engine, self._session, model)
        self._input_names = tuple(spec.name for spec in self._signature.inputs)
        self._names = Names(self._input_names)
        self._datatypes = {spec.name: DATATYPES[spec.datatype] for spec in self._signature.outputs}
        self._selections: dict[tuple[str, ...], Selection] = {}
        self._all_outputs = self._select(tuple(self._datatypes))

    @property
    def signature(self) -> Signature:
        """The inputs and outputs as the graph itself declares them."""
        return self._signature

    def run(
        self,
        inputs: Sequence[Tensor],
        output_names: Sequence[str] | None = None,
        timeout_s: float | None = None,
    ) -> list[Tensor]:
        """Run the graph once; safe to call from several threads.

        Args:
            inputs: One tensor per input of the signature, in any order.
            output_names: The outputs to compute, in the order to return them; all by default.
            timeout_s: Stop the run after this many seconds. Kernels are not interrupted: the run
                ends before its next node.

        Returns:
            The outputs; their buffers stay valid as long as the tensors are referenced, even after
            `close`.

        Raises:
            InferenceRejected: (400) The graph cannot take these values.
            InvalidRequest: (400) An input or output is named twice.
            MissingTensor: (400) An input is missing.
            UnknownTensor: (400) There is no such input or output.
            DeadlineExceeded: (504) `timeout_s` passed.
            InferenceFailed: (500) ONNX Runtime failed for a reason outside the request.
            NotReady: (503) The session is closed.
        """
        ordered = self._order(inputs)
        selection = self._all_outputs if output_names is None else self._select(tuple(output_names))
        lane = self._take_lane()
        try:
            return lane.run(ordered, selection, timeout_s)
        except OrtFailure as failure:
            raise run_failure(failure) from failure
        finally:
            self._idle.put(lane)

    def close(self) -> None:
        """Free the session once its runs have ended; closing twice does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        for _ in range(self._lanes):
            self._idle.get().release()
        self._engine.api.ReleaseSession(self._session)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # Nobody holds the session, so nobody runs it: there is no lane to wait for.
        if not self._closed:
            self._closed = True
            while not self._idle.empty():
                self._idle.get().release()
            self._engine.api.ReleaseSession(self._session)

    def _order(self, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        names = self._input_names
        if len(inputs) == 1 and names == (inputs[0].name,):
            return inputs
        by_name = {tensor.name: tensor for tensor in inputs}
        try:
            ordered = [by_name[name] for name in names]
        except KeyError as missing:
            raise MissingTensor(missing.args[0], by_name) from None
        for name in by_name.keys() - set(names):
            raise UnknownTensor("input", name, names)
        if len(inputs) != len(names):
            raise InvalidRequest("inputs", "every input once", ", ".join(tensor.name for tensor in inputs))
        return ordered

    def _select(self, output_names: tuple[str, ...]) -> Selection:
        selection = self._selections.get(output_names)
        if selection is None:
            unknown = [name for name in output_names if name not in self._datatypes]
            if unknown:
                raise UnknownTensor("output", unknown[0], self._datatypes)
            if len(set(output_names)) != len(output_names):
                raise InvalidRequest("outputs", "every output once", ", ".join(output_names))
            selection = Selection([(name, self._datatypes[name]) for name in output_names])
            if len(self._selections) < _KEPT_SELECTIONS:
                self._selections[output_names] = selection
        return selection

    def _take_lane(self) -> Lane:
        # Asked before taking an idle lane, or busy callers could keep `close` waiting for ever.
        if not self._closed:
            try:
                return self._idle.get_nowait()
            except Empty:
                with self._lock:
                    if not self._closed:
                        self._lanes += 1
                        return Lane(self._engine, self._session, self._names)
        raise NotReady("the session is closed")


def _create_session(engine: Engine, model: Path | bytes, threads: int, options: SessionOptions) -> int:
    # ONNX Runtime would answer "Invalid fd was supplied: -1".
    if isinstance(model, Path) and not model.is_file():
        raise ArtifactError(f"{model.name}: no such file")
    api = engine.api
    try:
        settings = create_session_options(api, threads, options)
        try:
            if isinstance(model, Path):
                return api.get(c_void_p, "CreateSession", engine.environment, fsencode(model), settings)
            function, size = "CreateSessionFromArray", len(model)
            return api.get(c_void_p, function, engine.environment, model, size, settings)
        finally:
            api.ReleaseSessionOptions(settings)
    except OrtFailure as failure:
        raise _unusable(model, failure) from failure


def _read_signature(engine: Engine, session: int, model: Path | bytes) -> Signature:
    try:
        return read_signature(engine, session, _name(model))
    except OrtFailure as failure:
        raise _unusable(model, failure) from failure


def _unusable(model: Path | bytes, failure: OrtFailure) -> ArtifactError:
    text = failure.message.replace(str(model), model.name) if isinstance(model, Path) else failure.message
    return ArtifactError(f"{_name(model)}: {readable(text)}")


def _name(model: Path | bytes) -> str:
    return model.name if isinstance(model, Path) else "graph"
