import multiprocessing
import stat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto
from support.artifacts import write_version
from support.graphs import identity

from modelet.aliases.moves import current, promote, rollback
from modelet.errors import MoveRefused, UnknownModel
from modelet.repository import ModelFolder, served_version
from modelet_runtime.aliases import FILE_NAME, Aliases, Canary
from modelet_runtime.errors import ArtifactError


def files(model):
    return {
        str(path.relative_to(model.path)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in (model.path / "versions").rglob("*")
        if path.is_file()
    }


class TestWithoutAFile:
    def test_the_highest_servable_version_is_live_and_those_below_were(self, make, unprove):
        model = make(4)
        unprove(model, 4)
        unprove(model, 2)
        assert current(model) == Aliases(3, previous=(1,))

    def test_what_was_accepted_counts_as_proven(self, make, unprove):
        model = make(2)
        unprove(model, 2, accepted="good enough")
        assert current(model) == Aliases(2, previous=(1,))

    def test_a_model_without_versions_has_none(self, tmp_path):
        assert current(ModelFolder(tmp_path)) is None

    def test_a_rollback_goes_to_the_version_before(self, make):
        model = make(3)
        assert rollback(model).after == Aliases(2, previous=(1,))
        assert served_version(model).number == 2


class TestPromote:
    def test_live_moves_and_what_was_live_is_remembered(self, make):
        model = make(3)
        assert promote(model, 1).before == Aliases(3, previous=(1, 2))
        assert Aliases.load(model.path) == Aliases(1, previous=(1, 2, 3))
        move = promote(model, 2)
        assert (move.before.live, move.after.live, move.breaks) == (1, 2, ())
        assert Aliases.load(model.path).previous == (1, 2, 3, 1)

    def test_a_new_version_does_not_move_live_any_more(self, make):
        model = make(1)
        promote(model, 1)
        make(2)
        assert served_version(model).number == 1

    def test_promoting_what_is_live_writes_it_down(self, make):
        model = make(2)
        assert promote(model, 2).after == Aliases(2, previous=(1,))
        assert promote(model, 2).after == Aliases(2, previous=(1,))
        assert (model.path / FILE_NAME).is_file()

    def test_a_canary_stands_beside_live(self, make):
        model = make(2)
        promote(model, 1)
        assert promote(model, 2, weight=0.1).after == Aliases(1, Canary(2, 0.1), (1, 2))
        assert promote(model, 2, weight=0.5).after.canary == Canary(2, 0.5)

    def test_the_canary_becomes_live(self, make):
        model = make(2)
        promote(model, 1)
        promote(model, 2, weight=0.1)
        assert promote(model, 2).after == Aliases(2, previous=(1, 2, 1))

    def test_any_promote_ends_the_canary(self, make):
        model = make(3)
        promote(model, 1)
        promote(model, 2, weight=0.1)
        assert promote(model, 1).after.canary is None

    def test_live_is_no_canary(self, make):
        with pytest.raises(MoveRefused, match="version 2 of model 'demo_model' is live already: a canary"):
            promote(make(2), 2, weight=0.1)

    def test_what_is_pinned_stays(self, make):
        model = make(3)
        (model.path / FILE_NAME).write_text("live = 2\npinned = [1]\n")
        assert promote(model, 3).after.pinned == (1,)
        assert rollback(model).after.pinned == (1,)

    def test_history_has_an_end(self, make):
        model = make(2)
        for number in [1, 2] * 20:
            promote(model, number)
        assert len(Aliases.load(model.path).previous) == 20

    def test_comments_above_the_keys_stay(self, make):
        model = make(2)
        (model.path / FILE_NAME).write_text("# Ask Ann first.\n\nlive = 2\n")
        promote(model, 1)
        assert (model.path / FILE_NAME).read_text() == "# Ask Ann first.\n\nlive = 1\nprevious = [2]\n"

    def test_the_file_is_readable_by_anybody_and_nothing_else_is_left(self, make):
        model = make(2)
        promote(model, 1)
        assert stat.S_IMODE((model.path / FILE_NAME).stat().st_mode) == 0o644
        assert sorted(path.name for path in model.path.iterdir()) == [FILE_NAME, "versions"]

    def test_no_version_is_touched(self, make):
        model = make(3)
        before = files(model)
        promote(model, 2)
        promote(model, 3, weight=0.2)
        rollback(model)
        rollback(model)
        assert files(model) == before


class TestRefused:
    def test_a_version_that_is_not_there(self, make):
        with pytest.raises(UnknownModel, match="has no version 4: there are 1, 2, 3"):
            promote(make(3), 4)

    def test_one_whose_files_are_not_there(self, make):
        model = make(2)
        (model.version(1).folder / "model.ort").unlink()
        with pytest.raises(MoveRefused, match=r"version 1 .* is not built here \(model\.ort missing\): see"):
            promote(model, 1)

    def test_one_that_changed_since(self, make):
        model = make(2)
        path = model.version(1).folder / "model.ort"
        path.write_bytes(bytes(path.stat().st_size))
        with pytest.raises(MoveRefused, match=r"has changed since it was built: model\.ort"):
            promote(model, 1)

    def test_one_whose_passport_failed(self, make, unprove):
        model = make(2)
        unprove(model, 2)
        with pytest.raises(MoveRefused, match=r"version 2 .* has a passport that failed: see `modelet show"):
            promote(model, 2)
        with pytest.raises(MoveRefused, match="passport that failed"):
            promote(model, 2, weight=0.1)
        unprove(model, 2, accepted="the labels were wrong")
        assert promote(model, 2).after.live == 2

    def test_one_that_breaks_callers_unless_they_are_ready(self, make):
        model = make(2, v2=identity(TensorProto.INT64))
        (model.path / FILE_NAME).write_text("live = 1\n")
        for weight in (None, 0.1):
            with pytest.raises(MoveRefused, match=r"breaks callers of live, version 1: input 'x' was FP32"):
                promote(model, 2, weight=weight)
        move = promote(model, 2, is_breaking=True)
        assert move.breaks == (
            "input 'x' was FP32[?,3] and is INT64[?,3]",
            "output 'y' was FP32[?,3] and is INT64[?,3]",
        )

    def test_a_file_that_is_wrong(self, make):
        model = make(2)
        (model.path / FILE_NAME).write_text("live = []\n")
        with pytest.raises(ArtifactError, match="live: expected"):
            promote(model, 1)

    def test_a_refusal_changes_nothing(self, make):
        model = make(2)
        promote(model, 1)
        before = (model.path / FILE_NAME).read_bytes()
        with pytest.raises(UnknownModel):
            promote(model, 9)
        assert (model.path / FILE_NAME).read_bytes() == before


class TestRollback:
    def test_twice_goes_twice_as_far_back(self, make):
        model = make(3)
        promote(model, 1)
        promote(model, 2)
        promote(model, 3)
        assert [rollback(model).after.live for _ in range(2)] == [2, 1]

    def test_it_ends_the_canary_first(self, make):
        model = make(3)
        promote(model, 2)
        promote(model, 3, weight=0.3)
        assert rollback(model).after == Aliases(2, previous=(1, 2, 3))
        assert rollback(model).after.live == 3

    def test_without_a_past_it_is_refused(self, make):
        model = make(1)
        with pytest.raises(MoveRefused, match="no previous live version: name one with `modelet promote"):
            rollback(model)
        assert not (model.path / FILE_NAME).exists()

    def test_a_model_without_versions(self, tmp_path):
        with pytest.raises(MoveRefused, match="has no version yet: run `modelet build"):
            rollback(ModelFolder(tmp_path))

    def test_to_what_cannot_answer_it_is_refused(self, make):
        model = make(2)
        (model.path / FILE_NAME).write_text("live = 2\nprevious = [1]\n")
        (model.version(1).folder / "model.ort").unlink()
        with pytest.raises(MoveRefused, match="not built here"):
            rollback(model)
        assert Aliases.load(model.path).live == 2

    def test_it_may_break_callers_and_says_so(self, make):
        model = make(2, v2=identity(TensorProto.INT64))
        promote(model, 2, is_breaking=True)
        assert rollback(model).breaks[0] == "input 'x' was INT64[?,3] and is FP32[?,3]"


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 3), st.none() | st.just(0.5)), max_size=8))
def test_as_many_rollbacks_as_moves_lead_back(tmp_path_factory, moves):
    """Every promote is undone by a rollback; where it ended a canary, that one stays ended."""
    folder = tmp_path_factory.mktemp("models") / "demo_model"
    for number in (1, 2, 3):
        write_version(folder / "versions" / str(number), identity(), version=number)
    model = ModelFolder(folder)
    lives = [promote(model, 1).after.live]
    for number, weight in moves:
        if number != lives[-1]:
            after = promote(model, number, weight=weight).after
            lives += [] if weight else [after.live]
    if Aliases.load(folder).canary:
        rollback(model)
    for expected in reversed(lives[:-1]):
        assert rollback(model).after.live == expected


def _promote(path, number):
    for _ in range(10):
        promote(ModelFolder(path), number)


def test_moves_at_once_lose_none(make):
    model = make(3)
    promote(model, 3)
    started = len(Aliases.load(model.path).previous)
    context = multiprocessing.get_context("spawn")
    running = [context.Process(target=_promote, args=(model.path, number)) for number in (1, 2)]
    for process in running:
        process.start()
    for process in running:
        process.join()
    assert [process.exitcode for process in running] == [0, 0]
    aliases = Aliases.load(model.path)
    assert aliases.live in (1, 2)
    assert started + 2 <= len(aliases.previous) <= 20
