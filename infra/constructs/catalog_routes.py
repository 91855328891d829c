"""What of an HTTP API belongs to no model."""

from aws_cdk import aws_apigatewayv2 as apigatewayv2
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.acknowledge import acknowledge
from infra.constructs.http_api import HttpDoor
from infra.routes import GREEDY, JOB_ROUTES, Route


class CatalogRoutes(Construct):
    """Jobs, and `$default`, which also catches unknown models, to the catalog."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        door: HttpDoor,
        function: lambda_.IFunction,
        allow_preflight: bool,
    ) -> None:
        super().__init__(scope, construct_id)
        api = door.imported(self)
        integration = integrations.HttpLambdaIntegration(
            "Function", function, scope_permission_to_route=False
        )
        authorizer = door.authorizer(self)
        keys = {
            route.key: apigatewayv2.HttpRouteKey.with_(route.path, _method(route)) for route in JOB_ROUTES
        }
        for name, key in {"Default": apigatewayv2.HttpRouteKey.DEFAULT, **keys}.items():
            apigatewayv2.HttpRoute(
                self,
                name,
                http_api=api,
                route_key=key,
                integration=integration,
                authorizer=authorizer,
                authorization_scopes=door.scopes,
            )
        if allow_preflight:
            self._open_preflight(api, integration)

    def _open_preflight(
        self, api: apigatewayv2.IHttpApi, integration: integrations.HttpLambdaIntegration
    ) -> None:
        """Let browsers ask: their preflight carries no credentials, and `$default` would refuse it.

        API Gateway answers it itself; the integration is there because a route must have one.

        Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
        """
        route = apigatewayv2.HttpRoute(
            self,
            "Preflight",
            http_api=api,
            route_key=apigatewayv2.HttpRouteKey.with_(f"/{GREEDY}", apigatewayv2.HttpMethod.OPTIONS),
            integration=integration,
            authorizer=apigatewayv2.HttpNoneAuthorizer(),
        )
        acknowledge(
            route,
            {"AwsSolutions-APIG4": "A preflight request carries no credentials, and runs nothing."},
        )


def _method(route: Route) -> apigatewayv2.HttpMethod:
    return apigatewayv2.HttpMethod[route.method]
