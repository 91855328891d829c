"""Endpoints of models for a GPU: who has one, how it scales, what rings, and who may ask it."""

import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.assemblies import Assembly, synthesise
from support.checkouts import demo, make_checkout

from infra import fleet, pricing
from infra.config import DEV, PROD
from infra.endpoints import check_endpoints
from infra.errors import ModelRefused, NotBuilt, SettingsRefused
from infra.settings import StageSettings, Triton
from infra.sources import Sources
from modelet import prices
from modelet_runtime.manifest import Batch, Endpoint, Manifest, Resources

OWN, LATER, GROUP = "model-mlp-torch", "model-sound-text", "endpoint-vision"
ENDPOINT, CONFIG, MODEL = (f"AWS::SageMaker::{kind}" for kind in ("Endpoint", "EndpointConfig", "Model"))
SCALING = "AWS::ApplicationAutoScaling::ScalingPolicy"
ALARM = "AWS::CloudWatch::Alarm"


def variant(assembly: Assembly, part: str) -> Any:
    (found,) = assembly.only(part, CONFIG)["ProductionVariants"]
    return found


def by_metric(assembly: Assembly, part: str) -> dict[str, Any]:
    """Alarms on a metric by its name, those on a query by the query's first word after SELECT."""
    alarms = assembly.of_type(part, ALARM).values()
    return {
        alarm.get("MetricName") or alarm["Metrics"][0].get("Expression", "").removeprefix("SELECT "): alarm
        for alarm in alarms
    }


def variables(assembly: Assembly, part: str, prefix: str = "Live") -> dict[str, Any]:
    (function,) = (
        function
        for name, function in assembly.of_type(part, "AWS::Lambda::Function").items()
        if name.startswith(f"{prefix}Function")
    )
    return function["Environment"]["Variables"]


def policies(assembly: Assembly, part: str, action: str) -> list[Any]:
    """The statements of a stack that allow an action."""
    return [
        statement
        for policy in assembly.of_type(part, "AWS::IAM::Policy").values()
        for statement in policy["PolicyDocument"]["Statement"]
        if action in json.dumps(statement["Action"])
    ]


def test_models_for_the_cpu_have_nothing_of_it(prod: Assembly):
    kinds = {resource["Type"] for _, _, resource in prod.resources()}
    assert not [kind for kind in kinds if "SageMaker" in kind or "AutoScaling" in kind]
    assert not [part for part in prod.parts if part.startswith("endpoint-")]
    assert "MODELET_ENDPOINT" not in json.dumps([prod.template(part) for part in prod.parts])


class TestEndpoint:
    def test_each_version_has_its_own(self, gpu: Assembly):
        names = {v["VariantName"] for c in gpu.of_type(OWN, CONFIG).values() for v in c["ProductionVariants"]}
        assert names == {"gpu-mlp-torch-1", "gpu-mlp-torch-2"}
        live, canary = variables(gpu, OWN), variables(gpu, OWN, "Version2")
        assert live["MODELET_ENDPOINT"] != canary["MODELET_ENDPOINT"]
        assert "MODELET_ENDPOINT_MODEL" not in live

    def test_a_promoted_canary_keeps_its_endpoint(self, gpu: Assembly, with_gpu: Path, tmp_path: Path):
        before = set(gpu.of_type(OWN, ENDPOINT))
        root = make_checkout(
            tmp_path / "promoted",
            [demo("mlp_torch", version=n, target="gpu", endpoint=Endpoint()) for n in (1, 2)],
        )
        promoted = synthesise(root, replace(PROD, name="gpu", customer_key=True), tmp_path / "out")
        assert set(promoted.of_type(OWN, ENDPOINT)) == {
            name for name in before if name.startswith("Endpoint2")
        }

    def test_nothing_has_a_name_of_ours(self, gpu: Assembly):
        for part, _, resource in gpu.resources():
            if resource["Type"].startswith("AWS::SageMaker::"):
                assert not {"EndpointName", "ModelName"} & set(resource["Properties"]), part
                name = resource["Properties"].get("EndpointConfigName")
                assert name is None or "Fn::GetAtt" in name

    def test_the_model_reaches_no_network(self, gpu: Assembly):
        for part in (OWN, LATER, GROUP):
            assert all(model["EnableNetworkIsolation"] for model in gpu.of_type(part, MODEL).values())

    def test_the_server_is_aws_own_in_a_pinned_version(self, gpu: Assembly):
        container = gpu.only(LATER, MODEL)["PrimaryContainer"]
        assert container["Mode"] == "SingleModel"
        assert container["Environment"] == {
            "SAGEMAKER_TRITON_DEFAULT_MODEL_NAME": "sound_text",
            "SAGEMAKER_TRITON_LOG_VERBOSE": "false",
        }
        account, *rest = container["Image"]["Fn::Join"][1]
        assert account["Fn::FindInMap"][1:] == [{"Ref": "AWS::Region"}, "account"]
        assert rest[-1] == "/sagemaker-tritonserver:24.09-py3"
        (accounts,) = gpu.template(LATER)["Mappings"].values()
        assert accounts["eu-central-1"] == {"account": "763104351884"}
        assert accounts["ap-southeast-3"] == {"account": "907027046896"}

    def test_what_the_manifest_says(self, gpu: Assembly):
        found = variant(gpu, LATER)
        # SageMaker begins with one at least.
        assert (found["InstanceType"], found["InitialInstanceCount"]) == ("ml.g4dn.xlarge", 1)
        assert found["ContainerStartupHealthCheckTimeoutInSeconds"] == 900
        assert found["ModelDataDownloadTimeoutInSeconds"] == 900
        assert found["InferenceAmiVersion"] == "al2-ami-sagemaker-inference-gpu-3-1"

    def test_payloads_are_not_captured(self, gpu: Assembly):
        for _, _, resource in gpu.resources():
            assert "DataCaptureConfig" not in resource.get("Properties", {})

    def test_instances_with_disks_of_their_own_take_no_key(self, gpu: Assembly, tmp_path: Path):
        # SageMaker refuses a key for them, and a size of the volume too.
        assert "KmsKeyId" not in gpu.only(LATER, CONFIG)
        assert "VolumeSizeInGB" not in variant(gpu, LATER)
        old = demo("a_a", target="gpu", endpoint=Endpoint(instance_type="ml.p3.2xlarge"))
        settings = replace(DEV, customer_key=True)
        made = synthesise(make_checkout(tmp_path / "p3", [old]), settings, tmp_path / "out")
        assert "Fn::ImportValue" in made.only("model-a-a", CONFIG)["KmsKeyId"]

    def test_a_new_fleet_is_taken_back_by_its_alarms(self, gpu: Assembly):
        wanted = gpu.only(LATER, ENDPOINT)
        deployment = wanted["DeploymentConfig"]
        assert deployment["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"] == {
            "Type": "ALL_AT_ONCE",
            "WaitIntervalInSeconds": 300,
        }
        named = {alarm["AlarmName"]["Ref"] for alarm in deployment["AutoRollbackConfiguration"]["Alarms"]}
        alarms = gpu.of_type(LATER, ALARM)
        assert len(named) == 2
        for name in named:
            # They are there before the endpoint is, and find it by the name of its fleet.
            (query,) = alarms[name]["Metrics"]
            assert query["Expression"].endswith("WHERE VariantName = 'gpu-sound-text-1'")
            assert "Fn::" not in json.dumps(query)
        # What scaling made of the number of instances survives.
        assert wanted["RetainAllVariantProperties"] is True

    def test_without_alarms_nothing_is_taken_back(self, tmp_path: Path):
        root = make_checkout(tmp_path / "checkout", [demo("a_a", target="gpu", endpoint=Endpoint())])
        made = synthesise(root, DEV, tmp_path / "out")
        assert "AutoRollbackConfiguration" not in made.only("model-a-a", ENDPOINT)["DeploymentConfig"]
        assert not made.of_type("model-a-a", ALARM)


class TestArchive:
    def test_it_is_the_model_repository(self, gpu: Assembly):
        url = json.dumps(gpu.only(LATER, MODEL)["PrimaryContainer"]["ModelDataUrl"])
        (asset,) = (
            asset
            for key, asset in gpu.files(LATER).items()
            if key.removesuffix(".tar") and f"{key}.gz" in url
        )
        assert asset["source"]["packaging"] == "file"
        content = (gpu.folder / asset["source"]["path"]).read_bytes()
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            assert sorted(archive.getnames()) == ["sound_text/1/model.onnx", "sound_text/config.pbtxt"]
            assert archive.extractfile("sound_text/1/model.onnx").read() == b"the graph of sound_text 1"  # type: ignore[union-attr]
            assert {(m.mtime, m.uid, m.uname) for m in archive} == {(0, 0, "")}

    def test_the_same_files_are_the_same_bytes(self, gpu: Assembly, with_gpu: Path, tmp_path: Path):
        again = synthesise(with_gpu, replace(DEV, name="other"), tmp_path)
        archives = {path.name: path.read_bytes() for path in gpu.folder.glob("model.*.tar.gz")}
        assert archives
        assert {path.name: path.read_bytes() for path in again.folder.glob("model.*.tar.gz")} == archives

    def test_only_its_own_may_be_fetched(self, gpu: Assembly):
        (fetch,) = (
            s for s in policies(gpu, "model-image-label", "s3:GetObject") if "tar.gz" in json.dumps(s)
        )
        archive = variables(gpu, "model-image-label")["MODELET_ENDPOINT_MODEL"]
        assert archive.endswith(".tar.gz")
        assert json.dumps(fetch["Resource"]).count(f"/{archive}") == 1


class TestGroup:
    def test_two_models_have_one_endpoint(self, gpu: Assembly):
        assert len(gpu.of_type(GROUP, ENDPOINT)) == 1
        for part in ("model-image-label", "model-image-embedding"):
            assert not gpu.of_type(part, ENDPOINT)
            assert "endpoint-vision" in json.dumps(variables(gpu, part)["MODELET_ENDPOINT"])

    def test_calls_name_their_model_by_its_archive(self, gpu: Assembly):
        container = gpu.only(GROUP, MODEL)["PrimaryContainer"]
        assert container["Mode"] == "MultiModel"
        assert "SAGEMAKER_TRITON_DEFAULT_MODEL_NAME" not in container["Environment"]
        # Archives lie in the bucket itself, under their digests.
        assert container["ModelDataUrl"]["Fn::Join"][1][0] == "s3://"
        assert container["ModelDataUrl"]["Fn::Join"][1][-1] == "/"
        archives = {
            variables(gpu, part)["MODELET_ENDPOINT_MODEL"]
            for part in ("model-image-label", "model-image-embedding")
        }
        assert len(archives) == 2

    def test_it_is_as_large_as_the_largest_asks_for(self, gpu: Assembly):
        target = gpu.only(GROUP, "AWS::ApplicationAutoScaling::ScalableTarget")
        assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 4)

    def test_a_function_may_ask_for_its_own_model_only(self, gpu: Assembly):
        (ask,) = policies(gpu, "model-image-label", "sagemaker:")
        archive = variables(gpu, "model-image-label")["MODELET_ENDPOINT_MODEL"]
        assert ask["Action"] == "sagemaker:InvokeEndpoint"
        assert ask["Condition"] == {"StringEquals": {"sagemaker:TargetModel": archive}}
        assert "endpoint-vision" in ask["Resource"]["Fn::ImportValue"]

    def test_a_new_version_changes_nothing_of_it(self, gpu: Assembly, tmp_path: Path):
        group = Endpoint(group="vision", instance_type="ml.g5.xlarge")
        templates = []
        for number in (1, 2):
            models = [demo("a_a", version=number, target="gpu", endpoint=group)]
            root = make_checkout(tmp_path / f"checkout{number}", models)
            made = synthesise(root, DEV, tmp_path / f"out{number}")
            templates.append(made.template("endpoint-vision"))
        assert templates[0] == templates[1]


class TestScaling:
    def test_real_time_follows_what_runs_at_once(self, gpu: Assembly):
        policy = gpu.only(GROUP, SCALING)
        assert policy["PolicyType"] == "TargetTrackingScaling"
        # Half of what one run takes: 32 rows, and the one copy that each model has at least.
        assert policy["TargetTrackingScalingPolicyConfiguration"] == {
            "TargetValue": 16,
            "ScaleOutCooldown": 60,
            "ScaleInCooldown": 300,
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "SageMakerVariantConcurrentRequestsPerModelHighResolution"
            },
        }

    def test_it_is_the_fleet_that_scales(self, gpu: Assembly):
        target = gpu.only(GROUP, "AWS::ApplicationAutoScaling::ScalableTarget")
        (endpoint,) = gpu.of_type(GROUP, ENDPOINT)
        assert target["ScalableDimension"] == "sagemaker:variant:DesiredInstanceCount"
        assert target["ResourceId"]["Fn::Join"][1] == [
            "endpoint/",
            {"Fn::GetAtt": [endpoint, "EndpointName"]},
            f"/variant/{variant(gpu, GROUP)['VariantName']}",
        ]

    def test_asynchronous_follows_the_backlog(self, gpu: Assembly):
        (policy,) = (
            p for p in gpu.of_type(LATER, SCALING).values() if p["PolicyType"] == "TargetTrackingScaling"
        )
        wanted = policy["TargetTrackingScalingPolicyConfiguration"]
        assert wanted["TargetValue"] == 5
        metric = wanted["CustomizedMetricSpecification"]
        assert (metric["Namespace"], metric["MetricName"], metric["Statistic"]) == (
            "AWS/SageMaker",
            "ApproximateBacklogSizePerInstance",
            "Average",
        )
        assert [dimension["Name"] for dimension in metric["Dimensions"]] == ["EndpointName"]

    def test_asynchronous_wakes_from_zero_when_anything_waits(self, gpu: Assembly):
        # The tracking policy alone would wait for a backlog above its target.
        target = gpu.only(LATER, "AWS::ApplicationAutoScaling::ScalableTarget")
        assert (target["MinCapacity"], target["MaxCapacity"]) == (0, 3)
        ((name, step),) = (
            (name, p) for name, p in gpu.of_type(LATER, SCALING).items() if p["PolicyType"] == "StepScaling"
        )
        assert step["StepScalingPolicyConfiguration"] == {
            "AdjustmentType": "ChangeInCapacity",
            "MetricAggregationType": "Average",
            "Cooldown": 300,
            "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
        }
        alarm = by_metric(gpu, LATER)["HasBacklogWithoutCapacity"]
        assert alarm["AlarmActions"] == [{"Ref": name}]
        assert (alarm["Threshold"], alarm["Period"], alarm["EvaluationPeriods"]) == (1, 60, 1)
        assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"

    def test_it_wakes_in_a_stage_without_alarms_too(self, with_gpu: Path, tmp_path: Path):
        dev = synthesise(with_gpu, DEV, tmp_path)
        assert list(by_metric(dev, LATER)) == ["HasBacklogWithoutCapacity"]

    def test_a_fixed_number_is_not_scaled(self, tmp_path: Path):
        fixed = demo("a_a", target="gpu", endpoint=Endpoint(min_instances=2, max_instances=2))
        made = synthesise(make_checkout(tmp_path / "checkout", [fixed]), DEV, tmp_path / "out")
        assert not made.of_type("model-a-a", SCALING)
        assert variant(made, "model-a-a")["InitialInstanceCount"] == 2


class TestAlarms:
    def test_of_an_asynchronous_endpoint(self, gpu: Assembly):
        alarms = by_metric(gpu, LATER)
        memory = alarms["GPUMemoryUtilization"]
        assert (memory["Namespace"], memory["Threshold"]) == ("/aws/sagemaker/Endpoints", 90)
        assert alarms["ApproximateBacklogSize"]["Threshold"] == 300
        assert alarms["ApproximateAgeOfOldestRequest"]["Threshold"] == 1800
        queries = {key.partition(" ")[0]: alarm for key, alarm in alarms.items() if " FROM " in key}
        assert queries["SUM(Invocation5XXErrors)"]["Threshold"] == 5
        # 80% of 900 s, in microseconds.
        assert queries["AVG(ModelLatency)"]["Threshold"] == 720_000_000

    def test_of_a_real_time_endpoint(self, gpu: Assembly):
        assert {key.partition(" ")[0] for key in by_metric(gpu, GROUP)} == {
            "SUM(Invocation5XXErrors)",
            "AVG(ModelLatency)",
            "GPUMemoryUtilization",
        }

    def test_the_memory_of_several_gpus_is_summed_up(self, tmp_path: Path):
        large = demo("a_a", target="gpu", endpoint=Endpoint(instance_type="ml.g5.12xlarge"))
        made = synthesise(make_checkout(tmp_path / "checkout", [large]), PROD, tmp_path / "out")
        assert by_metric(made, "model-a-a")["GPUMemoryUtilization"]["Threshold"] == 360

    def test_all_of_them_ring(self, gpu: Assembly):
        for part in (OWN, LATER, GROUP):
            for alarm in gpu.of_type(part, ALARM).values():
                assert len(alarm["AlarmActions"]) == 1


class TestFunction:
    def test_it_may_ask_its_own_endpoint_and_no_other(self, gpu: Assembly):
        asks = policies(gpu, OWN, "sagemaker:")
        endpoints = set(gpu.of_type(OWN, ENDPOINT))
        # The two versions, and the batch function of the first.
        assert len(asks) == 3
        assert {statement["Resource"]["Ref"] for statement in asks} == endpoints
        assert {statement["Action"] for statement in asks} == {"sagemaker:InvokeEndpoint"}

    def test_an_asynchronous_endpoint_is_asked_for_later(self, gpu: Assembly):
        (ask,) = policies(gpu, LATER, "sagemaker:")
        # With a twin on the CPU, the function has to know whether the endpoint is at zero.
        assert ask["Action"] == ["sagemaker:DescribeEndpoint", "sagemaker:InvokeEndpointAsync"]

    def test_the_version_before_may_go_on_asking(self, gpu: Assembly):
        # Its permission is not changed when a new version comes but deleted when it is gone.
        names = [
            name for name, p in gpu.of_type(OWN, "AWS::IAM::Policy").items() if "sagemaker:" in json.dumps(p)
        ]
        assert {name[: len("EndpointN")] for name in names if name.startswith("Endpoint")} == {
            "Endpoint1",
            "Endpoint2",
        }

    def test_files_are_inferred_there_too(self, gpu: Assembly):
        batch = variables(gpu, OWN, "BatchInfer")
        assert batch["MODELET_ENDPOINT"] == variables(gpu, OWN)["MODELET_ENDPOINT"]

    def test_it_waits_for_its_endpoint(self, gpu: Assembly):
        (function,) = (
            r
            for p, name, r in gpu.resources()
            if p == "model-image-label"
            and name.startswith("LiveFunction")
            and r["Type"] == "AWS::Lambda::Function"
        )
        assert [name for name in function["DependsOn"] if name.startswith("Endpoint1Fetch")]


class TestAnswers:
    def test_they_go_to_the_bucket_of_jobs(self, gpu: Assembly):
        output = gpu.only(LATER, CONFIG)["AsyncInferenceConfig"]["OutputConfig"]
        assert output["S3OutputPath"]["Fn::Join"][1][-1] == "/endpoint/out"
        assert output["S3FailurePath"]["Fn::Join"][1][-1] == "/endpoint/failed"
        assert "Fn::ImportValue" in output["KmsKeyId"]

    def test_the_function_is_told(self, gpu: Assembly):
        topics = set(gpu.of_type(LATER, "AWS::SNS::Topic"))
        notification = gpu.only(LATER, CONFIG)["AsyncInferenceConfig"]["OutputConfig"]["NotificationConfig"]
        assert {topic["Ref"] for topic in notification.values()} == topics
        (alias,) = gpu.of_type(LATER, "AWS::Lambda::Alias")
        subscriptions = gpu.of_type(LATER, "AWS::SNS::Subscription").values()
        assert {s["TopicArn"]["Ref"] for s in subscriptions} == topics
        assert [s["Endpoint"] for s in subscriptions] == [{"Ref": alias}] * 2
        told = [
            p
            for p in gpu.of_type(LATER, "AWS::Lambda::Permission").values()
            if p["Principal"] == "sns.amazonaws.com"
        ]
        assert {p["SourceArn"]["Ref"] for p in told} == topics

    def test_topics_are_encrypted_and_take_tls_only(self, gpu: Assembly, with_gpu: Path, tmp_path: Path):
        without_key = synthesise(with_gpu, DEV, tmp_path)
        for assembly in (gpu, without_key):
            for topic in assembly.of_type(LATER, "AWS::SNS::Topic").values():
                assert topic["KmsMasterKeyId"]
            for policy in assembly.of_type(LATER, "AWS::SNS::TopicPolicy").values():
                assert "aws:SecureTransport" in json.dumps(policy)

    def test_the_endpoint_may_read_requests_and_write_answers(self, gpu: Assembly):
        (role,) = (name for name in gpu.of_type(LATER, "AWS::IAM::Role") if name.startswith("Endpoint1"))
        (policy,) = (
            p for p in gpu.of_type(LATER, "AWS::IAM::Policy").values() if p["Roles"] == [{"Ref": role}]
        )
        found = {
            json.dumps(s["Action"]): json.dumps(s["Resource"]) for s in policy["PolicyDocument"]["Statement"]
        }
        assert "/endpoint/in/*" in found['"s3:GetObject"']
        assert "/jobs/" not in found['"s3:GetObject"']
        assert found['"s3:PutObject"'].count("/*") == 2
        assert "sns:Publish" in json.dumps(list(found))

    def test_no_smoke_test_waits_for_an_answer_that_comes_later(self, gpu: Assembly):
        assert not gpu.of_type(LATER, "AWS::CodeDeploy::DeploymentGroup")
        assert gpu.of_type(OWN, "AWS::CodeDeploy::DeploymentGroup")


class TestRefused:
    def check(self, *models: Manifest, settings: StageSettings = PROD, tmp_path: Path):
        sources = Sources(make_checkout(tmp_path, models))
        check_endpoints(fleet.read(sources.models, sources.contexts), settings)

    @pytest.mark.parametrize(
        ("endpoint", "changes", "complaint"),
        [
            (Endpoint(min_instances=0), {}, "min_instances: realtime endpoints have 1 or more"),
            (Endpoint(min_instances=3), {}, "min_instances is above max_instances"),
            (Endpoint(mode="async", group="a"), {}, "group: asynchronous calls cannot name one model"),
            (Endpoint(timeout_s=30), {}, "timeout_s: expected less than the 30 s of the function"),
            (
                Endpoint(mode="async"),
                {"batch": Batch()},
                "mode: files are inferred while their function waits",
            ),
        ],
    )
    def test_what_no_endpoint_can_do(self, endpoint, changes, complaint: str, tmp_path: Path):
        with pytest.raises(ModelRefused, match=f"a_a@1: endpoint: {complaint}"):
            self.check(demo("a_a", target="gpu", endpoint=endpoint, **changes), tmp_path=tmp_path)

    def test_a_function_that_waits_longer_may_have_a_slower_endpoint(self, tmp_path: Path):
        slow = Endpoint(timeout_s=50)
        self.check(
            demo("a_a", target="gpu", endpoint=slow, resources=Resources(timeout_s=60)), tmp_path=tmp_path
        )

    def test_a_group_has_one_type_of_instance(self, tmp_path: Path):
        one, other = Endpoint(group="a"), Endpoint(group="a", instance_type="ml.g5.xlarge")
        with pytest.raises(ModelRefused, match="b_b@1: endpoint: instance_type: group 'a' has ml"):
            self.check(
                demo("a_a", target="gpu", endpoint=one),
                demo("b_b", target="gpu", endpoint=other),
                tmp_path=tmp_path,
            )

    def test_the_name_of_a_fleet_has_63_characters(self, tmp_path: Path):
        with pytest.raises(SettingsRefused, match="longer than the 63 characters"):
            self.check(
                demo("a" * 48, target="gpu", endpoint=Endpoint()),
                settings=replace(PROD, name="production-europe"),
                tmp_path=tmp_path,
            )

    def test_a_repository_that_was_not_made(self, tmp_path: Path):
        root = make_checkout(tmp_path, [demo("a_a", target="gpu", endpoint=Endpoint())])
        served = root / "model_artifacts" / "a_a" / "versions" / "1" / "triton"
        served.rename(served.with_name("gone"))
        sources = Sources(root)
        with pytest.raises(NotBuilt, match="triton/a_a is missing: make it with `modelet build"):
            fleet.read(sources.models, sources.contexts)

    def test_a_region_without_the_image(self, tmp_path: Path):
        root = make_checkout(tmp_path / "checkout", [demo("a_a", target="gpu", endpoint=Endpoint())])
        nowhere = replace(DEV, account="111122223333", region="mx-central-1")
        with pytest.raises(SettingsRefused, match="no image of Triton in mx-central-1"):
            synthesise(root, nowhere, tmp_path / "out")


class TestOwnImage:
    URI = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/team/triton:25.01"

    def test_it_is_taken_and_may_be_pulled(self, tmp_path: Path):
        root = make_checkout(tmp_path / "checkout", [demo("a_a", target="gpu", endpoint=Endpoint())])
        made = synthesise(root, replace(DEV, triton=Triton(image=self.URI, ami=None)), tmp_path / "out")
        assert made.only("model-a-a", MODEL)["PrimaryContainer"]["Image"] == self.URI
        assert "InferenceAmiVersion" not in variant(made, "model-a-a")
        (pull,) = policies(made, "model-a-a", "ecr:BatchGetImage")
        assert ":ecr:eu-west-1:111122223333:repository/team/triton" in json.dumps(pull["Resource"])
        assert "Mappings" not in made.template("model-a-a")

    def test_only_ecr_is_asked(self, tmp_path: Path):
        root = make_checkout(tmp_path / "checkout", [demo("a_a", target="gpu", endpoint=Endpoint())])
        with pytest.raises(SettingsRefused, match=r"triton: image: expected <account>\.dkr\.ecr"):
            synthesise(
                root, replace(DEV, triton=Triton(image="nvcr.io/nvidia/tritonserver")), tmp_path / "out"
            )


class TestCost:
    def test_each_endpoint_says_what_it_costs_at_rest(self, gpu: Assembly):
        said = {
            output["Description"]: output["Value"]
            for part in gpu.parts
            for name, output in gpu.template(part).get("Outputs", {}).items()
            if "CostAtRest" in name
        }
        # 720 h at 0.7364 and 0.94 USD.
        assert said == {
            "Endpoint gpu-mlp-torch-1": "530.21 USD a month at rest: 1 x ml.g4dn.xlarge x 720 h x 0.7364",
            "Endpoint gpu-mlp-torch-2": "530.21 USD a month at rest: 1 x ml.g4dn.xlarge x 720 h x 0.7364",
            "Endpoint gpu-sound-text-1": "0 USD a month at rest",
            "Endpoint gpu-vision": "676.80 USD a month at rest: 1 x ml.g4dn.2xlarge x 720 h x 0.94",
        }

    def test_an_unknown_type_is_said_to_be(self, tmp_path: Path):
        root = make_checkout(
            tmp_path / "checkout",
            [demo("a_a", target="gpu", endpoint=Endpoint(instance_type="ml.g9.xlarge", min_instances=2))],
        )
        made = synthesise(root, DEV, tmp_path / "out")
        assert "2 x ml.g9.xlarge all the time, of which infra/pricing.py knows no price" in json.dumps(
            made.template("model-a-a")["Outputs"]
        )


def test_a_build_compares_the_prices_that_a_deployment_states():
    assert prices.INSTANCE_HOUR == pricing.INSTANCE_HOUR
    assert prices.LAMBDA_GB_SECOND == pricing.LAMBDA_GB_SECOND
