"""Which models of the checkout are built here: those of heavy frameworks are not, without them."""

from modelet.build.converters import CONVERTERS
from modelet.errors import MissingExtra
from modelet.repository import ModelFolder, Version, served_version


def built_here(model: ModelFolder) -> Version | None:
    """The version that is served; None if it cannot be built here because its framework is missing."""
    version = served_version(model)
    if version is None:
        try:
            CONVERTERS[model.versions()[-1].manifest.source.kind].require()
        except MissingExtra:
            return None
    assert version is not None, f"`modelet build {model.name}` comes first"
    return version
