"""The HTTP API and who may call it. Its stage, the door's opening, is made last: see `http_stage`."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_apigatewayv2 as apigatewayv2
from aws_cdk import aws_apigatewayv2_authorizers as authorizers
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.settings import Cors, Iam, Jwt, StageSettings

API_KEY = "$request.header.x-api-key"
# The decision for one route says nothing about another: the key alone would open all routes
# to whoever may use one, for as long as API Gateway remembers.
ROUTE = "$context.routeKey"


class HttpDoor(Construct):
    """One HTTP API with its one authorizer, which stacks of models share: an API may have ten.

    Attributes:
        api: The API.
        scopes: What a token must say, with `Jwt`.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: StageSettings,
        key_authorizer: lambda_.IFunction | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.api = apigatewayv2.HttpApi(
            self,
            "Api",
            # A label in the console; APIs may share one.
            api_name=f"modelet-{settings.name}",
            description=f"modelet {settings.name}: models",
            create_default_stage=False,
            cors_preflight=_preflight(settings.cors) if settings.cors else None,
            disable_execute_api_endpoint=settings.domain is not None,
        )
        self.scopes: Sequence[str] | None = None
        self._authorizer: apigatewayv2.HttpAuthorizer | None = None
        self._kind = ""
        if isinstance(settings.authorization, Jwt):
            self.scopes = list(settings.authorization.scopes) or None
            self._use_tokens(settings.authorization)
        elif not isinstance(settings.authorization, Iam):
            assert key_authorizer is not None
            self._use_keys(key_authorizer, settings.authorization.cache_s)

    def imported(self, scope: Construct) -> apigatewayv2.IHttpApi:
        """The API for a stack of its own, which is deployed and rolled back without this one."""
        return apigatewayv2.HttpApi.from_http_api_attributes(scope, "Api", http_api_id=self.api.api_id)

    def authorizer(self, scope: Construct) -> apigatewayv2.IHttpRouteAuthorizer:
        """What a route needs to be closed to strangers."""
        if self._authorizer is None:
            return authorizers.HttpIamAuthorizer()
        return apigatewayv2.HttpAuthorizer.from_http_authorizer_attributes(
            scope,
            "Authorizer",
            authorizer_id=self._authorizer.authorizer_id,
            authorizer_type=self._kind,
        )

    def _use_tokens(self, jwt: Jwt) -> None:
        self._kind = "JWT"
        self._authorizer = apigatewayv2.HttpAuthorizer(
            self,
            "Authorizer",
            http_api=self.api,
            type=apigatewayv2.HttpAuthorizerType.JWT,
            identity_source=["$request.header.Authorization"],
            jwt_issuer=jwt.issuer,
            jwt_audience=list(jwt.audiences),
        )

    def _use_keys(self, function: lambda_.IFunction, cache_s: int) -> None:
        self._kind = "CUSTOM"
        stack = cdk.Stack.of(self)
        self._authorizer = apigatewayv2.HttpAuthorizer(
            self,
            "Authorizer",
            http_api=self.api,
            type=apigatewayv2.HttpAuthorizerType.LAMBDA,
            identity_source=[API_KEY, ROUTE],
            authorizer_uri=(
                f"arn:{stack.partition}:apigateway:{stack.region}:lambda:path/2015-03-31/functions/"
                f"{function.function_arn}/invocations"
            ),
            payload_format_version=apigatewayv2.AuthorizerPayloadVersion.VERSION_2_0,
            enable_simple_responses=True,
            results_cache_ttl=cdk.Duration.seconds(cache_s),
        )

    @property
    def authorizer_arn(self) -> str:
        """What may invoke the function of the authorizer: this API, as an authorizer."""
        assert self._authorizer is not None
        return cdk.Stack.of(self).format_arn(
            service="execute-api",
            resource=self.api.api_id,
            resource_name=f"authorizers/{self._authorizer.authorizer_id}",
        )


def _preflight(cors: Cors) -> apigatewayv2.CorsPreflightOptions:
    return apigatewayv2.CorsPreflightOptions(
        allow_origins=list(cors.origins),
        allow_methods=[
            apigatewayv2.CorsHttpMethod.GET,
            apigatewayv2.CorsHttpMethod.POST,
            apigatewayv2.CorsHttpMethod.PUT,
        ],
        allow_headers=list(cors.headers),
        expose_headers=list(cors.exposed_headers),
        max_age=cdk.Duration.seconds(cors.max_age_s),
    )
