"""Why a layer or an image is refused.

Refused
└── PackagingRefused
    ├── LayerRefused          a layer's folder asks for something that is not there
    ├── WheelsUnavailable     the pinned wheels could not be fetched
    ├── CompilerUnavailable   no way to compile bytecode for the base image's Python
    ├── CompilationFailed     a file that ships is not valid Python
    ├── VersionIncomplete     a version's binaries are not built on this machine
    ├── VersionUnproven       a version's passport failed
    ├── ImageTooLarge         over Lambda's limit
    ├── BuilderMissing        neither docker, podman, buildah nor finch works here
    └── BuildFailed           the builder ran and failed
"""

from modelet.errors import Refused


class PackagingRefused(Refused):
    """Base of everything that keeps a layer or an image from being made."""


class LayerRefused(PackagingRefused):
    """A layer's folder is not what `layer.toml` says, or there is no such layer."""


class WheelsUnavailable(PackagingRefused):
    """The wheels of a requirements file could not be fetched for a platform."""


class CompilerUnavailable(PackagingRefused):
    """Neither the pinned compiler nor an interpreter of the right version is there."""


class CompilationFailed(PackagingRefused):
    """A file that ships does not compile."""


class VersionIncomplete(PackagingRefused):
    """A version whose binaries are not on this machine cannot be packed."""


class VersionUnproven(PackagingRefused):
    """A version whose passport failed may not be given to callers."""


class ImageTooLarge(PackagingRefused):
    """The image would be over Lambda's limit."""


class BuilderMissing(PackagingRefused):
    """No container builder works on this machine."""


class BuildFailed(PackagingRefused):
    """The container builder ran and failed."""
