"""Runs end when their time is up, and the session goes on."""

import math
import threading

import pytest
from onnx import TensorProto, helper
from support.binding import save
from support.graphs import model, value

from modelet_runtime.errors import DeadlineExceeded, InferenceRejected
from modelet_runtime.ort import OrtSession
from modelet_runtime.ort.deadlines import Deadlines
from modelet_runtime.tensor import DATATYPES, Tensor

PATIENCE_S = 60
FOREVER = 1 << 60


class Task:
    """Remembers that it expired."""

    def __init__(self) -> None:
        self.expired = threading.Event()

    def expire(self) -> None:
        assert not self.expired.is_set(), "expired twice"
        self.expired.set()


def test_a_deadline_passes() -> None:
    deadlines, task = Deadlines(), Task()
    deadlines.add(task, 0.001)
    assert task.expired.wait(PATIENCE_S)
    deadlines.remove(task)


@pytest.mark.parametrize("late_s", [PATIENCE_S, 1e300, math.inf, math.nan])
def test_an_earlier_deadline_comes_first(late_s: float) -> None:
    deadlines, late, early = Deadlines(), Task(), Task()
    deadlines.add(late, late_s)
    deadlines.add(early, 0.001)
    assert early.expired.wait(PATIENCE_S)
    assert not late.expired.is_set()


def test_a_later_deadline_is_not_forgotten() -> None:
    deadlines, first, second = Deadlines(), Task(), Task()
    deadlines.add(first, 0.001)
    deadlines.add(second, 0.002)
    assert first.expired.wait(PATIENCE_S)
    assert second.expired.wait(PATIENCE_S)


def test_a_met_deadline_does_not_pass() -> None:
    deadlines, met, after = Deadlines(), Task(), Task()
    for _ in range(100):
        deadlines.add(met, PATIENCE_S)
        deadlines.remove(met)
    deadlines.add(met, 0.001)
    deadlines.remove(met)
    deadlines.add(after, 0.05)
    assert after.expired.wait(PATIENCE_S)
    assert not met.expired.is_set()


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> OrtSession:
    """`y = x + times`, one step after the other; -1 looks up an index that is not there."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Gather", ["table", "place"], ["one"]),
            helper.make_node("Add", ["state", "one"], ["next"]),
        ],
        "body",
        [value("i", 7, ()), value("go", 9, ()), value("state", 1, ())],
        [value("go_on", 9, ()), value("next", 1, ())],
    )
    graph = model(
        [helper.make_node("Loop", ["times", "", "x"], ["y"], body=body)],
        [value("times", 7, ()), value("x", 1, ()), value("place", 7, ())],
        [value("y", 1, ())],
        [helper.make_tensor("table", TensorProto.FLOAT, [1], [1.0])],
    )
    return OrtSession(save(tmp_path_factory.mktemp("loop"), graph))


def steps(times: int, place: int = 0) -> list[Tensor]:
    return [
        Tensor.from_values("times", DATATYPES["INT64"], (), [times]),
        Tensor.from_values("x", DATATYPES["FP32"], (), [0.5]),
        Tensor.from_values("place", DATATYPES["INT64"], (), [place]),
    ]


def test_a_run_ends_when_its_time_is_up(session: OrtSession) -> None:
    for timeout_s in (0.05, 0.001, 0.02, 0.0, -1.0):
        with pytest.raises(DeadlineExceeded) as caught:
            session.run(steps(FOREVER), timeout_s=timeout_s)
        assert caught.value.status == 504
        assert session.run(steps(3), timeout_s=PATIENCE_S)[0].values().tolist() == [3.5]
        assert session.run(steps(2))[0].values().tolist() == [2.5]


def test_a_run_within_its_time_fails_as_ever(session: OrtSession) -> None:
    for _ in range(3):
        with pytest.raises(InferenceRejected, match="Gather"):
            session.run(steps(1, place=7), timeout_s=PATIENCE_S)


def test_only_the_late_run_is_stopped(session: OrtSession) -> None:
    answers: list[float] = []
    stopped = threading.Event()

    def answer_until_stopped() -> None:
        while not stopped.is_set():
            answers.extend(session.run(steps(4), timeout_s=PATIENCE_S)[0].values())

    thread = threading.Thread(target=answer_until_stopped)
    thread.start()
    try:
        with pytest.raises(DeadlineExceeded, match=r"stopped after 0\.2 s"):
            session.run(steps(FOREVER), timeout_s=0.2)
    finally:
        stopped.set()
        thread.join()
    assert answers
    assert set(answers) == {4.5}
