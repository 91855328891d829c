import os
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelet.packaging.archive import EPOCH_S, Archive, Made, keep, unpack, write

NAMES = st.lists(
    st.text(
        st.characters(codec="utf-8", exclude_characters="/\0", exclude_categories=["Cs"]),
        min_size=1,
        max_size=60,
    )
    .filter(lambda part: part not in (".", ".."))
    .map(lambda part: f"opt/{part}"),
    unique=True,
)


def read(path: Path) -> dict[str, bytes]:
    """The archive's files, by the standard library's own reader."""
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}  # type: ignore[union-attr]


def made(tree: dict[str, bytes | Path], **notes: str) -> Made:
    return Made(tree, notes)


def test_equal_files_give_equal_bytes_whatever_the_folder_the_time_the_mode_and_the_order(
    tmp_path: Path,
) -> None:
    first, second = tmp_path / "a" / "model.ort", tmp_path / "elsewhere" / "model.ort"
    for path, mode, time_s in ((first, 0o600, 1_000_000), (second, 0o777, 2_000_000)):
        path.parent.mkdir()
        path.write_bytes(b"weights")
        path.chmod(mode)
        os.utime(path, (time_s, time_s))

    write({"opt/model/model.ort": first, "opt/a.py": b"a"}, tmp_path / "one.tar")
    write({"opt/a.py": b"a", "opt/model/model.ort": second}, tmp_path / "two.tar")

    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_members_are_sorted_owned_by_root_readable_by_all_and_of_one_time(tmp_path: Path) -> None:
    write({"opt/b/z": b"z", "opt/a": b"a"}, tmp_path / "x.tar")

    with tarfile.open(tmp_path / "x.tar") as tar:
        members = tar.getmembers()
    assert [member.name for member in members] == ["opt", "opt/b", "opt/a", "opt/b/z"]
    assert {(member.uid, member.gid, member.uname, member.gname) for member in members} == {(0, 0, "", "")}
    assert {member.mtime for member in members} == {EPOCH_S}
    assert [member.mode for member in members] == [0o755, 0o755, 0o644, 0o644]


@given(NAMES, st.binary(max_size=2000))
def test_any_names_and_contents_come_back(names: list[str], content: bytes) -> None:
    with TemporaryDirectory() as folder:
        tree = {name: content + name.encode() for name in names}
        write(tree, Path(folder) / "x.tar")
        assert read(Path(folder) / "x.tar") == tree


def test_no_files_make_an_archive_that_builders_take_for_one(tmp_path: Path) -> None:
    write({}, tmp_path / "x.tar")

    with tarfile.open(tmp_path / "x.tar") as tar:
        assert [(member.name, member.isdir()) for member in tar] == [("opt", True)]


class TestKeep:
    def test_says_what_it_made(self, tmp_path: Path) -> None:
        archive = keep(tmp_path / "x.tar", "inputs", lambda: made({"a": b"123", "b": b"4"}, compiler="echo"))

        assert (archive.content_bytes, archive.files, archive.notes) == (4, 2, {"compiler": "echo"})
        assert read(archive.path) == {"a": b"123", "b": b"4"}

    def test_makes_nothing_while_the_inputs_are_the_same(self, tmp_path: Path) -> None:
        first = keep(tmp_path / "x.tar", "inputs", lambda: made({"a": b"1"}))

        assert keep(tmp_path / "x.tar", "inputs", lambda: pytest.fail("made again")) == first

    @pytest.mark.parametrize("damage", ["inputs", "archive", "record", "record's keys"])
    def test_makes_it_again_when_something_is_not_as_it_was(self, tmp_path: Path, damage: str) -> None:
        archive = keep(tmp_path / "x.tar", "inputs", lambda: made({"a": b"1"}))
        record = archive.path.with_suffix(".json")
        if damage == "archive":
            archive.path.unlink()
        elif damage == "record":
            record.write_text("{")
        elif damage == "record's keys":
            record.write_text('{"inputs": "inputs"}')

        keep(tmp_path / "x.tar", "other" if damage == "inputs" else "inputs", lambda: made({"a": b"2"}))

        assert read(tmp_path / "x.tar") == {"a": b"2"}

    def test_leaves_the_old_one_when_the_new_one_fails(self, tmp_path: Path) -> None:
        keep(tmp_path / "x.tar", "inputs", lambda: made({"a": b"1"}))

        with pytest.raises(FileNotFoundError):
            keep(tmp_path / "x.tar", "other", lambda: made({"a": tmp_path / "missing"}))

        assert read(tmp_path / "x.tar") == {"a": b"1"}
        assert sorted(path.name for path in tmp_path.iterdir()) == ["x.json", "x.tar"]


class TestUnpack:
    def kept(self, folder: Path, content: bytes) -> Archive:
        return keep(folder / "x.tar", content.decode(), lambda: made({"opt/a/b": content}))

    def test_gives_the_files_with_the_times_of_the_archive(self, tmp_path: Path) -> None:
        folder = unpack(self.kept(tmp_path, b"1"))

        assert (folder / "opt/a/b").read_bytes() == b"1"
        assert (folder / "opt/a/b").stat().st_mtime == EPOCH_S

    def test_follows_the_archive(self, tmp_path: Path) -> None:
        unpack(self.kept(tmp_path, b"1"))
        folder = unpack(self.kept(tmp_path, b"2"))

        assert (folder / "opt/a/b").read_bytes() == b"2"
