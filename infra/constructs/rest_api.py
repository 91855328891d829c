"""The REST API as front door: usage plans, a WAF, errors in our own words; 3.5 times the price."""

import json
from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_route53_targets as targets
from constructs import Construct

from infra.acknowledge import acknowledge
from infra.constructs.domain import add_records
from infra.constructs.logs import log_group
from infra.constructs.rest_document import Backend, document
from infra.constructs.tracing import UNTRACED
from infra.routes import Route
from infra.settings import StageSettings, Throttle, UsagePlan

# Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-variables-for-access-logging.html
_ACCESS_LOG_FORMAT = json.dumps(
    {
        "request_id": "$context.requestId",
        "time": "$context.requestTime",
        "source_ip": "$context.identity.sourceIp",
        "user_agent": "$context.identity.userAgent",
        "method": "$context.httpMethod",
        "path": "$context.path",
        "route": "$context.resourcePath",
        "status": "$context.status",
        "response_bytes": "$context.responseLength",
        "latency_ms": "$context.responseLatency",
        "integration_ms": "$context.integrationLatency",
        "integration_status": "$context.integrationStatus",
        "error": "$context.error.message",
        "iam_caller": "$context.identity.userArn",
        "api_key": "$context.identity.apiKeyId",
        "waf": "$context.waf.status",
    }
)


class RestDoor(Construct):
    """A REST API over one OpenAPI document, with its stage.

    The document is one resource however many routes there are, and the deployment follows it: a REST
    API serves a snapshot, which methods added by other stacks would not be part of.

    Attributes:
        api: The API.
        url: Where callers reach it.
        access_log: Who came.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        functions: Sequence[tuple[lambda_.IFunction, Sequence[Route]]],
        settings: StageSettings,
        route_throttles: Mapping[str, Throttle],
        domain_name: str | None,
        key: kms.IKey | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.access_log = log_group(self, "AccessLog", settings=settings, key=key)
        definition = document(
            f"modelet {settings.name}: models",
            [Backend(_uri(function), routes) for function, routes in functions],
            needs_key=settings.usage_plan is not None,
        )
        self.api = apigateway.SpecRestApi(
            self,
            "Api",
            api_definition=apigateway.ApiDefinition.from_inline(definition),
            endpoint_types=[apigateway.EndpointType.REGIONAL],
            disable_execute_api_endpoint=domain_name is not None,
            # The account's role for the logs of all its REST APIs in a region: it outlives this one.
            cloud_watch_role=True,
            cloud_watch_role_removal_policy=cdk.RemovalPolicy.RETAIN,
            deploy_options=apigateway.StageOptions(
                stage_name=settings.name,
                throttling_rate_limit=settings.throttle.rate_per_s,
                throttling_burst_limit=settings.throttle.burst,
                method_options={
                    _method_path(route): apigateway.MethodDeploymentOptions(
                        throttling_rate_limit=limit.rate_per_s, throttling_burst_limit=limit.burst
                    )
                    for route, limit in sorted(route_throttles.items())
                },
                tracing_enabled=settings.tracing,
                access_log_destination=apigateway.LogGroupLogDestination(self.access_log),
                access_log_format=apigateway.AccessLogFormat.custom(_ACCESS_LOG_FORMAT),
            ),
            domain_name=self._domain(domain_name, settings),
        )
        if settings.usage_plan:
            self._give_keys(settings.usage_plan)
        if domain_name and settings.domain:
            add_records(self, domain_name, settings.domain, targets.ApiGateway(self.api))
        self.url = f"https://{domain_name}" if domain_name else self.api.url
        acknowledge(
            self.api,
            {
                "AwsSolutions-APIG6": "Execution logs would hold payloads, which are never logged.",
                "Serverless-APIGWXrayEnabled": UNTRACED,
                "AwsSolutions-APIG2": "The runtime checks every request against the model's manifest.",
                "AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/"
                "AmazonAPIGatewayPushToCloudWatchLogs]": "The policy AWS documents for this very role.",
            },
        )

    @property
    def invoke_arn(self) -> str:
        """What may invoke the functions: this API, on any path."""
        return self.api.arn_for_execute_api(method="*", path="/*", stage="*")

    def _give_keys(self, wanted: UsagePlan) -> None:
        plan = self.api.add_usage_plan(
            "Plan",
            throttle=apigateway.ThrottleSettings(
                rate_limit=wanted.throttle.rate_per_s, burst_limit=wanted.throttle.burst
            ),
            quota=apigateway.QuotaSettings(limit=wanted.requests_per_month, period=apigateway.Period.MONTH),
            api_stages=[apigateway.UsagePlanPerApiStage(api=self.api, stage=self.api.deployment_stage)],
        )
        for caller in wanted.callers:
            plan.add_api_key(apigateway.ApiKey(self, f"Key-{caller}", description=caller))

    def _domain(self, name: str | None, settings: StageSettings) -> apigateway.DomainNameOptions | None:
        if name is None or settings.domain is None:
            return None
        return apigateway.DomainNameOptions(
            domain_name=name,
            certificate=acm.Certificate.from_certificate_arn(
                self, "Certificate", settings.domain.certificate_arn
            ),
            endpoint_type=apigateway.EndpointType.REGIONAL,
            security_policy=apigateway.SecurityPolicy.TLS_1_2,
        )


def _uri(function: lambda_.IFunction) -> str:
    stack = cdk.Stack.of(function)
    return (
        f"arn:{stack.partition}:apigateway:{stack.region}:lambda:path/2015-03-31/functions/"
        f"{function.function_arn}/invocations"
    )


def _method_path(route_key: str) -> str:
    """`POST /a/b` as stages of REST APIs have it: `/a/b/POST`."""
    method, _, path = route_key.partition(" ")
    return f"{path}/{method}"
