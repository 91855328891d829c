"""The routes of a model on the HTTP API."""

from collections.abc import Iterable

from aws_cdk import aws_apigatewayv2 as apigatewayv2
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.constructs.http_api import HttpDoor
from infra.routes import Route


class ModelRoutes(Construct):
    """Routes to one alias over one integration."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        door: HttpDoor,
        routes: Iterable[Route],
        alias: lambda_.Alias,
    ) -> None:
        super().__init__(scope, construct_id)
        api = door.imported(self)
        authorizer = door.authorizer(self)
        # One permission for all routes: one for each would outgrow the function's resource policy.
        integration = integrations.HttpLambdaIntegration("Function", alias, scope_permission_to_route=False)
        for route in routes:
            apigatewayv2.HttpRoute(
                self,
                route.key,
                http_api=api,
                route_key=apigatewayv2.HttpRouteKey.with_(route.path, apigatewayv2.HttpMethod[route.method]),
                integration=integration,
                authorizer=authorizer,
                authorization_scopes=door.scopes,
            )
