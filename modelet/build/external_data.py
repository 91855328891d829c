"""Weights beside an ONNX file: read only from its own folder, never through a link, then inlined."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import onnx

from modelet.build import walk
from modelet.errors import GraphRefused

_REMEDY = "save the weights into the ONNX file, or as plain files in its folder"


def files(model: onnx.ModelProto, folder: Path, allow_hard_links: bool = False) -> list[Path]:
    """The checked files a model keeps weights in, none if it holds them itself.

    Args:
        model: As parsed, its weights not loaded.
        folder: The folder of the ONNX file; nothing outside of it is read.
        allow_hard_links: For installed packages: installers link files from their cache.

    Raises:
        GraphRefused: A location is absolute, leaves the folder, is a link or no regular file.
    """
    outside = [tensor for tensor in walk.tensors(model) if _is_outside(tensor)]
    owners = {_entry(tensor)["location"]: tensor.name for tensor in outside}
    return [_checked(folder, location, owners[location], allow_hard_links) for location in sorted(owners)]


def inline(model: onnx.ModelProto, folder: Path) -> None:
    """Read every external tensor into the model; `files` has checked them.

    Raises:
        GraphRefused: An offset or length lies outside its file.
    """
    for tensor in walk.tensors(model):
        if _is_outside(tensor):
            tensor.raw_data = _read(tensor, folder)
            tensor.ClearField("external_data")
            tensor.data_location = onnx.TensorProto.DEFAULT


def _is_outside(tensor: onnx.TensorProto) -> bool:
    return tensor.data_location == onnx.TensorProto.EXTERNAL


def _entry(tensor: onnx.TensorProto) -> Mapping[str, str]:
    entry = {pair.key: pair.value for pair in tensor.external_data}
    if not entry.get("location"):
        raise GraphRefused(f"tensor '{tensor.name}' has external data without a location", _REMEDY)
    return entry


def _checked(folder: Path, location: str, name: str, allow_hard_links: bool) -> Path:
    """The path of a location, refused unless it is a plain file below the folder."""
    where = f"external data of tensor '{name}' in '{location}'"
    parts = PurePosixPath(location).parts
    if "\\" in location or "\0" in location or PurePosixPath(location).is_absolute():
        raise GraphRefused(f"{where}: expected a path relative to the model's folder", _REMEDY)
    if ".." in parts:
        raise GraphRefused(f"{where}: the path leaves the model's folder", _REMEDY)
    path = folder
    for part in parts:
        path = path / part
        if path.is_symlink():
            raise GraphRefused(f"{where}: '{path.name}' is a symbolic link", _REMEDY)
    try:
        status = path.lstat()
    except OSError as error:
        raise GraphRefused(f"{where}: {error.strerror}", _REMEDY) from error
    if not stat.S_ISREG(status.st_mode):
        raise GraphRefused(f"{where}: not a regular file", _REMEDY)
    if status.st_nlink > 1 and not allow_hard_links:
        raise GraphRefused(f"{where}: a hard link, {status.st_nlink} names for one file", _REMEDY)
    return path


def _read(tensor: onnx.TensorProto, folder: Path) -> bytes:
    entry = _entry(tensor)
    # The link check again, by the kernel: the file may have been exchanged since.
    descriptor = os.open(folder / entry["location"], os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as file:
        size = os.fstat(descriptor).st_size
        offset = _number(tensor, entry, "offset", 0)
        length = _number(tensor, entry, "length", size - offset)
        if offset + length > size:
            raise GraphRefused(
                f"tensor '{tensor.name}' expects {length} bytes at {offset} of '{entry['location']}',"
                f" which has {size}",
                "save the model again; the file is cut off",
            )
        file.seek(offset)
        return file.read(length)


def _number(tensor: onnx.TensorProto, entry: Mapping[str, str], key: str, default: int) -> int:
    text = entry.get(key, str(default))
    if not text.isdecimal():
        raise GraphRefused(f"tensor '{tensor.name}': external data's {key}: expected a number, got '{text}'")
    return int(text)
