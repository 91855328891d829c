"""The state machine that runs the parts of big inputs side by side."""

import json
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as stepfunctions
from constructs import Construct

from infra.acknowledge import acknowledge, acknowledge_wildcards
from modelet_runtime.batch.identity import WORK_PREFIX

_MAP = "Parts"


class BatchMachine(Construct):
    """`functions/batch/distributed_map.asl.json` over one function.

    The map writes no results: the table has them. Its name is given, because the function, which starts
    it, is made before it.

    Attributes:
        role: What it runs as.
        machine: The state machine.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        definition: Path,
        function: lambda_.IFunction,
        version: lambda_.IVersion,
        outputs_arn: str,
        max_concurrency: int,
        key: kms.IKey | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("states.amazonaws.com"))
        self._grant(name, function, outputs_arn, key)
        self.machine = stepfunctions.StateMachine(
            self,
            "Machine",
            state_machine_name=name,
            # CDK would let the role start, stop and read more than this.
            role=self.role.without_policy_updates(),
            definition_body=stepfunctions.DefinitionBody.from_string(_text(definition, max_concurrency)),
            definition_substitutions={"BatchFunction": version.function_arn},
        )
        self.machine.node.add_dependency(self.role)
        acknowledge(
            self.machine,
            {
                "AwsSolutions-SF1": "Runs and parts are in the table, calls in the function's log, and the"
                " history of executions in Step Functions.",
                "AwsSolutions-SF2": "X-Ray follows functions, where the stage asks for it.",
                "Serverless-StepFunctionStateMachineLogging": "As AwsSolutions-SF1.",
                "Serverless-StepFunctionStateMachineXray": "As AwsSolutions-SF2.",
            },
        )

    def _grant(self, name: str, function: lambda_.IFunction, outputs_arn: str, key: kms.IKey | None) -> None:
        """Call the function, read plans, and run its own map.

        Source: https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html
        """
        versions, plans = f"{function.function_arn}:*", f"{outputs_arn}/{WORK_PREFIX}*"
        executions = _arn(self, "execution", name)
        maps = (f"{executions}:*", f"{executions}/{_MAP}:*")
        _allow(self.role, ["lambda:InvokeFunction"], versions)
        _allow(self.role, ["s3:GetObject"], plans)
        _allow(self.role, ["states:StartExecution"], machine_arn(self, name))
        _allow(self.role, ["states:DescribeExecution", "states:StopExecution"], *maps)
        if key:
            key.grant_decrypt(self.role)
        acknowledge_wildcards(
            self.role, "Executions call the version of this function that they began with.", versions
        )
        acknowledge_wildcards(
            self.role, "Each run has its own plan, and executions of its map.", plans, *maps
        )


def machine_arn(scope: Construct, name: str) -> str:
    """The ARN that a state machine has, or will have."""
    return _arn(scope, "stateMachine", name)


def _arn(scope: Construct, kind: str, name: str) -> str:
    return cdk.Stack.of(scope).format_arn(
        service="states", resource=kind, resource_name=name, arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME
    )


def _allow(role: iam.Role, actions: list[str], *resources: str) -> None:
    role.add_to_policy(iam.PolicyStatement(actions=actions, resources=list(resources)))


def _text(definition: Path, max_concurrency: int) -> str:
    document = json.loads(definition.read_bytes())
    parts = document["States"][_MAP]
    parts["MaxConcurrency"] = max_concurrency
    # A part that fails time after time ends the run, as soon as it is known.
    parts["ToleratedFailurePercentage"] = 0
    return json.dumps(document, separators=(",", ":"))
