"""Steps written for one model: the `hooks.py` of its folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any, ClassVar, Protocol

from modelet_runtime.errors import ArtifactError
from modelet_runtime.manifest import Manifest
from modelet_runtime.steps.base import Answer, Answered, Decode, Encode, Encoded, InputStep, Model, Value
from modelet_runtime.tensor import Tensor

FILE_NAME = "hooks.py"


class Hooks(Protocol):
    """What the class `Hooks` of a `hooks.py` offers; it is made with `(folder, manifest)`."""

    media_types: tuple[str, ...]

    def encode(self, value: Value) -> Encoded | Answered:
        """Turn one value into the graph's inputs, or into the answer itself."""
        ...

    def decode(self, outputs: Mapping[str, Tensor], context: Any) -> Answer:
        """Turn one row of the graph's outputs into an answer."""
        ...


@dataclass(frozen=True, slots=True)
class HookInput(InputStep):
    """Call `Hooks.encode` of the model's own `hooks.py`."""

    layers: ClassVar[tuple[str, ...]] = ()

    def media_types(self, model: Model) -> tuple[str, ...]:
        """What the hooks say they take."""
        return tuple(model.hooks.media_types)

    def bind(self, model: Model) -> Encode:
        """The hooks' own method."""
        return model.hooks.encode


@dataclass(frozen=True, slots=True)
class HookOutput:
    """Call `Hooks.decode` of the model's own `hooks.py`."""

    layers: ClassVar[tuple[str, ...]] = ()

    def bind(self, model: Model) -> Decode:
        """The hooks' own method."""
        return model.hooks.decode


def load(manifest: Manifest, folder: Path) -> Hooks:
    """Import `hooks.py` from a version folder and make its `Hooks`.

    Raises:
        ArtifactError: The file is missing, fails, or has no such class.
    """
    path = folder / FILE_NAME
    spec = spec_from_loader(f"{manifest.name}_hooks", _Loader(f"{manifest.name}_hooks", str(path)))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        hooks: Hooks = module.Hooks(folder, manifest)
        for name in ("media_types", "encode", "decode"):
            getattr(hooks, name)
    except Exception as error:  # the owner's code may raise anything
        raise ArtifactError(f"{FILE_NAME}: {type(error).__name__}: {error}") from error
    return hooks


class _Loader(SourceFileLoader):
    """Reads bytecode that the image was built with, and never writes any: versions are immutable."""

    def set_data(self, path: str, data: object, *, _mode: int = 0o666) -> None:
        pass
