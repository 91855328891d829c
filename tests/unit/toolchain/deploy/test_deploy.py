"""`modelet deploy` and `modelet destroy`: what they ask, run and say, without an account."""

import json
import struct
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import boto3
import pytest
from moto import mock_aws
from support.http import Client, predictor
from support.manifests import specs

from modelet.deploy import readiness
from modelet.deploy.assembly import Assembly, addresses
from modelet.deploy.credentials import named, signed
from modelet.deploy.errors import AnswersDiffer, DeployRefused, NotReady, ToolkitFailed
from modelet.deploy.leftovers import refuse_if_protected, staying
from modelet.deploy.proof import prove, read_response
from modelet.deploy.toolkit import PACKAGE, Toolkit
from modelet.doctor import Finding
from modelet.golden import Case, Golden, Tolerance
from modelet_runtime.tensor import DATATYPES, Tensor


class Terminal:
    """Keeps the commands it is given."""

    def __init__(self, code: int = 0) -> None:
        self.code = code
        self.commands: list[Sequence[str]] = []
        self.environ: Mapping[str, str] = {}

    def __call__(self, command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> int:
        self.commands.append(command)
        self.environ = environ
        return self.code


@pytest.fixture
def with_npx(tmp_path: Path) -> dict[str, str]:
    """An environment with an npx, which is not run."""
    npx = tmp_path / "npx"
    npx.touch(mode=0o755)
    return {"PATH": str(tmp_path)}


class TestToolkit:
    @pytest.fixture
    def toolkit(self, with_npx: dict[str, str]):
        def make(terminal: Terminal, **changes: object) -> Toolkit:
            return Toolkit(Path("/checkout"), "prod", **{"runner": terminal, "environ": with_npx, **changes})

        return make

    def test_the_cli_is_pinned_to_a_version_2(self):
        assert PACKAGE == "aws-cdk@2.1148.1"

    def test_one_assembly_is_written_shown_and_deployed(self, toolkit, tmp_path: Path):
        terminal = Terminal()
        kit = toolkit(terminal)
        kit.synthesise()
        kit.diff()
        kit.deploy(tmp_path / "outputs.json")
        synth, diff, deploy = (list(command) for command in terminal.commands)
        assert synth[1:] == [
            "--yes",
            PACKAGE,
            "synth",
            "--quiet",
            "--context",
            "stage=prod",
            "--output",
            "cdk.out",
        ]
        assert diff[3:] == ["diff", "--app", "cdk.out", "--build", "true"]
        assert deploy[3:7] == ["deploy", "--all", "--app", "cdk.out"]
        assert str(tmp_path / "outputs.json") in deploy

    def test_images_are_built_by_what_is_there(self, toolkit):
        terminal = Terminal()
        toolkit(terminal, builder="/usr/bin/podman").diff()
        assert terminal.environ["CDK_DOCKER"] == "/usr/bin/podman"

    def test_a_failure_is_told(self, toolkit):
        with pytest.raises(ToolkitFailed, match=r"`cdk diff` failed \(exit code 1\)"):
            toolkit(Terminal(code=1)).diff()

    def test_without_npx(self, toolkit, tmp_path: Path):
        with pytest.raises(NotReady, match="there is no npx"):
            toolkit(Terminal(), commands=tmp_path / "nowhere", environ={"PATH": ""}).diff()

    def test_the_npx_beside_this_python_comes_first(self, toolkit, tmp_path: Path):
        own = tmp_path / "venv"
        own.mkdir()
        (own / "npx").touch(mode=0o755)
        terminal = Terminal()
        toolkit(terminal, commands=own).diff()
        assert terminal.commands[0][0] == str(own / "npx")
        assert terminal.environ["PATH"].startswith(f"{own}:")


class TestMachine:
    def finding(self, name: str, state: str) -> Finding:
        return Finding(name, state, "", "deploying", "get it")

    def test_what_deploying_needs(self):
        for name in ("container builder", "AWS credentials", "extra infra"):
            with pytest.raises(NotReady, match=f"{name}: missing, and a deployment needs it: get it"):
                readiness.check_machine([self.finding("Python", "ok"), self.finding(name, "optional")])

    def test_what_other_commands_need(self):
        readiness.check_machine([self.finding("extra sklearn", "optional"), self.finding("node", "optional")])

    def test_the_names_are_the_doctors(self):
        from modelet.doctor import examine

        names = {finding.name for finding in examine(environ={}, which=lambda _: None, home=Path("/"))}
        # Extras have a line where they are known, packages one where all are there.
        always = {name for name in readiness._NEEDED if name not in ("packages", "extra infra")}
        assert names >= always


class TestAccount:
    @pytest.fixture(autouse=True)
    def _aws(self, monkeypatch: pytest.MonkeyPatch):
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "testing")
        for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        with mock_aws():
            yield

    def session(self, version: str | None = "30"):
        session = boto3.Session(region_name="eu-west-1")
        if version:
            session.client("ssm").put_parameter(
                Name="/cdk-bootstrap/hnb659fds/version", Value=version, Type="String"
            )
        return session

    def test_who_and_where(self):
        account = readiness.check_account(self.session())
        assert (account.number, account.region) == ("123456789012", "eu-west-1")

    def test_no_region(self):
        with pytest.raises(NotReady, match="no AWS region is chosen"):
            readiness.check_account(boto3.Session())

    def test_not_bootstrapped(self):
        expected = (
            rf"not bootstrapped for the CDK: run `npx {PACKAGE} bootstrap aws://123456789012/eu-west-1`"
        )
        with pytest.raises(NotReady, match=expected):
            readiness.check_account(self.session(version=None))

    def test_bootstrapped_long_ago(self):
        with pytest.raises(NotReady, match="is version 5"):
            readiness.check_account(self.session(version="5"))


def write_assembly(folder: Path, **stacks: Mapping[str, object]) -> Assembly:
    """An assembly of stacks, each with the properties and resources given."""
    artifacts = {}
    for name, stack in stacks.items():
        template = {"Resources": stack.get("resources", {}), "Outputs": stack.get("outputs", {})}
        (folder / f"{name}.json").write_text(json.dumps(template))
        properties = {"templateFile": f"{name}.json", **stack.get("properties", {})}
        artifacts[name] = {"type": "aws:cloudformation:stack", "properties": properties}
    artifacts["tree"] = {"type": "cdk:tree", "properties": {}}
    (folder / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))
    return Assembly(folder)


class TestAssembly:
    def test_what_stays(self, tmp_path: Path):
        log, table = {"Type": "AWS::Logs::LogGroup"}, {"Type": "AWS::DynamoDB::Table"}
        assembly = write_assembly(
            tmp_path,
            a={
                "resources": {
                    "L": {**log, "DeletionPolicy": "Retain"},
                    "M": {**log, "DeletionPolicy": "Retain"},
                }
            },
            b={"resources": {"T": {**table, "DeletionPolicy": "Delete"}, "R": table}},
        )
        assert assembly.retained == {"AWS::Logs::LogGroup": 2}
        first, *rest = staying(assembly)
        assert first.startswith("2 x AWS::Logs::LogGroup: the stage retains its data")
        assert any("bootstrap stack" in line for line in rest)

    def test_what_endpoints_cost(self, tmp_path: Path):
        cost = {"Description": "Endpoint prod-vision", "Value": "1013.76 USD a month at rest"}
        url = {"Description": "Front door 0", "Value": "https://example.com"}
        assembly = write_assembly(
            tmp_path, a={"outputs": {"SharedCostAtRest1F": cost}}, b={"outputs": {"Url": url}}
        )
        assert assembly.costs == ["Endpoint prod-vision: 1013.76 USD a month at rest"]

    def test_protected_stacks_are_not_begun_with(self, tmp_path: Path):
        protected = write_assembly(tmp_path, a={"properties": {"terminationProtection": True}}, b={})
        with pytest.raises(DeployRefused, match="1 stacks of stage prod are protected"):
            refuse_if_protected(protected, "prod")
        refuse_if_protected(write_assembly(tmp_path, b={}), "dev")

    @pytest.mark.parametrize(
        ("resource", "signs"),
        [
            ({"Type": "AWS::ApiGatewayV2::Route", "Properties": {"AuthorizationType": "AWS_IAM"}}, True),
            ({"Type": "AWS::ApiGatewayV2::Route", "Properties": {"AuthorizationType": "JWT"}}, False),
            (
                {
                    "Type": "AWS::ApiGateway::RestApi",
                    "Properties": {"Body": {"x-amazon-apigateway-authtype": "awsSigv4"}},
                },
                True,
            ),
            ({"Type": "AWS::Logs::LogGroup"}, False),
        ],
    )
    def test_who_may_call(self, tmp_path: Path, resource: Mapping[str, object], signs: bool):
        assert write_assembly(tmp_path, a={"resources": {"R": resource}}).takes_signatures is signs

    def test_each_model_has_the_url_of_its_door(self, tmp_path: Path):
        outputs = tmp_path / "outputs.json"
        outputs.write_text(
            json.dumps(
                {
                    "modelet-dev-shared": {"ExportsOutputRef": "x"},
                    "modelet-dev-model-a-b": {"Model": "a_b", "FrontDoor": "1"},
                    "modelet-dev-front-door-0": {"Url": "https://zero.example.com/"},
                    "modelet-dev-front-door-1": {"Url": "https://one.example.com/"},
                }
            )
        )
        assert addresses(outputs, "dev") == {"a_b": "https://one.example.com"}


def floats(name: str, *values: float) -> Tensor:
    data = memoryview(struct.pack(f"<{len(values)}f", *values))
    return Tensor(name, DATATYPES["FP32"], (1, len(values)), data)


GOLDEN = Golden(
    "train.py:samples", Tolerance(1e-3, 1e-4), (Case((floats("x", 1.0, -3.0),), (floats("y", 2.0, -6.0),)),)
)


class Api:
    """A model `y = factor * x` behind HTTP, which lets in who has the key."""

    def __init__(self, factor: float = 2.0) -> None:
        def run(inputs):
            return [floats("y", *(factor * value for value in struct.unpack("<2f", bytes(inputs["x"].data))))]

        client = Client(predictor(specs(x=("FP32", -1, 2)), specs(y=("FP32", -1, 2)), run))
        self.headers: list[Mapping[str, str]] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                api.headers.append(headers)
                body = self.rfile.read(int(headers["content-length"]))
                response = client.send("POST", self.path, body, headers=headers)
                self.send_response(response.status)
                for name, value in {**response.headers, "content-length": str(len(response.body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(response.body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> "Api":
        self._thread = Thread(target=self.server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()


class TestProof:
    def test_a_model_that_answers_as_proven(self):
        with Api() as api:
            proof = prove(api.url, "demo_model", GOLDEN, named({"x-api-key": "mk_a_b"}))
        assert (proof.cases, proof.left_out, proof.max_abs_diff) == (1, 0, 0.0)
        assert api.headers[0]["x-api-key"] == "mk_a_b"

    def test_other_answers(self):
        with (
            Api(factor=2.5) as api,
            pytest.raises(AnswersDiffer, match="2 of 2 elements of output 'y' are not"),
        ):
            prove(api.url, "demo_model", GOLDEN, named({}))

    def test_an_error(self):
        with Api() as api, pytest.raises(AnswersDiffer, match=r"answers 404: .*Servable not found"):
            prove(api.url, "other_model", GOLDEN, named({}))

    def test_nothing_there(self):
        with Api() as api:
            url = api.url
        with pytest.raises(AnswersDiffer, match="nothing answers at"):
            prove(url, "demo_model", GOLDEN, named({}))

    def test_a_case_that_is_too_large_is_left_out(self):
        large = Tensor("x", DATATYPES["UINT8"], (5_000_000,), memoryview(bytes(5_000_000)))
        golden = Golden("", GOLDEN.tolerance, (Case((large,), ()), *GOLDEN.cases))
        with Api() as api:
            proof = prove(api.url, "demo_model", golden, named({}))
        assert (proof.cases, proof.left_out) == (1, 1)

    @pytest.mark.parametrize("headers", [{}, {"inference-header-content-length": "x"}])
    def test_an_answer_in_another_form(self, headers: dict[str, str]):
        with pytest.raises(AnswersDiffer, match="no inference response"):
            read_response(headers, b"{}")

    def test_a_signature_covers_the_body(self):
        session = boto3.Session("key", "secret", region_name="eu-west-1")
        sign = signed("eu-west-1", session)
        first, second = (
            sign("https://a.example.com/v2", {"content-type": "x"}, body) for body in (b"1", b"2")
        )
        assert first["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=key/")
        assert "/eu-west-1/execute-api/aws4_request" in first["Authorization"]
        assert first["Authorization"] != second["Authorization"]
