"""A candidate's process: what it answers, and how its end becomes a reason."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from support.artifacts import write_version
from support.binding import save
from support.networks import FEATURES, convolutions, mlp, rows

from modelet.build.arrays import to_array, to_tensor
from modelet.build.cases import Runs
from modelet.build.contest.budget import Budget, OverBudget
from modelet.build.contest.contestant import Contestant, Retired
from modelet.build.contest.curve import ROWS, batch_curve
from modelet.build.contest.layout import gains_a_layout
from modelet.build.contest.race import loads, race
from modelet.build.expectations import expectations
from modelet.build.optimise import Candidate, optimise
from modelet.build.quantise.engine import Binding
from modelet.build.quantise.formula import Formula
from modelet.build.quantise.quantiser import Quantiser
from modelet.golden import Case, Tolerance

INPUTS = [(to_tensor("x", row[None]),) for row in rows(8, FEATURES)]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mlp")
    write_version(folder, mlp())
    return folder / "model.ort"


def child() -> int:
    """The contestant's process."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return int(children[-1])


class TestContestant:
    def test_it_answers_as_the_binding_does(self, path):
        with Contestant(path, 1) as contestant:
            [answer] = contestant.run(INPUTS[0])
        expected = Binding(mlp(), "all").run({"x": to_array(INPUTS[0][0])})["probabilities"]
        assert np.allclose(to_array(answer), expected, atol=1e-6)

    def test_it_is_timed_and_weighed(self, path):
        with Contestant(path, 1) as contestant:
            contestant.keep(INPUTS[0])
            assert 0 < contestant.time_ms(0, 10) < 1000
            assert 0 < contestant.load_ms() < 10_000
            assert 10 < contestant.peak_mib() < 500

    def test_what_is_no_graph_retires_it(self, tmp_path):
        (tmp_path / "model.ort").write_bytes(b"no graph")
        with pytest.raises(Retired, match=r"model\.ort"):
            Contestant(tmp_path / "model.ort", 1)

    def test_a_run_that_is_refused_retires_it(self, path):
        with Contestant(path, 1) as contestant, pytest.raises(Retired, match="x"):
            contestant.run([to_tensor("x", np.ones((1, 3), np.float32))])

    def test_its_crash_is_a_reason(self, path):
        with Contestant(path, 1) as contestant:
            os.kill(child(), signal.SIGSEGV)
            with pytest.raises(Retired, match="its process ended with signal 11"):
                contestant.run(INPUTS[0])

    def test_so_is_its_silence(self, path):
        with Contestant(path, 1, timeout_s=4) as contestant:
            os.kill(child(), signal.SIGSTOP)
            with pytest.raises(Retired, match="it gave no answer within 4 s"):
                contestant.run(INPUTS[0])


def test_a_race_gives_each_its_share_of_the_champions_time(path):
    with Contestant(path, 1) as champion, Contestant(path, 1) as twin:
        for contestant in (champion, twin):
            for inputs in INPUTS:
                contestant.keep(inputs)
        found = race({"twin": twin}, champion, len(INPUTS))["twin"]
        assert set(loads({"twin": twin})) == {"twin"}
    assert found.ratio_95[0] <= found.ratio <= found.ratio_95[1]
    assert found.rounds >= 24
    assert found.latency_ms.median <= found.latency_ms.p95


def test_a_curve_has_a_point_for_each_size_of_a_batch(path):
    points = batch_curve(path, 1, INPUTS)
    assert tuple(point.rows for point in points) == ROWS
    assert all(point.latency_ms > 0 and point.peak_mib > 10 for point in points)


def test_a_curve_ends_where_the_graph_takes_no_more_rows(tmp_path):
    proto = mlp()
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.shape.dim[0].Clear()
        value.type.tensor_type.shape.dim[0].dim_value = 1
    assert [point.rows for point in batch_curve(save(tmp_path, proto), 1, INPUTS)] == [1]


def test_convolutions_gain_a_layout_and_matrix_products_do_not(tmp_path):
    conv = optimise(Candidate("fp32", convolutions()), "cpu", tmp_path / "conv")
    products = optimise(Candidate("fp32", mlp()), "cpu", tmp_path / "mlp")
    assert gains_a_layout(conv)
    assert not gains_a_layout(products)


def test_a_budget_ends():
    Budget(60).check()
    with pytest.raises(OverBudget, match="not tried: the contest's 0 s were over"):
        Budget(0).check()


class TestExpectations:
    """What `golden.json` says of a model in fewer bits."""

    TOLERANCE = Tolerance(1e-3, 1e-4)

    @pytest.fixture
    def runs(self) -> Runs:
        plain = Binding(mlp())
        cases = []
        for inputs in INPUTS:
            scores = np.asarray(plain.run({"x": to_array(inputs[0])})["probabilities"])
            cases.append(Case(inputs, (to_tensor("probabilities", scores),)))
        return Runs("data.py:samples", tuple(cases))

    def test_the_graph_as_it_is_has_the_recipes_tolerance(self, path, runs):
        golden = expectations(path, runs, self.TOLERANCE, is_exact=True)
        assert (golden.tolerance, len(golden.cases)) == (self.TOLERANCE, len(INPUTS))

    def test_fewer_bits_are_held_as_near_as_they_were_found(self, tmp_path, runs):
        feeds = [{"x": to_array(inputs[0])} for inputs in INPUTS]
        graph = Quantiser(mlp(), feeds).make(Formula("int8-static", "minmax", "pairs"))
        artifact = optimise(Candidate("int8", graph), "cpu", tmp_path / "int8")
        golden = expectations(artifact.ort, runs, self.TOLERANCE, is_exact=False)
        differences = [
            np.abs(np.asarray(answer["probabilities"]) - to_array(case.outputs[0])).max()
            for answer, case in zip(Binding(graph, "all").run_all(feeds), runs.singles, strict=True)
        ]
        assert golden.cases == runs.singles
        assert golden.tolerance.atol == pytest.approx(2 * max(differences), rel=0.06)
