"""Open Inference requests as API Gateway's HTTP API hands them to a function, and the answers back."""

import base64
import json
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from smoke.golden import Tensor

_LENGTH = "inference-header-content-length"


def to_event(model: str, inputs: Sequence[Tensor]) -> dict[str, Any]:
    """A binary inference request, payload format 2.0; binary, because every datatype has that form."""
    head = json.dumps(
        {
            "inputs": [
                {
                    "name": tensor.name,
                    "datatype": tensor.datatype,
                    "shape": tensor.shape,
                    "parameters": {"binary_data_size": len(tensor.data)},
                }
                for tensor in inputs
            ],
            "parameters": {"binary_data_output": True},
        }
    ).encode()
    body = head + b"".join(tensor.data for tensor in inputs)
    path = f"/v2/models/{model}/infer"
    now_s = time.time()
    return {
        "version": "2.0",
        "routeKey": f"POST /v2/models/{model}/{{proxy+}}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {
            "content-length": str(len(body)),
            "content-type": "application/octet-stream",
            "host": "smoke-test",
            _LENGTH: str(len(head)),
            "user-agent": "modelet-smoke-test",
            "x-forwarded-for": "127.0.0.1",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
        },
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "smoke-test",
            "domainName": "smoke-test",
            "domainPrefix": "smoke-test",
            "http": {
                "method": "POST",
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "modelet-smoke-test",
            },
            "requestId": str(uuid.uuid4()),
            "routeKey": f"POST /v2/models/{model}/{{proxy+}}",
            "stage": "$default",
            "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now_s)),
            "timeEpoch": int(now_s * 1000),
        },
        "pathParameters": {"proxy": "infer"},
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }


def from_result(result: Mapping[str, Any]) -> list[Tensor]:
    """The outputs of an answer.

    Raises:
        ValueError: It is no inference response in binary form.
    """
    body = base64.b64decode(result["body"]) if result.get("isBase64Encoded") else result["body"].encode()
    if result["statusCode"] != 200:
        raise ValueError(f"status {result['statusCode']}: {body[:500].decode(errors='replace')}")
    end = int(result["headers"][_LENGTH])
    outputs = []
    for document in json.loads(body[:end])["outputs"]:
        start, end = end, end + document["parameters"]["binary_data_size"]
        outputs.append(
            Tensor(document["name"], document["datatype"], tuple(document["shape"]), body[start:end])
        )
    return outputs
