"""Which extra of modelet brings a package: what an error or the doctor tells people to install."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import metadata
from importlib.util import find_spec

from modelet.errors import MissingExtra

# Packages that are imported by another name than they are installed by.
_DISTRIBUTIONS: Mapping[str, str] = {"skimage": "scikit-image", "sklearn": "scikit-learn"}


@cache
def requirements() -> Sequence[tuple[str, str]]:
    """What modelet requires: names of distributions, each with its extra or an empty string."""
    pairs = []
    for line in metadata.requires("modelet") or ():
        requirement, _, marker = line.partition(";")
        name = requirement.strip()
        for end in "[<>=!~ (":
            name = name.partition(end)[0]
        extra = marker.partition("extra ==")[2].strip().strip("\"' )")
        pairs.append((name, extra))
    return tuple(pairs)


def missing(module: str) -> MissingExtra | None:
    """The error for a module that is not there; None if it is, or if no extra brings its package."""
    package = module.partition(".")[0]
    if find_spec(package) is not None:
        return None
    wanted = _DISTRIBUTIONS.get(package, package).replace("_", "-").lower()
    found = (extra for name, extra in requirements() if extra and name.lower() == wanted)
    extra = next(found, None)
    return MissingExtra(package, extra) if extra else None
