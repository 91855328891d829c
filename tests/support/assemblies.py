"""Synthesised cloud assemblies, and ways to look into them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.app import new_app
from infra.service import Service
from infra.settings import StageSettings
from infra.sources import Sources

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Assembly:
    """What one synthesis wrote."""

    folder: Path
    stage: str

    @property
    def parts(self) -> list[str]:
        """The stacks, without the `modelet-<stage>-` of their names."""
        prefix, suffix = f"modelet-{self.stage}-", ".template.json"
        return sorted(
            path.name[len(prefix) : -len(suffix)] for path in self.folder.glob(f"{prefix}*{suffix}")
        )

    def template(self, part: str) -> Json:
        """The template of a stack."""
        return json.loads((self.folder / f"modelet-{self.stage}-{part}.template.json").read_text())

    def of_type(self, part: str, kind: str) -> dict[str, Json]:
        """The properties of a stack's resources of one type, by logical id."""
        return {
            name: resource.get("Properties", {})
            for name, resource in self.template(part)["Resources"].items()
            if resource["Type"] == kind
        }

    def only(self, part: str, kind: str) -> Json:
        """The properties of the one resource of a type."""
        (properties,) = self.of_type(part, kind).values()
        return properties

    def resources(self) -> Iterator[tuple[str, str, Json]]:
        """All resources of all stacks: stack, logical id, resource."""
        for part in self.parts:
            for name, resource in self.template(part)["Resources"].items():
                yield part, name, resource

    def images(self, part: str) -> dict[str, Json]:
        """The container images a stack needs, by digest."""
        return self._assets(part, "dockerImages")

    def archives(self, part: str) -> dict[str, Json]:
        """The zip archives a stack needs, by digest."""
        return {key: f for key, f in self.files(part).items() if f["source"]["packaging"] == "zip"}

    def files(self, part: str) -> dict[str, Json]:
        """All files a stack needs, by digest."""
        return self._assets(part, "files")

    def _assets(self, part: str, kind: str) -> dict[str, Json]:
        document = json.loads((self.folder / f"modelet-{self.stage}-{part}.assets.json").read_text())
        return dict(document[kind])


def synthesise(root: Path, settings: StageSettings, out: Path) -> Assembly:
    """Synthesise the checkout at `root` into `out`."""
    sources = Sources(root)
    app = new_app(sources, out)
    Service(app, settings=settings, sources=sources)
    app.synth()
    return Assembly(out, settings.name)
