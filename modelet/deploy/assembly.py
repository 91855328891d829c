"""What a synthesised assembly says of itself: which stacks, what stays, who may call."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# As `infra/` calls the output of each endpoint.
_COST = "CostAtRest"
_RETAINED = frozenset({"Retain", "RetainExceptOnCreate"})


@dataclass(frozen=True, slots=True)
class Assembly:
    """A folder that `cdk synth` wrote.

    Attributes:
        folder: The folder.
    """

    folder: Path

    @property
    def protected(self) -> list[str]:
        """Stacks that refuse to be deleted."""
        return [name for name, stack in self._stacks() if stack.get("terminationProtection")]

    @property
    def retained(self) -> Mapping[str, int]:
        """How many resources of each type stay when their stacks are deleted."""
        counts: dict[str, int] = {}
        for resource in self._resources():
            if resource.get("DeletionPolicy") in _RETAINED:
                counts[resource["Type"]] = counts.get(resource["Type"], 0) + 1
        return counts

    @property
    def takes_signatures(self) -> bool:
        """Whether callers sign with SigV4: on an HTTP API each route says so, on a REST API its document."""
        for resource in self._resources():
            properties = resource.get("Properties", {})
            if properties.get("AuthorizationType") == "AWS_IAM":
                return True
            if resource["Type"] == "AWS::ApiGateway::RestApi" and "awsSigv4" in json.dumps(properties):
                return True
        return False

    @property
    def costs(self) -> list[str]:
        """What each endpoint costs without a request."""
        outputs = [output for template in self._templates() for output in template.get("Outputs", {}).items()]
        return [f"{output['Description']}: {output['Value']}" for name, output in outputs if _COST in name]

    def _templates(self) -> Iterator[Mapping[str, Any]]:
        for _, stack in self._stacks():
            yield json.loads((self.folder / stack["templateFile"]).read_bytes())

    def _resources(self) -> Iterator[Mapping[str, Any]]:
        for template in self._templates():
            yield from template["Resources"].values()

    def _stacks(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        artifacts = json.loads((self.folder / "manifest.json").read_bytes())["artifacts"]
        for name, artifact in artifacts.items():
            if artifact["type"] == "aws:cloudformation:stack":
                yield name, artifact["properties"]


def addresses(outputs: Path, stage: str) -> dict[str, str]:
    """The URL of each model, from the outputs that `cdk deploy` wrote."""
    stacks: Mapping[str, Mapping[str, str]] = json.loads(outputs.read_bytes())
    found = {}
    for stack in stacks.values():
        if "Model" in stack:
            door = stacks[f"modelet-{stage}-front-door-{stack['FrontDoor']}"]
            found[stack["Model"]] = door["Url"].rstrip("/")
    return found
