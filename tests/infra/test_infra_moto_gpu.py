"""Endpoints in moto's CloudFormation and its SageMaker, as far as they go: types of instance up to g4dn."""

from collections import Counter
from collections.abc import Iterator

import boto3
import pytest
from support.assemblies import Assembly
from support.moto_cloud import ACCOUNT, REGION, UNKNOWN_TO_MOTO, account, deploy


@pytest.fixture(scope="module")
def deployed(gpu: Assembly) -> Iterator[dict[str, Counter[str]]]:
    with account():
        yield deploy(gpu)


def endpoints():
    client = boto3.client("sagemaker", region_name=REGION)
    for endpoint in client.list_endpoints()["Endpoints"]:
        described = client.describe_endpoint(EndpointName=endpoint["EndpointName"])
        config = client.describe_endpoint_config(EndpointConfigName=described["EndpointConfigName"])
        (variant,) = config["ProductionVariants"]
        yield (
            variant["VariantName"],
            described,
            variant,
            client.describe_model(ModelName=variant["ModelName"]),
        )


def test_every_endpoint_is_in_service(deployed: dict[str, Counter[str]]):
    assert {name: described["EndpointStatus"] for name, described, _, _ in endpoints()} == {
        "gpu-mlp-torch-1": "InService",
        "gpu-mlp-torch-2": "InService",
        "gpu-sound-text-1": "InService",
        "gpu-vision": "InService",
    }


def test_each_serves_its_model(deployed: dict[str, Counter[str]]):
    containers = {name: model["PrimaryContainer"] for name, _, _, model in endpoints()}
    assets = f"s3://cdk-hnb659fds-assets-{ACCOUNT}-{REGION}/"
    assert containers["gpu-vision"]["ModelDataUrl"] == assets
    assert containers["gpu-sound-text-1"]["ModelDataUrl"].startswith(assets)
    assert containers["gpu-sound-text-1"]["ModelDataUrl"].endswith(".tar.gz")
    assert containers["gpu-vision"]["Image"] == (
        "763104351884.dkr.ecr.us-east-1.amazonaws.com/sagemaker-tritonserver:24.09-py3"
    )


def test_the_functions_know_their_endpoint(deployed: dict[str, Counter[str]]):
    names = {name: described["EndpointName"] for name, described, _, _ in endpoints()}
    functions = boto3.client("lambda", region_name=REGION).list_functions()["Functions"]
    asked = {
        function["Description"].partition(":")[0]: function["Environment"]["Variables"]["MODELET_ENDPOINT"]
        for function in functions
        if "MODELET_ENDPOINT" in function.get("Environment", {}).get("Variables", {})
    }
    assert asked["mlp_torch version 1"] == names["gpu-mlp-torch-1"]
    assert asked["mlp_torch version 2"] == names["gpu-mlp-torch-2"]
    assert asked["image_label version 1"] == asked["image_embedding version 1"] == names["gpu-vision"]
    assert asked["sound_text version 1"] == names["gpu-sound-text-1"]


def test_nothing_else_was_left_out(gpu: Assembly, deployed: dict[str, Counter[str]]):
    for part, made in deployed.items():
        wanted = Counter(r["Type"] for r in gpu.template(part)["Resources"].values())
        assert set(wanted - made) <= UNKNOWN_TO_MOTO, part
