"""The stage of an HTTP API: it opens the door, limits what comes through and writes down who came."""

import json
from collections.abc import Mapping

from aws_cdk import aws_apigatewayv2 as apigatewayv2
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_kms as kms
from aws_cdk import aws_route53_targets as targets
from constructs import Construct

from infra.constructs.domain import add_records
from infra.constructs.logs import log_group
from infra.settings import Domain, StageSettings, Throttle

# Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html
ACCESS_LOG_FORMAT = json.dumps(
    {
        "request_id": "$context.requestId",
        "time": "$context.requestTime",
        "source_ip": "$context.identity.sourceIp",
        "user_agent": "$context.identity.userAgent",
        "method": "$context.httpMethod",
        "path": "$context.path",
        "route": "$context.routeKey",
        "status": "$context.status",
        "response_bytes": "$context.responseLength",
        "latency_ms": "$context.responseLatency",
        "integration_ms": "$context.integrationLatency",
        "integration_status": "$context.integrationStatus",
        "integration_error": "$context.integrationErrorMessage",
        "error": "$context.error.message",
        "iam_caller": "$context.identity.userArn",
        "token_subject": "$context.authorizer.claims.sub",
        "api_key": "$context.authorizer.key_id",
        "authorizer_error": "$context.authorizer.error",
    }
)


class HttpStage(Construct):
    """The default stage, deployed whenever a route changes.

    Attributes:
        url: Where callers reach it.
        access_log: Who came.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        api: apigatewayv2.HttpApi,
        settings: StageSettings,
        route_throttles: Mapping[str, Throttle],
        domain_name: str | None,
        key: kms.IKey | None,
    ) -> None:
        super().__init__(scope, construct_id)
        domain = _domain(self, domain_name, settings.domain) if domain_name and settings.domain else None
        stage = apigatewayv2.HttpStage(
            self,
            "Default",
            http_api=api,
            stage_name="$default",
            auto_deploy=True,
            throttle=apigatewayv2.ThrottleSettings(
                rate_limit=settings.throttle.rate_per_s, burst_limit=settings.throttle.burst
            ),
            domain_mapping=apigatewayv2.DomainMappingOptions(domain_name=domain) if domain else None,
        )
        self.access_log = log_group(self, "AccessLog", settings=settings, key=key)
        resource = stage.node.default_child
        assert isinstance(resource, apigatewayv2.CfnStage)
        # Neither has a form of its own in the construct: its access log wants an object of jsii, and
        # it knows no throttling by route.
        resource.access_log_settings = apigatewayv2.CfnStage.AccessLogSettingsProperty(
            destination_arn=self.access_log.log_group_arn, format=ACCESS_LOG_FORMAT
        )
        if route_throttles:
            resource.add_property_override(
                "RouteSettings",
                {
                    route: {"ThrottlingRateLimit": limit.rate_per_s, "ThrottlingBurstLimit": limit.burst}
                    for route, limit in sorted(route_throttles.items())
                },
            )
        self.url = f"https://{domain_name}" if domain_name else stage.url


def _domain(scope: Construct, name: str, domain: Domain) -> apigatewayv2.DomainName:
    made = apigatewayv2.DomainName(
        scope,
        "Domain",
        domain_name=name,
        security_policy=apigatewayv2.SecurityPolicy.TLS_1_2,
        certificate=acm.Certificate.from_certificate_arn(scope, "Certificate", domain.certificate_arn),
    )
    target = targets.ApiGatewayv2DomainProperties(made.regional_domain_name, made.regional_hosted_zone_id)
    add_records(scope, name, domain, target)
    return made
