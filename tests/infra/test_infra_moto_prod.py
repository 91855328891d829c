"""The defaults of `prod` in moto's CloudFormation.

`dev` and JSON Web Tokens differ from these in what moto does not know, and it reads no REST API from a
document.
"""

from collections import Counter
from collections.abc import Iterator

import pytest
from support.assemblies import Assembly
from support.moto_cloud import (
    BATCH,
    ITSELF,
    JOBS,
    LANE,
    MOVED_BY_CODE_DEPLOY,
    UNKNOWN_TO_MOTO,
    account,
    deploy,
    of,
)


@pytest.fixture(scope="module")
def deployed(prod: Assembly) -> Iterator[dict[str, Counter[str]]]:
    with account():
        yield deploy(prod)


def test_what_was_created(deployed: dict[str, Counter[str]]):
    model = of(2, Lambda_Version=1, Lambda_Permission=1, **MOVED_BY_CODE_DEPLOY) + ITSELF
    assert deployed == {
        "shared": Counter({"AWS::SNS::Topic": 1}),
        "jobs": JOBS,
        "batch": BATCH,
        "model-digit-image": model,
        "model-file-type": model,
        "model-tabular-risk": model + LANE,
        "catalog": of(1, Lambda_Permission=1),
        "front-door-0": Counter({"AWS::Logs::LogGroup": 1}),
    }


def test_nothing_else_was_left_out(prod: Assembly, deployed: dict[str, Counter[str]]):
    for part, made in deployed.items():
        wanted = Counter(r["Type"] for r in prod.template(part)["Resources"].values())
        assert set(wanted - made) <= UNKNOWN_TO_MOTO, part
