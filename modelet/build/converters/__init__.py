"""The table of converters: which framework a model comes from, and what turns it into ONNX.

A new framework is a row here and a module with a class of `modelet.build.original.Original`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module, metadata
from importlib.util import find_spec

from modelet.build.original import Original
from modelet.errors import MissingExtra, OwnerCodeFailed

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
        extra: The extra of modelet that installs them; None if they are always there.
    """

    kind: str
    title: str
    package: str
    implementation: str
    tools: tuple[str, ...] = ()
    extra: str | None = None

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
        """The installed versions of the tools that decide the artifact's bytes."""
        return {name: metadata.version(name) for name in sorted((*_COMMON_TOOLS, *self.tools))}


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
            "sklearn",
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


def missing(module: str) -> MissingExtra | None:
    """The error for a module that is not there, if an extra of modelet brings its package."""
    package = module.partition(".")[0]
    if find_spec(package) is None:
        for converter in CONVERTERS.values():
            if converter.extra and package in {converter.package, *converter.tools}:
                return MissingExtra(package, converter.extra)
    return None
