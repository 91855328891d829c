"""The golden inputs to a deployed model, over its URL, as any caller would send them."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from modelet.build.parity import Parity
from modelet.deploy.errors import AnswersDiffer
from modelet.golden import Case, Golden
from modelet_runtime.errors import ModeletError
from modelet_runtime.protocols.open_inference_binary import BinaryReader, write_tensor
from modelet_runtime.tensor import DATATYPES, Tensor

_LENGTH = "inference-header-content-length"
_TIMEOUT_S = 60  # API Gateway's 30 s and a cold start
# In base64 this is Lambda's 6 MB.
# Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_MAX_BODY_BYTES = 4_400_000

# Gives the headers that let a request in, from its URL, its headers and its body.
Credentials = Callable[[str, Mapping[str, str], bytes], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Proof:
    """How a deployed model answered.

    Attributes:
        model: Its name.
        cases: Golden cases that were sent.
        left_out: Cases too large for a request.
        max_abs_diff: The largest difference from an expected value.
    """

    model: str
    cases: int
    left_out: int
    max_abs_diff: float


def prove(url: str, model: str, golden: Golden, credentials: Credentials) -> Proof:
    """Send every case and compare.

    Args:
        url: Of the front door.
        model: The model's name.
        golden: Its golden cases.
        credentials: Who asks.

    Raises:
        AnswersDiffer: It answers with an error, or with other values.
    """
    parity = Parity(golden.tolerance)
    sent = 0
    for case in golden.cases:
        head, body = write_request(case)
        if len(body) > _MAX_BODY_BYTES:
            continue
        headers = {"content-type": "application/octet-stream", _LENGTH: str(head)}
        answer = _post(f"{url}/v2/models/{model}/infer", headers, body, credentials)
        outputs = read_response(*answer)
        if missing := {tensor.name for tensor in case.outputs} - {tensor.name for tensor in outputs}:
            raise AnswersDiffer(f"{model} at {url}: output '{min(missing)}' is missing")
        parity.add(case.outputs, outputs)
        sent += 1
    if worst := parity.worst:
        raise AnswersDiffer(
            f"{model} at {url}: {worst.outside} of {worst.elements} elements of output '{worst.name}' are"
            f" not as proven, by up to {worst.max_abs_diff:.3g}",
            "roll back, see docs/deploy.md",
        )
    widest = max((output.max_abs_diff for output in parity.outputs.values()), default=0.0)
    return Proof(model, sent, len(golden.cases) - sent, widest)


def write_request(case: Case) -> tuple[int, bytes]:
    """A case in the protocol's binary form: the length of its JSON part, and all of it."""
    parts = [b"".join(write_tensor(tensor)) for tensor in case.inputs]
    document = {
        "inputs": [
            {
                "name": tensor.name,
                "datatype": tensor.datatype.name,
                "shape": list(tensor.shape),
                "parameters": {"binary_data_size": len(part)},
            }
            for tensor, part in zip(case.inputs, parts, strict=True)
        ],
        "parameters": {"binary_data_output": True},
    }
    head = json.dumps(document).encode()
    return len(head), b"".join((head, *parts))


def read_response(headers: Mapping[str, str], body: bytes) -> Sequence[Tensor]:
    """The outputs of a response in binary form.

    Raises:
        AnswersDiffer: It is none.
    """
    try:
        length = int(headers[_LENGTH])
        reader = BinaryReader(memoryview(body)[length:])
        return [
            reader.read(
                output["name"],
                DATATYPES[output["datatype"]],
                tuple(output["shape"]),
                output["parameters"]["binary_data_size"],
            )
            for output in json.loads(body[:length])["outputs"]
        ]
    except (KeyError, ValueError, TypeError, ModeletError) as error:
        raise AnswersDiffer(f"the answer is no inference response: {error!r}") from error


def _post(
    url: str, headers: Mapping[str, str], body: bytes, credentials: Credentials
) -> tuple[Mapping[str, str], bytes]:
    request = Request(url, body, {**headers, **credentials(url, headers, body)})  # noqa: S310
    try:
        with urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310 - a URL that was deployed
            return {name.lower(): value for name, value in response.headers.items()}, response.read()
    except HTTPError as error:
        text = error.read()[:500].decode(errors="replace")
        raise AnswersDiffer(f"{url} answers {error.code}: {text}") from error
    except (URLError, HTTPException, OSError) as error:
        raise AnswersDiffer(f"nothing answers at {url}: {getattr(error, 'reason', error)}") from error
