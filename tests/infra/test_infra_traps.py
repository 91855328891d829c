"""What has bitten others on this way to AWS, and the test that keeps each from biting here.

The register names tests anywhere in this project; that they exist is itself tested. The tests below it are of
traps that no other test is about.
"""

import ast
import json
from pathlib import Path

import pytest
from support.assemblies import Assembly

TESTS = Path(__file__).parents[1]

REGISTER = {
    "aws-cdk@latest is 3.0.0, an accident that reads no assembly of today": (
        "infra/test_infra_cdk_json.py::TestCommands::test_the_cli_is_never_the_accidental_3_0_0"
    ),
    "Node 20 is past its end for the CDK, and a machine may have none": (
        "infra/test_infra_cdk_json.py::TestWithoutNode::test_it_synthesises"
    ),
    "a distributed map drops result_writer_v2 without a flag that only the CLI would read": (
        "infra/test_infra_cdk_json.py::TestFlags::test_a_distributed_map_writes_its_results"
    ),
    "flags of cdk.json are unknown to an app that runs without the CLI": (
        "infra/test_infra_cdk_json.py::TestFlags::test_they_hold_without_the_cli_too"
    ),
    "cdk-nag 3 is a plugin; as an aspect it looks at nothing": (
        "infra/test_infra_nag.py::test_the_packs_do_look"
    ),
    "an asset's hash covers the whole context: one model's change deploys all": (
        "infra/test_infra_assets.py::test_another_model_changes_only_its_own"
    ),
    "the CDK's cache of hashes trusts inode, time and size": (
        "infra/test_infra_assets.py::test_equal_sizes_and_times_do_not_hide_a_change"
    ),
    "a mutable tag does not change the template, so nothing is deployed": (
        "infra/test_infra_model_stack.py::TestFunction::test_the_image_is_named_by_its_digest"
    ),
    "layers cannot be attached to image functions": (
        "infra/test_infra_traps.py::test_image_functions_have_no_layers"
    ),
    "podman and buildah refuse the caches of buildx": (
        "infra/test_infra_traps.py::test_images_ask_no_builder_for_what_only_one_has"
    ),
    "one permission for each route outgrows a function's resource policy": (
        "infra/test_infra_traps.py::test_a_function_has_one_permission_for_each_api"
    ),
    "an HTTP API has 300 routes by default and 300 integrations for good": (
        "infra/test_infra_fleet.py::test_no_api_has_more_than_its_quota"
    ),
    "a stack has 500 resources": "infra/test_infra_fleet.py::test_no_stack_is_near_500_resources",
    "a route limit fails on a route that is not there yet": (
        "infra/test_infra_everything.py::test_the_front_door_comes_last_and_the_shared_stack_first"
    ),
    "binary bodies reach a REST API broken unless every media type is binary": (
        "infra/test_infra_front_door.py::TestRestApi::test_bodies_stay_as_they_are"
    ),
    "the names of environment variables need two characters, all of them 4 KB": (
        "infra/test_infra_everything.py::test_environment_variables_are_short_and_their_names_are_not"
    ),
    "Lambda ends loops through a queue after some 16 turns, also those that are meant": (
        "unit/runtime/batch/test_batch_handler.py::test_going_on_is_no_loop_that_lambda_should_end"
    ),
    "a result that matches a trigger is the next input": (
        "infra/test_infra_batch.py::TestSettings::test_an_output_that_is_an_input_is_refused"
    ),
    "a function that starts a state machine that calls it is a circle": (
        "infra/test_infra_batch.py::TestFunction::test_the_runtime_takes_its_environment"
    ),
    "notifications of a bucket and log retention bring functions behind the scenes": (
        "infra/test_infra_everything.py::test_no_lambda_behind_the_scenes"
    ),
    "explicit names collide when a resource is replaced": (
        "infra/test_infra_everything.py::test_no_resource_has_a_name_of_ours"
    ),
    "SnapStart excludes provisioned concurrency and more than 512 MiB of storage": (
        "infra/test_infra_settings.py::test_resources_that_lambda_does_not_give"
    ),
    "models and configurations of SageMaker are replaced, and explicit names collide": (
        "infra/test_infra_endpoints.py::TestEndpoint::test_nothing_has_a_name_of_ours"
    ),
    "target tracking alone wakes an endpoint from zero only when much waits": (
        "infra/test_infra_endpoints.py::TestScaling::test_asynchronous_wakes_from_zero_when_anything_waits"
    ),
    "instances with disks of their own refuse a key": (
        "infra/test_infra_endpoints.py::TestEndpoint::test_instances_with_disks_of_their_own_take_no_key"
    ),
    "an endpoint with a queue takes asynchronous calls only, and these name no model of several": (
        "infra/test_infra_endpoints.py::TestRefused::test_what_no_endpoint_can_do"
    ),
    "real-time endpoints do not go to zero without inference components": (
        "infra/test_infra_endpoints.py::TestRefused::test_what_no_endpoint_can_do"
    ),
    "several models on a GPU need Triton's multi-model mode; otherwise it loads one and refuses more": (
        "infra/test_infra_endpoints.py::TestGroup::test_calls_name_their_model_by_its_archive"
    ),
    "a function before an endpoint gives up before API Gateway does, or nobody hears of it": (
        "infra/test_infra_endpoints.py::TestRefused::test_what_no_endpoint_can_do"
    ),
    "a function that may call itself is a circle": (
        "infra/test_infra_everything.py::test_no_resources_wait_for_each_other"
    ),
    "bases other than AWS's need a label for SnapStart": (
        "container/test_container_configuration.py::test_the_labels_name_the_version"
    ),
    "a dashboard or alarm asks for a metric that nobody writes": (
        "infra/test_infra_front_door.py::TestFigures::test_dashboards_show_what_the_runtime_writes"
    ),
    "Lambda refuses image indexes, which attestations make of one image": (
        "container/test_container_configuration.py::test_is_one_image_for_one_platform"
    ),
    "a builder that is installed may not answer": (
        "unit/toolchain/test_doctor.py::test_the_builder_is_the_first_that_answers"
    ),
    "a handler that imports boto3, pydantic or Tracer starts late": (
        "unit/runtime/test_handler.py::test_none_of_the_heavy_packages_is_imported"
    ),
    "decoding a binary body as text raises": (
        "unit/functions/test_catalog.py::test_other_bodies_are_refused"
    ),
    "the emulator ends on concurrent requests and reports time-outs as success, so it is not the service": (
        "unit/toolchain/local/test_local_function.py::test_a_timeout_kills_the_process_and_the_next_request_works"
    ),
    "ONNX Runtime follows hard links out of the model's folder": (
        "unit/toolchain/test_build_check.py::TestExternalData::test_anything_else_is_refused"
    ),
}


@pytest.mark.parametrize("trap", REGISTER)
def test_the_test_that_the_register_names_is_there(trap: str):
    file, *names = REGISTER[trap].split("::")
    scope: ast.AST = ast.parse((TESTS / file).read_text())
    for name in names:
        found = [node for node in ast.iter_child_nodes(scope) if getattr(node, "name", None) == name]
        assert found, REGISTER[trap]
        scope = found[0]


def test_image_functions_have_no_layers(any_assembly: Assembly):
    for part, name, resource in any_assembly.resources():
        if resource["Type"] == "AWS::Lambda::Function":
            properties = resource["Properties"]
            assert "Layers" not in properties, (part, name)
            assert (properties.get("PackageType") == "Image") == ("ImageUri" in properties["Code"])


def test_images_ask_no_builder_for_what_only_one_has(any_assembly: Assembly):
    images = [image for part in any_assembly.parts for image in any_assembly.images(part).values()]
    assert images
    for image in images:
        assert set(image["source"]) == {"directory", "dockerFile", "platform"}
        assert (any_assembly.folder / image["source"]["directory"] / "Dockerfile").is_file()


def test_a_function_has_one_permission_for_each_api(any_assembly: Assembly):
    for part in any_assembly.parts:
        permissions = any_assembly.of_type(part, "AWS::Lambda::Permission").values()
        pairs = [json.dumps([p["FunctionName"], p.get("SourceArn")], sort_keys=True) for p in permissions]
        assert len(pairs) == len(set(pairs))
        of_routes = [p for p in permissions if "/*/*" in json.dumps(p.get("SourceArn", ""))]
        assert len(of_routes) <= len({json.dumps(p["FunctionName"]) for p in permissions}) * 2
