"""Which versions share an endpoint, and what no endpoint can be asked for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from infra.errors import ModelRefused, SettingsRefused
from infra.fleet import FleetModel, ModelVersion
from infra.pricing import at_rest
from infra.settings import StageSettings
from modelet_runtime.manifest import ASYNC, Endpoint

# Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProductionVariant.html
_LONGEST_VARIANT = 63


@dataclass(frozen=True, slots=True)
class SharedEndpoint:
    """One endpoint for the models of a group.

    Attributes:
        group: As the manifests name it.
        wanted: What suits all of them.
    """

    group: str
    wanted: Endpoint


def shared_endpoints(models: Iterable[FleetModel]) -> list[SharedEndpoint]:
    """The endpoints of groups, by name; none where no manifest names one."""
    groups: dict[str, list[Endpoint]] = {}
    for version in (version for model in models for version in model.versions):
        if version.endpoint and version.endpoint.group:
            groups.setdefault(version.endpoint.group, []).append(version.endpoint)
    return [SharedEndpoint(group, _together(groups[group])) for group in sorted(groups)]


def own_endpoints(models: Iterable[FleetModel]) -> dict[str, Endpoint]:
    """The endpoints that versions have for themselves, by what tells them apart."""
    return {
        own_part(version): version.endpoint
        for model in models
        for version in model.versions
        if version.endpoint and not version.endpoint.group
    }


def costs(models: Sequence[FleetModel], stage: str) -> list[str]:
    """What each endpoint costs without a request, in words."""
    shared = {endpoint.group: endpoint.wanted for endpoint in shared_endpoints(models)}
    return [
        f"{variant_name(stage, part)}: {at_rest(wanted.instance_type, wanted.min_instances)}"
        for part, wanted in sorted({**shared, **own_endpoints(models)}.items())
    ]


def variant_name(stage: str, part: str) -> str:
    """What the fleet of an endpoint is called: like no other of the account, as alarms find it by that."""
    return f"{stage}-{part}".replace("_", "-")


def own_part(version: ModelVersion) -> str:
    """What tells an endpoint from others that a version has for itself."""
    return f"{version.manifest.name}-{version.number}"


def check_endpoints(models: Iterable[FleetModel], settings: StageSettings) -> None:
    """Refuse what SageMaker would refuse, or could not do.

    Raises:
        ModelRefused: A manifest asks for it.
        SettingsRefused: The stage's name is too long for names of endpoints' fleets.
    """
    wanted: dict[str, str] = {}
    for version in (version for model in models for version in model.versions):
        endpoint = version.endpoint
        if endpoint is None:
            continue
        _check(version, endpoint)
        _check_variant(settings.name, endpoint.group or own_part(version))
        if endpoint.group:
            first = wanted.setdefault(endpoint.group, endpoint.instance_type)
            if endpoint.instance_type != first:
                _refuse(
                    version,
                    f"instance_type: group '{endpoint.group}' has {first}, got {endpoint.instance_type}",
                )


def _check(version: ModelVersion, endpoint: Endpoint) -> None:
    is_async = endpoint.mode == ASYNC
    timeout_s = version.manifest.resources.timeout_s
    checks: Sequence[tuple[bool, str]] = (
        (is_async or endpoint.min_instances >= 1, "min_instances: realtime endpoints have 1 or more"),
        (endpoint.min_instances <= endpoint.max_instances, "min_instances is above max_instances"),
        (not (is_async and endpoint.group), "group: asynchronous calls cannot name one model of several"),
        (
            is_async or endpoint.timeout_s < timeout_s,
            f"timeout_s: expected less than the {timeout_s} s of the function in front of it",
        ),
        (
            not (is_async and version.manifest.batch),
            "mode: files are inferred while their function waits, which needs realtime",
        ),
    )
    for holds, complaint in checks:
        if not holds:
            _refuse(version, complaint)


def _check_variant(stage: str, part: str) -> None:
    name = variant_name(stage, part)
    if len(name) > _LONGEST_VARIANT:
        raise SettingsRefused(
            f"{stage}: '{name}' is longer than the {_LONGEST_VARIANT} characters that the fleet of an"
            " endpoint may be called: choose a shorter name for the stage"
        )


def _refuse(version: ModelVersion, complaint: str) -> None:
    raise ModelRefused(f"{version.manifest.name}@{version.number}: endpoint: {complaint}")


def _together(members: Sequence[Endpoint]) -> Endpoint:
    """One endpoint that is large enough for the one that asks for most, and as full as the smallest takes."""
    return replace(
        members[0],
        min_instances=max(member.min_instances for member in members),
        max_instances=max(member.max_instances for member in members),
        timeout_s=max(member.timeout_s for member in members),
        max_batch_size=min(member.max_batch_size for member in members),
        instances=min(member.instances for member in members),
    )
