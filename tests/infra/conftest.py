"""Assemblies that several tests look at, each synthesised once."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import infra  # noqa: F401  (chooses Node before aws_cdk starts it)

pytest.importorskip("aws_cdk")

from support.assemblies import Assembly, synthesise
from support.checkouts import demo, make_checkout

from infra.config import DEV, PROD
from infra.settings import (
    ApiKeys,
    Budget,
    Cors,
    Domain,
    Jobs,
    Jwt,
    StageSettings,
    Throttle,
    UsagePlan,
    Waf,
)
from modelet_runtime.manifest import Batch, Endpoint, Resources

CERTIFICATE = "arn:aws:acm:us-east-1:111122223333:certificate/0"
# Every capability is on in one of them.
VARIANTS = {
    "dev": DEV,
    "prod": PROD,
    "keys": replace(
        PROD,
        name="keys",
        authorization=ApiKeys(cache_s=60),
        customer_key=True,
        tracing=True,
        cors=Cors(origins=("https://app.example.com",)),
        domain=Domain(
            name="models.example.com",
            certificate_arn=CERTIFICATE,
            hosted_zone_id="Z1",
            hosted_zone_name="example.com",
        ),
        front_doors=2,
        model_throttles={"file_type": Throttle(rate_per_s=5, burst=10)},
        alarm_emails=("owner@example.com",),
        budget=Budget(monthly_usd=50, emails=("owner@example.com",)),
        tags={"team": "vision"},
    ),
    "tokens": replace(
        DEV,
        name="tokens",
        authorization=Jwt(issuer="https://login.example.com", audiences=("models",), scopes=("infer",)),
    ),
    "rest": replace(
        PROD,
        name="rest",
        front_door="rest",
        usage_plan=UsagePlan(
            callers=("acme", "globex"), throttle=Throttle(rate_per_s=5, burst=10), requests_per_month=10_000
        ),
        waf=Waf(requests_per_5_minutes=500),
        domain=Domain(name="models.example.com", certificate_arn=CERTIFICATE),
        model_throttles={"digit_image": Throttle(rate_per_s=5, burst=10)},
    ),
    "gpu": replace(
        PROD,
        name="gpu",
        customer_key=True,
        jobs=Jobs(kept_days=3, webhook="https://hooks.example.com/jobs"),
    ),
}
# These are models for a GPU besides.
GPU = {"gpu"}
# These have a canary and a pinned version besides.
WITH_ALIASES = {"keys", "rest"}
ALIASES = """
live = 2
canary = { version = 3, weight = 0.1 }
previous = [1]
pinned = [1]
"""
# One model as the defaults have it, in two versions; one with everything of its own; one that takes files.
MODELS = (
    demo("file_type"),
    demo("file_type", version=2),
    demo(
        "digit_image",
        resources=Resources(
            memory_mib=3538,
            timeout_s=10,
            ephemeral_storage_mib=2048,
            architecture="arm64",
            max_concurrency=20,
            snap_start=False,
            provisioned_concurrency=2,
            canary_percent=25,
            canary_minutes=7,
            alarm_error_percent=0.5,
            alarm_p99_ms=900,
        ),
    ),
    demo("tabular_risk", layers=("batch",), batch=Batch(max_concurrency=20, memory_mib=3008, timeout_s=600)),
)
VISION = Endpoint(group="vision", instance_type="ml.g4dn.2xlarge", max_batch_size=32)
# One with an endpoint of its own, two that share one, one that queues and goes to zero.
GPU_MODELS = (
    demo("file_type"),
    demo("mlp_torch", target="gpu", endpoint=Endpoint(), batch=Batch()),
    demo("image_label", target="gpu", endpoint=VISION),
    demo("image_embedding", target="gpu", endpoint=replace(VISION, max_instances=4, instances=2)),
    demo(
        "sound_text",
        target="gpu",
        endpoint=Endpoint(mode="async", min_instances=0, max_instances=3, timeout_s=900),
    ),
)


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with the models."""
    return make_checkout(tmp_path_factory.mktemp("checkout"), MODELS)


@pytest.fixture(scope="session")
def promoted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout where a version is on trial and one stays pinned."""
    newer = [demo("tabular_risk", version=number, batch=Batch()) for number in (2, 3)]
    root = make_checkout(tmp_path_factory.mktemp("promoted"), (*MODELS, demo("file_type", version=3), *newer))
    for name in ("file_type", "tabular_risk"):
        (root / "model_artifacts" / name / "aliases.toml").write_text(ALIASES)
    return root


@pytest.fixture(scope="session")
def with_gpu(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with models for a GPU, of which one has a canary."""
    newer = demo("mlp_torch", version=2, target="gpu", endpoint=Endpoint())
    root = make_checkout(tmp_path_factory.mktemp("gpu"), (*GPU_MODELS, newer))
    aliases = "live = 1\ncanary = { version = 2, weight = 0.1 }\n"
    (root / "model_artifacts" / "mlp_torch" / "aliases.toml").write_text(aliases)
    return root


@pytest.fixture(scope="session")
def checkout_of(checkout: Path, promoted: Path, with_gpu: Path) -> Callable[[str], Path]:
    """What a variant deploys."""
    return lambda name: promoted if name in WITH_ALIASES else with_gpu if name in GPU else checkout


@pytest.fixture(scope="session")
def assembly_of(
    checkout_of: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Assembly]:
    """The assembly of a variant, synthesised when it is first asked for."""
    made: dict[str, Assembly] = {}

    def get(name: str) -> Assembly:
        if name not in made:
            made[name] = synthesise(checkout_of(name), VARIANTS[name], tmp_path_factory.mktemp(name))
        return made[name]

    return get


@pytest.fixture(scope="session")
def settings_of() -> Callable[[str], StageSettings]:
    """The settings of a variant."""
    return VARIANTS.__getitem__


@pytest.fixture(scope="session")
def dev(assembly_of: Callable[[str], Assembly]) -> Assembly:
    return assembly_of("dev")


@pytest.fixture(scope="session")
def prod(assembly_of: Callable[[str], Assembly]) -> Assembly:
    return assembly_of("prod")


@pytest.fixture(scope="session")
def keys(assembly_of: Callable[[str], Assembly]) -> Assembly:
    return assembly_of("keys")


@pytest.fixture(scope="session")
def tokens(assembly_of: Callable[[str], Assembly]) -> Assembly:
    return assembly_of("tokens")


@pytest.fixture(scope="session")
def rest(assembly_of: Callable[[str], Assembly]) -> Assembly:
    return assembly_of("rest")


@pytest.fixture(scope="session")
def gpu(assembly_of: Callable[[str], Assembly]) -> Assembly:
    return assembly_of("gpu")


@pytest.fixture(params=VARIANTS)
def any_assembly(request: pytest.FixtureRequest, assembly_of: Callable[[str], Assembly]) -> Assembly:
    """Each variant in turn."""
    return assembly_of(request.param)
