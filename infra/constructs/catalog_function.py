"""The catalog: index, health, OpenAPI, uploads and jobs of all models; the answer to what no route takes."""

from collections.abc import Mapping

from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.constructs.python_function import PythonFunction
from infra.settings import ApiKeys, Iam, Jwt, StageSettings

INDEX = "index.json"
# As the catalog's OpenAPI document calls them.
_CALLERS = {Iam: "iam", Jwt: "jwt", ApiKeys: "api-key"}


class CatalogFunction(PythonFunction):
    """The function over the index that is in its archive."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        code: lambda_.Code,
        architecture: lambda_.Architecture,
        environment: Mapping[str, str],
        settings: StageSettings,
        key: kms.IKey | None,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            code=code,
            handler="catalog.handler.handler",
            description="Index, health and OpenAPI of the models",
            environment={
                "MODELET_INDEX": f"/var/task/{INDEX}",
                "MODELET_AUTHORIZATION": _authorization(settings),
                **environment,
            },
            architecture=architecture,
            settings=settings,
            key=key,
            memory_mib=512,
        )


def _authorization(settings: StageSettings) -> str:
    """How callers are known, in words: a REST API's usage plan asks for a key besides."""
    words = [_CALLERS[type(settings.authorization)], *(["api-key"] if settings.usage_plan else [])]
    return " ".join(words)
