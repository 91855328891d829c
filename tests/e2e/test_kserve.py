"""KServe's own client against the service; it needs another protobuf, so it has an environment of its own."""

import json
import math
import os
import subprocess
from pathlib import Path

import pytest
from support.artifacts import write_version
from support.graphs import softmax
from support.service import running

PYTHON = Path(os.environ["KSERVE_PYTHON"])
CLIENT = Path(__file__).with_name("kserve_client.py")
ROWS = [[0.0, 1.0, 2.0, 3.0], [4.0, 4.0, 4.0, 4.0]]


def by_hand(row: list[float]) -> list[float]:
    powers = [math.exp(value) for value in row]
    return [power / sum(powers) for power in powers]


def test_kserves_client_gets_right_answers(tmp_path):
    write_version(tmp_path / "demo_softmax" / "versions" / "1", softmax(), "demo_softmax")
    with running(tmp_path) as service:
        ended = subprocess.run(
            [PYTHON, CLIENT, service.url, json.dumps(ROWS)],
            capture_output=True,
            check=False,
            text=True,
            timeout=120,
        )
    assert ended.returncode == 0, ended.stderr
    answer = json.loads(ended.stdout.splitlines()[-1])
    assert (answer["live"], answer["ready"], answer["model_ready"]) == (True, True, True)
    assert answer["unknown_ready"] is False
    [[name, shape, data]] = answer["v2"]
    assert (name, shape) == ("probabilities", [2, 4])
    for rows in (data, answer["v1"]):
        assert rows[0] == pytest.approx(by_hand(ROWS[0]), abs=1e-6)
        assert rows[1] == pytest.approx([0.25] * 4, abs=1e-6)
