"""The table of converters: which framework a model comes from, and what turns it into ONNX.

A new framework is a row here and a module with a class of `modelet.build.original.Original`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module, metadata

from modelet.build.original import Original
from modelet.errors import OwnerCodeFailed
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
    """

    kind: str
    title: str
    package: str
    implementation: str
    tools: tuple[str, ...] = ()

    def open(self, model: object) -> Original:
        """Wrap a model of this framework.

        Raises:
            MissingExtra: The converter's own package is not installed.
        """
        module, _, name = self.implementation.partition(":")
        try:
            original: Original = getattr(import_module(module), name)(model)
        except ModuleNotFoundError as error:
            raise missing(str(error.name)) or error from error
        return original

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


CONVERTERS: Mapping[str, Converter] = {
    converter.kind: converter
    for converter in (
        Converter("onnx", "ONNX", "onnx", "modelet.build.converters.onnx_graph:OnnxGraph"),
        Converter(
            "sklearn",
            "scikit-learn",
            "sklearn",
            "modelet.build.converters.scikit_learn:Estimator",
            ("numpy", "scikit-learn", "scipy", "skl2onnx"),
        ),
        Converter(
            "torch",
            "PyTorch",
            "torch",
            "modelet.build.converters.pytorch:Network",
            ("numpy", "onnx-ir", "onnxscript", "torch"),
        ),
    )
}


def converter_for(model: object, where: str) -> Converter:
    """The converter that takes an object; a class derived from a framework's counts as its own.

    Raises:
        OwnerCodeFailed: None does.
    """
    packages = {base.__module__.partition(".")[0] for base in type(model).__mro__}
    for converter in CONVERTERS.values():
        if converter.package in packages:
            return converter
    kinds = " or ".join(converter.title for converter in CONVERTERS.values())
    raise OwnerCodeFailed(f"{where} returned a {type(model).__name__}", f"return a model of {kinds}")


def _installed(distribution: str) -> str:
    """A version without what says how it was built, such as `+cpu`; empty if there is none."""
    try:
        return metadata.version(distribution).partition("+")[0]
    except metadata.PackageNotFoundError:
        return ""
