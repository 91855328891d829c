from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelet_runtime.aliases import FILE_NAME, Aliases, Canary
from modelet_runtime.errors import ArtifactError

NUMBERS = st.integers(1, 10**6)
WEIGHTS = st.floats(0, 1, exclude_min=True, exclude_max=True)
LISTS = st.lists(NUMBERS, max_size=5).map(tuple)


def test_no_file_is_no_aliases(tmp_path):
    assert Aliases.load(tmp_path) is None


def test_the_smallest_file(tmp_path):
    (tmp_path / FILE_NAME).write_text("live = 2\n")
    assert Aliases.load(tmp_path) == Aliases(2)


def test_everything_a_person_may_write():
    text = """
    # who answers
    live = 2
    previous = [1]
    pinned = [1, 4]
    [canary]
    weight = 0.25
    version = 3
    """
    assert Aliases.parse(text) == Aliases(2, Canary(3, 0.25), (1,), (1, 4))


@given(NUMBERS, NUMBERS, WEIGHTS, LISTS, LISTS)
def test_what_is_written_is_read(live, version, weight, previous, pinned):
    canary = Canary(version, weight) if version != live else None
    aliases = Aliases(live, canary, previous, pinned)
    assert Aliases.parse(aliases.to_toml()) == aliases


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("live = ", r"aliases\.toml: Invalid value"),
        ("", r"aliases\.toml: live: expected a version's number, got None"),
        ("live = '2'", r"live: expected a version's number, got '2'"),
        ("live = 0", "live: expected a version's number, got 0"),
        ("live = true", "live: expected a version's number, got True"),
        ("live = 2\nlife = 3", "unknown key life: there are live, canary, previous, pinned"),
        ("live = 2\ncanary = 3", r"canary: expected { version = 3, weight = 0.1 }, got 3"),
        ("live = 2\ncanary = {version = 3}", r"canary\.weight: expected a number between 0 and 1, got None"),
        ("live = 2\ncanary = {version = 3, weight = 1}", r"canary\.weight: .*, got 1"),
        ("live = 2\ncanary = {version = 3, weight = true}", r"canary\.weight: .*, got True"),
        ("live = 2\ncanary = {version = 3, weight = nan}", r"canary\.weight: .*, got nan"),
        ("live = 2\ncanary = {version = 2, weight = 0.1}", r"canary\.version: expected another version than"),
        ("live = 2\ncanary = {version = 3, weight = 0.1, of = 1}", "canary: unknown key of"),
        ("live = 2\nprevious = 1", "previous: expected a list of version numbers, got 1"),
        ("live = 2\npinned = [1, -1]", r"pinned\[1\]: expected a version's number, got -1"),
    ],
)
def test_what_is_wrong_is_refused_by_its_key(text, message):
    with pytest.raises(ArtifactError, match=message):
        Aliases.parse(text)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text):
    with suppress(ArtifactError):
        Aliases.parse(text)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / FILE_NAME).write_bytes(b"\xff\xfe")
    with pytest.raises(ArtifactError, match=FILE_NAME):
        Aliases.load(tmp_path)
