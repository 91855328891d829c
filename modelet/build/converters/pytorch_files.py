"""Makes modules of weights, which the owner's code or a file has, and reads exported programs.

Pickles are loaded by PyTorch's restricted loader only, which makes tensors and nothing else.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file

from modelet.build.converters.pt2_archive import check_archive
from modelet.errors import OwnerCodeFailed, SourceRefused

_PROGRAM, _SAFETENSORS = ".pt2", ".safetensors"
_PARALLEL = "module."  # DataParallel puts it before every name
_COUNTER = ".num_batches_tracked"  # only training reads it, and old files do not have it
_SHOWN = 3
_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")
_ESSAY = re.compile(r".*?(?:WeightsUnpickler error: |from a trusted source\.\s+)", re.DOTALL)

Weights = Mapping[str, torch.Tensor]


def read(source: object, module: object, unused: Sequence[str]) -> object:
    """Make a model of a file or of weights.

    Args:
        source: A state dict, or the path of a `.pt2`, `.safetensors`, `.pt` or `.pth`.
        module: What `model.module` returned: a module, or a pair of it and an example; None without one.
        unused: Patterns of weights that the module does not have.

    Returns:
        What `modelet.build.converters.pytorch.Network` takes.

    Raises:
        SourceRefused: The file is broken or unsafe, or its weights do not fit.
        OwnerCodeFailed: `model.module` returned no module.
    """
    name = source.name if isinstance(source, Path) else "the function's state dict"
    if isinstance(source, Path) and source.suffix == _PROGRAM:
        if module is not None:
            raise SourceRefused(f"{name} is a whole program", "remove module of [model]")
        return _program(source)
    if module is None:
        raise SourceRefused(
            f"{name} holds weights and no model",
            'name the function that makes the module they belong to: module = "model.py:make" in [model]',
        )
    taker = module[0] if isinstance(module, tuple) and module else module
    if not isinstance(taker, torch.nn.Module):
        raise OwnerCodeFailed(f"model.module returned a {type(taker).__name__}", "return a torch.nn.Module")
    _fill(taker, _weights(source, name), unused, name)
    return module


def _weights(source: object, name: str) -> Weights:
    if not isinstance(source, Path):
        return _only_weights(source, name)
    return _safetensors(source) if source.suffix == _SAFETENSORS else _state_dict(source)


def _program(path: Path) -> torch.export.ExportedProgram:
    check_archive(path)
    try:
        return torch.export.load(path)
    except Exception as error:  # a broken archive raises whatever its first wrong byte leads to
        raise SourceRefused(
            f"{path.name} cannot be loaded: {_first_line(error)}",
            f"export it with PyTorch {torch.__version__.partition('+')[0]}",
        ) from error


def _safetensors(path: Path) -> Weights:
    try:
        weights: Weights = load_file(path)
    except (safetensors.SafetensorError, OSError) as error:
        raise SourceRefused(f"{path.name} is no safetensors file: {error}", "save it again") from error
    return weights


def _state_dict(path: Path) -> Weights:
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling raises whatever it was told to
        raise SourceRefused(
            f"{path.name} {_objection(path, error)}",
            "save the weights alone: torch.save(model.state_dict(), ...), or as safetensors",
        ) from error
    return _only_weights(loaded, path.name)


def _objection(path: Path, error: Exception) -> str:
    """What is wrong with a file that the restricted loader does not take."""
    if "TorchScript" in str(error):
        return "is a TorchScript archive, which holds code"
    try:
        foreign = sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path))
    except Exception:  # it reads zip archives only
        foreign = _GLOBAL.findall(str(error))
    if foreign:
        return f"holds more than weights: loading it would call {', '.join(foreign[:_SHOWN])}"
    return f"is no state dict: {_first_line(error)}"


def _only_weights(loaded: Any, name: str) -> Weights:
    """The weights of a state dict, or of a checkpoint that has one beside other things."""
    if _is_weights(loaded):
        return _without_prefix(loaded)
    found = {key: value for key, value in _items(loaded) if _is_weights(value)}
    if len(found) == 1:
        return _without_prefix(*found.values())
    held = ", ".join(str(key) for key, _ in _items(loaded)) or f"a {type(loaded).__name__}"
    raise SourceRefused(f"{name} is no state dict: it holds {held}", "save one state dict alone")


def _items(loaded: Any) -> list[tuple[Any, Any]]:
    return list(loaded.items()) if isinstance(loaded, Mapping) else []


def _is_weights(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(isinstance(key, str) and isinstance(item, torch.Tensor) for key, item in value.items())
    )


def _without_prefix(weights: Weights) -> Weights:
    if all(name.startswith(_PARALLEL) for name in weights):
        return {name.removeprefix(_PARALLEL): tensor for name, tensor in weights.items()}
    return weights


def _fill(module: torch.nn.Module, weights: Weights, unused: Sequence[str], file: str) -> None:
    """Copy weights into a module: every weight of the file has a place, every place gets a weight."""
    used = {
        name: tensor
        for name, tensor in weights.items()
        if not any(fnmatchcase(name, pattern) for pattern in unused)
    }
    places = module.state_dict()
    _refuse_some(
        f"{file} has weights that the module does not have", sorted(set(used) - set(places)),
        "correct the module, or list them as unused_weights in [model]",
    )  # fmt: skip
    _refuse_some(
        f"{file} has no weights for parts of the module", sorted(_empty(places, used)), "correct the module"
    )
    _refuse_some(
        f"weights of {file} have other shapes than the module", list(_misfits(places, used)),
        "make the module as it was trained",
    )  # fmt: skip
    is_meta = any(tensor.is_meta for tensor in places.values())
    module.load_state_dict(used, strict=False, assign=is_meta)


def _empty(places: Weights, used: Weights) -> Iterator[str]:
    """Places that get no weight; one that shares its memory with another gets that one's."""
    filled = {places[name].data_ptr() for name in used if places[name].nbytes and not places[name].is_meta}
    for name, tensor in places.items():
        if name not in used and tensor.data_ptr() not in filled and not name.endswith(_COUNTER):
            yield name


def _misfits(places: Weights, used: Weights) -> Iterator[str]:
    for name, tensor in used.items():
        if tensor.shape != places[name].shape:
            yield f"{name} {list(tensor.shape)} for {list(places[name].shape)}"


def _refuse_some(reason: str, names: Sequence[str], remedy: str) -> None:
    if names:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        raise SourceRefused(f"{reason}: {', '.join(names[:_SHOWN])}{more}", remedy)


def _first_line(error: Exception) -> str:
    text = _ESSAY.sub("", str(error), count=1)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
