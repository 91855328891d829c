import pytest

from modelet.aliases.standing import deployed, standing
from modelet.errors import UnknownModel
from modelet.repository import Repository, served_version
from modelet_runtime.aliases import FILE_NAME
from modelet_runtime.errors import ArtifactError


def write(model, text):
    (model.path / FILE_NAME).write_text(text)


def test_without_a_file_the_highest_servable_version_is_live(make, unprove):
    model = make(3)
    unprove(model, 3)
    found = standing(model)
    assert (found.aliases, found.live.number, found.canary, found.weight) == (None, 2, None, 0.0)


def test_a_canary_and_its_share(make):
    model = make(3)
    write(model, "live = 1\ncanary = { version = 3, weight = 0.2 }")
    found = standing(model)
    assert (found.live.number, found.canary.number, found.weight, found.troubles) == (1, 3, 0.2, {})


@pytest.mark.parametrize("alias", ["live", "canary"])
def test_an_alias_at_what_is_not_there(make, alias):
    model = make(2)
    write(model, "live = 7" if alias == "live" else "live = 1\ncanary = { version = 7, weight = 0.2 }")
    found = standing(model)
    assert getattr(found, alias) is None
    assert found.weight == 0
    assert found.troubles == {
        alias: f"{alias} of model 'demo_model' is version 7, which is not there: build it here, or move"
        f" {alias} with `modelet promote` or `modelet rollback demo_model`"
    }


def test_an_alias_at_what_is_not_built_here(make):
    model = make(2)
    write(model, "live = 1")
    (model.version(1).folder / "model.ort").unlink()
    assert "version 1, which is not built here (model.ort missing)" in standing(model).troubles["live"]
    assert served_version(model) is None


def test_an_alias_at_what_is_not_proven(make, unprove):
    model = make(2)
    write(model, "live = 1\ncanary = { version = 2, weight = 0.2 }")
    unprove(model, 2)
    found = standing(model)
    assert (found.live.number, found.canary) == (1, None)
    assert "which has a passport that failed" in found.troubles["canary"]


def test_a_model_of_which_nothing_can_answer(make, unprove):
    model = make(1)
    unprove(model, 1)
    assert standing(model).troubles["live"] == (
        "no version of model 'demo_model' can answer; version 1 has a passport that failed:"
        " run `modelet build demo_model`"
    )


def test_a_wrong_file_is_told_and_not_raised(make):
    model = make(1)
    write(model, "live = 0")
    assert "live: expected a version's number" in standing(model).troubles["live"]
    with pytest.raises(ArtifactError):
        served_version(model)


def test_a_reference_without_number_means_live(make):
    model = make(3)
    write(model, "live = 2")
    assert Repository(model.path.parent).version("demo_model").number == 2


class TestDeployed:
    def numbers(self, model):
        return [version.number for version in deployed(model)]

    def test_without_a_file_it_is_the_live_version(self, make, unprove):
        model = make(3)
        unprove(model, 3)
        assert self.numbers(model) == [2]

    def test_of_a_model_without_a_version_nothing_is(self, make):
        assert self.numbers(make(0)) == []

    def test_live_canary_and_what_is_pinned(self, make):
        model = make(5)
        write(model, "live = 4\ncanary = { version = 5, weight = 0.2 }\nprevious = [3]\npinned = [2, 4]")
        assert self.numbers(model) == [2, 4, 5]

    def test_also_if_it_is_not_built_here(self, make):
        model = make(2)
        write(model, "live = 1")
        (model.version(1).folder / "model.ort").unlink()
        assert self.numbers(model) == [1]

    def test_what_is_not_there_is_refused(self, make):
        model = make(2)
        write(model, "live = 1\npinned = [7]")
        with pytest.raises(UnknownModel, match="has no version 7: there are 1, 2"):
            deployed(model)
