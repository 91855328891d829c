"""The catalog: index, health and OpenAPI of all models, and the answer to what no model's route takes."""

from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.constructs.python_function import PythonFunction
from infra.settings import StageSettings

INDEX = "index.json"


class CatalogFunction(PythonFunction):
    """The function over the index that is in its archive."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        code: lambda_.Code,
        architecture: lambda_.Architecture,
        settings: StageSettings,
        key: kms.IKey | None,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            code=code,
            handler="catalog.handler.handler",
            description="Index, health and OpenAPI of the models",
            environment={"MODELET_INDEX": f"/var/task/{INDEX}"},
            architecture=architecture,
            settings=settings,
            key=key,
            memory_mib=512,
        )
