"""The table of converters: which framework a model comes from, and what turns it into ONNX.

A new framework is a row here and a module with a class of `modelet.build.original.Original`; one whose
models come as files names what reads them, too.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module, metadata
from typing import Any

from modelet.build.original import Original
from modelet.errors import OwnerCodeFailed, RecipeRefused
from modelet.extras import missing

# What every artifact's bytes depend on.
_COMMON_TOOLS = ("onnx", "onnxruntime")


@dataclass(frozen=True, slots=True)
class Converter:
    """One framework.

    Attributes:
        kind: Its name in manifests.
        title: Its name for people.
        package: The import package its models' classes come from.
        implementation: `module:class` of the `Original`, imported only when a model needs it.
        tools: Distributions whose versions decide the artifact's bytes, besides the common ones.
        options: The keys of `[export]` that the implementation takes, as arguments of these names.
        suffixes: How the names of its files end.
        reader: `module:function` that makes a model of what the source is: `(source, module, unused)`,
            where `source` is a file's path, or weights that a function returned; `module` is what
            `model.module` returned or None, and `unused` is `model.unused_weights`. ONNX has none: its
            files are read in the build's own process.
    """

    kind: str
    title: str
    package: str
    implementation: str
    tools: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    reader: str = ""

    def open(self, model: object, export: Mapping[str, Any] | None = None) -> Original:
        """Wrap a model of this framework.

        Args:
            model: The model.
            export: The keys of `[export]` that the recipe sets.

        Raises:
            MissingExtra: The converter's own package is not installed.
            RecipeRefused: A key says what a model of this framework says itself.
        """
        for key in export or ():
            if key not in self.options:
                raise RecipeRefused(f"export.{key}: a model of {self.title} has no such choice", "remove it")
        original: Original = self._part(self.implementation)(model, **(export or {}))
        return original

    def read(self, source: object, module: object, unused: Sequence[str]) -> object:
        """Make a model of a file, or of weights that a function returned.

        Raises:
            MissingExtra: The framework is not installed.
            SourceRefused: The file is broken or unsafe, or the weights do not fit the module.
            OwnerCodeFailed: This framework has no weights apart from models.
        """
        if not self.reader:
            raise OwnerCodeFailed(
                f"a model of {self.title} has its weights already", "remove module of [model]"
            )
        model: object = self._part(self.reader)(source, module, unused)
        return model

    def versions(self) -> dict[str, str]:
        """The installed versions of the tools that decide the artifact's bytes; others are left out."""
        found = {name: _installed(name) for name in sorted((*_COMMON_TOOLS, *self.tools))}
        return {name: version for name, version in found.items() if version}

    def require(self) -> None:
        """See that the framework is there, without importing it.

        Raises:
            MissingExtra: It is not.
        """
        if error := missing(self.package):
            raise error

    def _part(self, name: str) -> Callable[..., Any]:
        module, _, attribute = name.partition(":")
        try:
            part: Callable[..., Any] = getattr(import_module(module), attribute)
        except ModuleNotFoundError as error:
            raise missing(str(error.name)) or error from error
        return part


CONVERTERS: Mapping[str, Converter] = {
    converter.kind: converter
    for converter in (
        Converter(
            "onnx",
            "ONNX",
            "onnx",
            "modelet.build.converters.onnx_graph:OnnxGraph",
            suffixes=(".onnx",),
        ),
        Converter(
            "sklearn",
            "scikit-learn",
            "sklearn",
            "modelet.build.converters.scikit_learn:Estimator",
            ("numpy", "scikit-learn", "scipy", "skl2onnx"),
        ),
        # Before PyTorch and TensorFlow: a Keras model is derived from theirs too.
        Converter(
            "keras",
            "Keras",
            "keras",
            "modelet.build.converters.keras_model:KerasModel",
            ("keras", "numpy", "tensorflow", "tf2onnx"),
            options=("inputs", "outputs", "opset"),
            suffixes=(".keras", ".weights.h5"),
            reader="modelet.build.converters.keras_files:read",
        ),
        Converter(
            "tensorflow",
            "TensorFlow",
            "tensorflow",
            "modelet.build.converters.tf_saved_model:SavedModel",
            ("numpy", "tensorflow", "tf2onnx"),
            options=("outputs", "opset"),
            suffixes=("saved_model.pb",),
            reader="modelet.build.converters.tf_saved_model:read",
        ),
        Converter(
            "torch",
            "PyTorch",
            "torch",
            "modelet.build.converters.pytorch:Network",
            ("numpy", "onnx-ir", "onnxscript", "torch"),
            options=("inputs", "outputs", "axes", "opset"),
            suffixes=(".pt2", ".pt", ".pth", ".safetensors"),
            reader="modelet.build.converters.pytorch_files:read",
        ),
    )
}


def converter_for(model: object, where: str) -> Converter:
    """The converter that takes an object; a class derived from a framework's counts as its own.

    A pair of a model and something else belongs to the model.

    Raises:
        OwnerCodeFailed: None does.
    """
    head = model[0] if isinstance(model, tuple) and model else model
    packages = {base.__module__.partition(".")[0] for base in type(head).__mro__}
    for converter in CONVERTERS.values():
        if converter.package in packages:
            return converter
    kinds = " or ".join(converter.title for converter in CONVERTERS.values())
    raise OwnerCodeFailed(f"{where} returned a {type(head).__name__}", f"return a model of {kinds}")


def reader_of(name: str) -> Converter | None:
    """The converter that reads a file of this name; None if none does."""
    for converter in CONVERTERS.values():
        if name.endswith(converter.suffixes):
            return converter
    return None


def _installed(distribution: str) -> str:
    """A version without what says how it was built, such as `+cpu`; empty if there is none."""
    try:
        return metadata.version(distribution).partition("+")[0]
    except metadata.PackageNotFoundError:
        return ""
