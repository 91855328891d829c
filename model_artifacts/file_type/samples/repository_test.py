import pytest
from support.artifacts import write_version
from support.graphs import identity

from modelet.errors import UnknownModel
from modelet.repository import Repository, Version, served_version
from modelet_runtime.manifest import Proof


@pytest.fixture
def repository(tmp_path):
    for number in (1, 2, 10):
        write_version(tmp_path / "demo_model" / "versions" / str(number), identity(), version=number)
    (tmp_path / "no_model").mkdir()
    return Repository(tmp_path)


def test_versions_are_ordered_by_number(repository):
    [model] = repository.models()
    assert [version.number for version in model.versions()] == [1, 2, 10]


def test_folders_that_are_being_built_are_no_versions(repository):
    model = repository.model("demo_model")
    (model.path / "versions" / ".building-x").mkdir()
    (model.path / "versions" / "notes").mkdir()
    assert len(model.versions()) == 3


def test_the_highest_complete_version_is_served(repository):
    model = repository.model("demo_model")
    assert served_version(model).number == 10
    (model.path / "versions" / "10" / "model.ort").unlink()
    assert served_version(model).number == 2
    (model.path / "versions" / "2" / "model.ort").write_bytes(b"cut")
    assert served_version(model).number == 1
    (model.path / "versions" / "1" / "manifest.json").write_text("{")
    assert served_version(model) is None


def test_a_version_whose_passport_failed_is_not_served_unless_accepted(repository):
    model = repository.model("demo_model")
    folder = model.path / "versions" / "10"
    write_version(folder, identity(), version=10, proof=Proof(passed=False))
    assert not model.version(10).is_proven
    assert served_version(model).number == 2
    write_version(folder, identity(), version=10, proof=Proof(passed=False, accepted="for a demonstration"))
    assert served_version(model).number == 10


def test_a_changed_file_of_the_same_length_is_found_by_its_digest(repository):
    version = repository.version("demo_model@2")
    path = version.folder / "model.ort"
    path.write_bytes(bytes(path.stat().st_size))
    assert (version.missing_files(), version.changed_files()) == ([], ["model.ort"])


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("other", "there is no model 'other' in .*: it has demo_model"),
        ("demo_model@3", "has no version 3: there are 1, 2, 10"),
        ("demo_model@live", "'demo_model@live' names no version"),
    ],
)
def test_an_unknown_reference_is_refused_with_what_there_is(repository, reference, message):
