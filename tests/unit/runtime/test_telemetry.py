import json
from collections import Counter
from uuid import uuid4

import pytest
from aws_lambda_powertools import Metrics
from support.http import Client, echo, predictor
from support.manifests import specs

from modelet_runtime.errors import DeadlineExceeded, InferenceFailed
from modelet_runtime.http.application import Application
from modelet_runtime.telemetry import ColdStart, Telemetry

SECRET = "7171717.5"
ROW = {"inputs": [{"name": "x", "shape": [2, 1], "datatype": "FP32", "data": [7171717.5, 1]}]}


class Observed(Client):
    """A client of an application with telemetry.

    Each has a model of its own name, as Powertools keeps a logger per name with the standard output
    of its first use.
    """

    def __init__(self, function=echo):
        name = f"demo_{uuid4().hex}"
        model = predictor(specs(x=("FP32", -1, 1)), specs(y=("FP32", -1, 1)), function, name=name, version=3)
        super().__init__(model)
        self.telemetry = Telemetry(model.manifest, model.statistics, ColdStart(120.0, 45.5))
        self.application = Application(model, self.telemetry.observe)
        self.dimensions = (name, "3")


def fail(error):
    def function(inputs):
        raise error

    return function


@pytest.fixture
def lines(capsys):
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def metrics_of(blob):
    """What CloudWatch would store: name to (dimensions, unit, value)."""
    stored = {}
    for directive in blob["_aws"]["CloudWatchMetrics"]:
        assert directive["Namespace"] == "modelet"
        for names in directive["Dimensions"]:
            dimensions = tuple(blob[name] for name in names)
            for metric in directive["Metrics"]:
                stored[metric["Name"], dimensions] = (metric["Unit"], blob[metric["Name"]])
    return stored


class TestMetrics:
    def test_one_blob_per_request(self, lines):
        sender = Observed()
        response = sender.infer(ROW, request_id="r1")
        [blob] = lines()
        stored = metrics_of(blob)
        assert stored["requests", sender.dimensions] == ("Count", 1)
        assert stored["errors", sender.dimensions] == ("Count", 0)
        assert stored["rows", sender.dimensions] == ("Count", 2)
        assert stored["request_bytes", sender.dimensions] == ("Bytes", len(json.dumps(ROW)))
        assert stored["response_bytes", sender.dimensions] == ("Bytes", len(response.body))
        assert stored["infer_ms", sender.dimensions][0] == "Milliseconds"
        assert 0 < stored["infer_ms", sender.dimensions][1] < 1000
        assert (blob["request_id"], blob["status"]) == ("r1", 200)
        assert blob["_aws"]["Timestamp"] > 1_600_000_000_000

    def test_the_first_request_tells_of_the_cold_start(self, lines):
        sender = Observed()
        sender.infer(ROW)
        sender.infer(ROW)
        first, second = map(metrics_of, lines())
        assert first["cold_start", sender.dimensions] == ("Count", 1)
        assert first["init_ms", sender.dimensions] == ("Milliseconds", 120.0)
        assert first["session_load_ms", sender.dimensions] == ("Milliseconds", 45.5)
        assert second["cold_start", sender.dimensions] == ("Count", 0)
        assert ("init_ms", sender.dimensions) not in second
        assert ("session_load_ms", sender.dimensions) not in second

    def test_a_request_without_inference_has_no_rows(self, lines):
        Observed().get("/v2")
        [blob] = lines()
        assert "rows" not in blob
        assert "infer_ms" not in blob

    def test_each_blob_counts_its_own_rows(self, lines):
        sender = Observed()
        for _ in range(3):
            sender.infer(ROW)
        assert [blob["rows"] for blob in lines()] == [2, 2, 2]

    def test_what_was_called_by_an_alias_is_counted_under_it_as_well(self, lines):
        sender = Observed()
        for alias in ("live", "canary", "canary", None):
            sender.infer(ROW, alias=alias)
        counted = Counter()
        for blob in lines():
            for (name, dimensions), (_, value) in metrics_of(blob).items():
                counted[name, dimensions] += value if name != "infer_ms" else 1
        model = sender.dimensions[0]
        assert counted["requests", sender.dimensions] == 4
        assert [counted["requests", (model, alias)] for alias in ("live", "canary")] == [1, 2]
        assert [counted["infer_ms", (model, alias)] for alias in ("live", "canary")] == [1, 2]
        assert {dimensions[-1] for name, dimensions in counted if name == "faults"} == {"3", "live", "canary"}

    def test_a_request_without_inference_has_no_time_under_its_alias(self, lines):
        sender = Observed()
        sender.get("/v2", alias="canary")
        [blob] = lines()
        by_alias = {name for name, dimensions in metrics_of(blob) if dimensions[-1] == "canary"}
        assert by_alias == {"requests", "faults"}

    def test_an_error_is_counted_under_its_code_as_well(self, lines):
        sender = Observed()
        sender.get("/nothing")
        [blob] = lines()
        stored = metrics_of(blob)
        assert stored["errors", sender.dimensions] == ("Count", 1)
        assert stored["errors", (*sender.dimensions, "not_found")] == ("Count", 1)
        assert ("requests", (*sender.dimensions, "not_found")) not in stored
        assert blob["status"] == 404

    def test_a_blob_is_one_line_with_numbers_cloudwatch_takes(self, capsys):
        Observed().infer(ROW)
        [line] = capsys.readouterr().out.splitlines()
        assert "NaN" not in line
        assert line.startswith('{"_aws"')

    def test_a_blob_is_what_powertools_would_write(self, lines):
        sender = Observed()
        sender.infer(ROW, request_id="r1")
        [blob] = lines()
        [directive] = blob["_aws"]["CloudWatchMetrics"]
        powertools = Metrics(namespace="modelet")
        for metric in directive["Metrics"]:
            powertools.add_metric(metric["Name"], metric["Unit"], blob[metric["Name"]])
        for name, value in zip(("model", "version"), sender.dimensions, strict=True):
            powertools.add_dimension(name, value)
        powertools.add_metadata("request_id", "r1")
        powertools.add_metadata("status", 200)
        expected = powertools.serialize_metric_set()
        expected["_aws"]["Timestamp"] = blob["_aws"]["Timestamp"]
        # Powertools keeps the values of a metric in a list; CloudWatch takes one as it is.
        assert blob == {
            name: value[0] if isinstance(value, list) else value for name, value in expected.items()
        }


class TestLogs:
    def test_a_clients_error_is_not_logged(self, lines):
        Observed().infer({"inputs": []})
        assert len(lines()) == 1

    def test_our_fault_is_logged_with_where_it_happened(self, lines):
        sender = Observed(fail(InferenceFailed("bad allocation")))
        sender.infer(ROW, request_id="r1")
        _, log = lines()
        assert (log["level"], log["message"]) == ("ERROR", "request failed")
        assert (log["code"], log["request_id"]) == ("inference_failed", "r1")
        assert (log["exception"], log["error"]) == ("InferenceFailed", "bad allocation")
        assert (log["model"], log["version"]) == sender.dimensions
        assert any("in function" in frame for frame in log["stack"])

    def test_a_foreign_exceptions_text_is_not_logged_as_it_may_quote_a_payload(self, capsys):
        Observed(fail(ValueError(f"cannot convert {SECRET}"))).infer(ROW)
        output = capsys.readouterr()
        assert "ValueError" in output.out
        assert SECRET not in output.out + output.err

    @pytest.mark.parametrize("error", [None, DeadlineExceeded("too late"), KeyError(SECRET)])
    def test_no_payload_is_ever_logged(self, capsys, error):
        sender = Observed(echo if error is None else fail(error))
        sender.infer(ROW)
        sender.infer({"inputs": [{**ROW["inputs"][0], "shape": [SECRET]}]})
        sender.predict({"instances": [[SECRET]]})
        sender.post(
            f"/models/{sender.dimensions[0]}/predict", SECRET.encode(), headers={"content-type": "text/plain"}
        )
        output = capsys.readouterr()
        assert SECRET not in output.out + output.err

    def test_a_warning_names_the_model(self, lines):
        sender = Observed()
        sender.telemetry.warn("the warm-up inference failed", DeadlineExceeded("too late"))
        [log] = lines()
        assert (log["level"], log["error"]) == ("WARNING", "too late")
        assert (log["model"], log["version"]) == sender.dimensions
