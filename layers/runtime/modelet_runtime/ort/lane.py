"""What runs share if they come one after the other; sessions have a lane per concurrent run."""

from collections.abc import Sequence
from ctypes import c_void_p

from modelet_runtime.errors import DeadlineExceeded
from modelet_runtime.ort.api import OrtFailure
from modelet_runtime.ort.deadlines import Deadlines
from modelet_runtime.ort.engine import Engine
from modelet_runtime.ort.inputs import to_value
from modelet_runtime.ort.memory import Names, OwnedValue
from modelet_runtime.ort.outputs import from_value
from modelet_runtime.ort.replay import Replay, is_replayable
from modelet_runtime.tensor import Datatype, Tensor

# How many combinations of shapes are remembered; the oldest is forgotten first.
_MOST_REPLAYS = 8

_deadlines = Deadlines()


def settle_deadlines() -> None:
    """Have nothing sleep until some time: before a snapshot, after which clocks may show any other."""
    _deadlines.settle()


class Selection:
    """The outputs a run computes, with their datatypes."""

    def __init__(self, specs: Sequence[tuple[str, Datatype]]) -> None:
        self.specs = tuple(specs)
        self.names = Names([name for name, _ in specs])


# The outputs asked for, and each input's shape and datatype.
Key = tuple[Selection, tuple[tuple[tuple[int, ...], int], ...]]


class Lane:
    """Runs a session; for one thread at a time.

    Shapes that come again are replayed. If a replay fails although the run itself goes well, the graph
    cannot be replayed (its outputs' shapes may depend on values), and is not any more.
    """

    def __init__(self, engine: Engine, session: int, input_names: Names) -> None:
        self._engine = engine
        self._session = session
        self._input_names = input_names
        self._run_options: int | None = None
        self._expired = False
        self._replays: dict[Key, Replay | None] = {}
        self._may_replay = True

    def run(self, inputs: Sequence[Tensor], selection: Selection, timeout_s: float | None) -> list[Tensor]:
        """Run the graph once, with `inputs` in the order of the session's.

        Raises:
            OrtFailure: The run failed.
            ShapeMismatch: (400) No tensor can have a shape like that of an input.
            DeadlineExceeded: (504) `timeout_s` passed.
        """
        if timeout_s is None:
            return self._run(inputs, selection, None)
        if timeout_s <= 0:
            raise DeadlineExceeded("no time was left to run the model")
        if self._run_options is None:
            self._run_options = self._engine.api.get(c_void_p, "CreateRunOptions")
        _deadlines.add(self, timeout_s)
        try:
            return self._run(inputs, selection, self._run_options)
        except OrtFailure as failure:
            if self._expired:
                raise DeadlineExceeded(f"the model was stopped after {timeout_s:g} s") from failure
            raise
        finally:
            _deadlines.remove(self)
            if self._expired:
                self._expired = False
                self._engine.api.check(self._engine.api.RunOptionsUnsetTerminate(self._run_options))

    def release(self) -> None:
        """Release what the lane holds; it cannot run afterwards."""
        self._replays.clear()
        if self._run_options is not None:
            self._engine.api.ReleaseRunOptions(self._run_options)

    def _run(self, inputs: Sequence[Tensor], selection: Selection, options: int | None) -> list[Tensor]:
        key = selection, tuple([(tensor.shape, tensor.datatype.onnx_type) for tensor in inputs])
        replay = self._replays.get(key)
        if replay is not None:
            try:
                return replay.run(inputs, options)
            except OrtFailure:
                outputs = self._run_once(inputs, selection, options)
                self._replays.clear()
                self._may_replay = False
                return outputs
        outputs = self._run_once(inputs, selection, options)
        if self._may_replay and is_replayable(inputs) and is_replayable(outputs):
            self._learn(key, inputs, outputs)
        return outputs

    def _learn(self, key: Key, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
        if key in self._replays:
            selection, _ = key
            self._replays[key] = Replay(
                self._engine, self._session, self._input_names, selection.names, inputs, outputs
            )
            return
        if len(self._replays) == _MOST_REPLAYS:
            del self._replays[next(iter(self._replays))]
        self._replays[key] = None

    def _run_once(self, inputs: Sequence[Tensor], selection: Selection, options: int | None) -> list[Tensor]:
        given = [to_value(self._engine, tensor) for tensor in inputs]
        values = (c_void_p * len(given))(*(value.address for value, _ in given))
        outputs = (c_void_p * len(selection.specs))()
        status = self._engine.api.Run(
            self._session,
            options,
            self._input_names.address,
            values,
            len(values),
            selection.names.address,
            len(outputs),
            outputs,
        )
        if status:
            raise self._engine.api.failure(status)
        owned = [OwnedValue(self._engine, address or 0) for address in outputs]
        return [
            from_value(self._engine, name, datatype, value)
            for (name, datatype), value in zip(selection.specs, owned, strict=True)
        ]

    def expire(self) -> None:
        """Make the run under way end before its next node; called by the deadlines' thread."""
        self._expired = True
        self._engine.api.RunOptionsSetTerminate(self._run_options)
