"""Runs in KServe's own environment: ask a service by the protocol v2 and v1 and write the answers as JSON."""

import asyncio
import json
import sys

from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig


async def main(url: str, rows: list[list[float]]) -> dict[str, object]:
    v2 = InferenceRESTClient(RESTConfig(protocol="v2"))
    v1 = InferenceRESTClient(RESTConfig(protocol="v1"))
    tensor = InferInput("logits", [len(rows), len(rows[0])], "FP32", data=rows)
    request = InferRequest(model_name="demo_softmax", infer_inputs=[tensor])
    answer = await v2.infer(url, request, "demo_softmax")
    predictions = await v1.infer(url, {"instances": rows}, model_name="demo_softmax")
    return {
        "live": await v2.is_server_live(url),
        "ready": await v2.is_server_ready(url),
        "model_ready": await v2.is_model_ready(url, "demo_softmax"),
        "unknown_ready": await v2.is_model_ready(url, "nobody"),
        "v2": [[output.name, list(output.shape), output.as_numpy().tolist()] for output in answer.outputs],
        "v1": predictions["predictions"],
    }


if __name__ == "__main__":
    json.dump(asyncio.run(main(sys.argv[1], json.loads(sys.argv[2]))), sys.stdout)
