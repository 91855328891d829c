"""Whether a version answers the golden inputs as it was proven to."""

import json
import math
from collections.abc import Sequence
from typing import Any

from smoke.event import from_result, to_event
from smoke.golden import Case, Golden, Tensor

# Lambda's limit for a synchronous request.
# Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_MAX_EVENT_BYTES = 6 * 1024 * 1024
_ENOUGH_COMPLAINTS = 5


class Checker:
    """Invokes one published version.

    Args:
        client: A boto3 client of Lambda.
        target: The version's ARN.
        model: The model's name, as in its routes.
        golden: What to send, and what to expect.
    """

    def __init__(self, client: Any, target: str, model: str, golden: Golden) -> None:
        self._client = client
        self._target = target
        self._model = model
        self._golden = golden

    def complaints(self) -> list[str]:
        """What is wrong, a sentence each; nothing if all is well. A case over Lambda's limit is left out."""
        complaints: list[str] = []
        sent = 0
        for number, case in enumerate(self._golden.cases):
            payload = json.dumps(to_event(self._model, case.inputs)).encode()
            if len(payload) > _MAX_EVENT_BYTES:
                continue
            sent += 1
            complaints += [f"case {number}: {complaint}" for complaint in self._check(case, payload)]
            if len(complaints) >= _ENOUGH_COMPLAINTS:
                break
        return complaints if sent else ["no golden case is small enough to be sent"]

    def _check(self, case: Case, payload: bytes) -> list[str]:
        answer = self._client.invoke(FunctionName=self._target, Payload=payload)
        body = answer["Payload"].read()
        if "FunctionError" in answer:
            return [f"{answer['FunctionError']}: {body[:500].decode(errors='replace')}"]
        try:
            outputs = from_result(json.loads(body))
        except (ValueError, KeyError) as error:
            return [f"no inference response: {error}"]
        return self._compare(case.outputs, outputs)

    def _compare(self, expected: Sequence[Tensor], actual: Sequence[Tensor]) -> list[str]:
        by_name = {tensor.name: tensor for tensor in actual}
        return [
            complaint
            for tensor in expected
            if (complaint := self._difference(tensor, by_name.get(tensor.name)))
        ]

    def _difference(self, expected: Tensor, actual: Tensor | None) -> str | None:
        if actual is None:
            return f"output '{expected.name}' is missing"
        if (expected.datatype, expected.shape) != (actual.datatype, actual.shape):
            return (
                f"output '{expected.name}': expected {expected.datatype}{list(expected.shape)},"
                f" got {actual.datatype}{list(actual.shape)}"
            )
        if not expected.is_float:
            return None if expected.data == actual.data else f"output '{expected.name}' differs"
        return next(
            (
                f"output '{expected.name}'[{index}]: expected {wanted:g}, got {got:g}"
                for index, (wanted, got) in enumerate(zip(expected.values(), actual.values(), strict=True))
                if not self._near(wanted, got)
            ),
            None,
        )

    def _near(self, wanted: float, got: float) -> bool:
        if wanted == got or (math.isnan(wanted) and math.isnan(got)):
            return True
        return abs(wanted - got) <= self._golden.atol + self._golden.rtol * abs(wanted)
