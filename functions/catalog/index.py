"""What there is: the manifests of all deployed versions, and what to say of what is not there."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from modelet_runtime.errors import (
    ArtifactError,
    MethodNotAllowed,
    ModeletError,
    NotFound,
    UnsupportedExtension,
)
from modelet_runtime.http.tensorflow_serving import CLASSIFY_OR_REGRESS
from modelet_runtime.manifest import Manifest
from modelet_runtime.protocols import open_inference_documents as documents

_MODEL_PATH = re.compile(
    r"/(?P<protocol>v2/models|v1/models|models)/(?P<model>[^/:]+)(?:/versions/(?P<version>[^/:]+))?"
    r"(?:/labels/[^/:]+)?(?P<rest>.*)"
)
# What a model answers, by protocol and verb. Nearly all of it has a route to the model; what comes here all
# the same has another verb, or is one of the two that are not supported.
_ANSWERED = {
    "v2/models": {"GET": "|/ready|/stats|/config", "POST": "/infer"},
    "v1/models": {"GET": "|/metadata", "POST": ":predict|:classify|:regress"},
    "models": {"POST": "/predict"},
}
_NOT_SUPPORTED = (":classify", ":regress")


class Index:
    """The versions of all models.

    Args:
        manifests: One per version.
        latency_ms: The median a version's passport found, by name and version, where one is known.
        live: The version that answers whoever names none, by name; the highest where none is given.
        served_by: Who answers for a model, by name, where it is not whom the model is meant for.
    """

    def __init__(
        self,
        manifests: list[Manifest],
        latency_ms: Mapping[str, Mapping[str, float]] | None = None,
        live: Mapping[str, int] | None = None,
        served_by: Mapping[str, str] | None = None,
    ) -> None:
        self._manifests = sorted(manifests, key=lambda manifest: (manifest.name, manifest.version))
        highest = {manifest.name: manifest for manifest in self._manifests}
        chosen = {m.name: m for m in self._manifests if (live or {}).get(m.name) == m.version}
        self._live = highest | chosen
        self._latency_ms = latency_ms or {}
        self.served_by = served_by or {}

    @classmethod
    def load(cls, path: Path) -> "Index":
        """Read `{"models": [manifest, ...]}`; beside it may be what the constructor takes, by name.

        Raises:
            ArtifactError: The file cannot be read, or is something else.
        """
        try:
            document = json.loads(path.read_bytes())
            manifests = [Manifest.from_dict(each, str(path)) for each in document["models"]]
            about = (document.get(key) for key in ("latency_ms", "live", "served_by"))
            return cls(manifests, *about)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtifactError(f"{path}: expected an index of manifests, got {error!r}") from error

    @property
    def versions(self) -> Sequence[Manifest]:
        """Every version, by name and number."""
        return self._manifests

    @property
    def live(self) -> Mapping[str, Manifest]:
        """The version of each model that answers when none is named."""
        return self._live

    def latency_ms(self, manifest: Manifest) -> float | None:
        """How long a row took when the version was built, if the index knows."""
        return self._latency_ms.get(manifest.name, {}).get(str(manifest.version))

    def entries(self) -> list[dict[str, Any]]:
        """The repository index of the Open Inference Protocol's extension."""
        return [entry for manifest in self._manifests for entry in documents.repository_index(manifest)]

    def missing(self, method: str, path: str) -> ModeletError:
        """Why nothing answers a request, in the words of the protocol its path belongs to."""
        match = _MODEL_PATH.fullmatch(path)
        if match is None:
            return NotFound(f"no route {method} {path}")
        name, version = match["model"], match["version"]
        if name in self.live:
            return _of_known(method, path, match["protocol"], match["rest"])
        if match["protocol"] == "v1/models":
            wanted = f"Latest({name})" if version is None else f"Specific({name}, {version})"
            return NotFound(f"Servable not found for request: {wanted}")
        names = ", ".join(self.live) or "none"
        return NotFound(f"Request for unknown model: '{name}' is not found; there are {names}")


def _of_known(method: str, path: str, protocol: str, rest: str) -> ModeletError:
    """Why nothing answers for a model that is there."""
    takes = [verb for verb, rests in _ANSWERED[protocol].items() if re.fullmatch(f"(?:{rests})/*", rest)]
    if method in takes and rest in _NOT_SUPPORTED:
        return UnsupportedExtension(CLASSIFY_OR_REGRESS)
    if takes:
        return MethodNotAllowed(method, takes)
    return NotFound(
        f"Malformed request: {method} {path}" if protocol == "v1/models" else f"no route {method} {path}"
    )
