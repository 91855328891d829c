import io
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from support.artifacts import write_version
from support.graphs import add_and_scale

from modelet.client import Body, ask_here, ask_service
from modelet.errors import ServiceRefused, SourceRefused, UnknownModel

RECORD = Body(b'{"a": [1, 2], "b": [3, 4]}', "application/json", is_certain=True)
ANSWER = {"sum": [4.0, 6.0], "double": [2.0, 4.0]}


@pytest.fixture
def models(tmp_path):
    for number in (1, 2):
        write_version(
            tmp_path / "demo_sum" / "versions" / str(number), add_and_scale(), name="demo_sum", version=number
        )
    return tmp_path


@contextmanager
def service(*answers):
    """A service that gives these answers in turn and keeps what it was sent."""
    sent, left = [], list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            sent.append((self.path, self.headers["content-type"], self.headers["accept"], body))
            status, document = left.pop(0)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", sent
        finally:
            server.shutdown()
            thread.join()


class TestHere:
    def test_the_artifact_answers(self, models):
        assert json.loads(ask_here(models, "demo_sum", RECORD, "application/json")) == ANSWER

    def test_a_version_may_be_named(self, models):
        (models / "demo_sum" / "versions" / "2" / "model.ort").unlink()
        assert json.loads(ask_here(models, "demo_sum@1", RECORD, "application/json")) == ANSWER
        with pytest.raises(
            UnknownModel, match="version 2 of 'demo_sum' is not built here: run `modelet build"
        ):
            ask_here(models, "demo_sum@2", RECORD, "application/json")

    def test_a_guessed_media_type_gives_way_to_one_the_model_takes(self, models):
        guessed = Body(RECORD.data, "text/markdown", is_certain=False)
        assert json.loads(ask_here(models, "demo_sum", guessed, "*/*")) == ANSWER

    def test_a_named_one_does_not(self, models):
        with pytest.raises(ServiceRefused, match="answers 415: media type 'text/markdown' is not taken"):
            ask_here(models, "demo_sum", Body(b"x", "text/markdown", is_certain=True), "*/*")

    def test_the_models_error_is_shown(self, models):
        with pytest.raises(ServiceRefused, match="answers 400: input 'b' is missing"):
            ask_here(models, "demo_sum", Body(b'{"a": [1, 2]}', "application/json", is_certain=True), "*/*")


class TestService:
    def test_the_body_is_posted_to_the_friendly_route(self):
        with service((200, {"label": "7"})) as (url, sent):
            assert json.loads(ask_service(url + "/", "digit_image@3", RECORD, "text/csv")) == {"label": "7"}
        path = "/models/digit_image/versions/3/predict"
        assert sent == [(path, "application/json", "text/csv", RECORD.data)]

    def test_bytes_are_tried_when_a_guess_is_not_taken(self):
        refusal = {"error": "no", "details": {"expected": ["image/png", "application/octet-stream"]}}
        with service((415, refusal), (200, "markdown")) as (url, sent):
            ask_service(url, "file_type", Body(b"# x", "text/markdown", is_certain=False), "*/*")
        assert [media_type for _, media_type, _, _ in sent] == ["text/markdown", "application/octet-stream"]

    @pytest.mark.parametrize("document", [{"error": "no such model"}, "no such model"])
    def test_its_error_is_shown(self, document):
        with (
            service((404, document)) as (url, _),
            pytest.raises(ServiceRefused, match=r"answers 404: .*no such model"),
        ):
            ask_service(url, "file_type", RECORD, "*/*")

    def test_a_service_that_does_not_run(self):
        with service() as (url, _):
            pass
        with pytest.raises(
            ServiceRefused, match=r"nothing answers at .*: start the service with `modelet serve`"
        ):
            ask_service(url, "file_type", RECORD, "*/*")

    @pytest.mark.parametrize("url", ["localhost:8080", "file:///etc/passwd"])
    def test_only_http(self, url):
        with pytest.raises(ServiceRefused, match="is no http or https address"):
            ask_service(url, "file_type", RECORD, "*/*")


class TestBody:
    @pytest.mark.parametrize(
        ("name", "media_type"),
        [
            ("a.png", "image/png"),
            ("a.json", "application/json"),
            ("a.csv", "text/csv"),
            ("a", "application/octet-stream"),
        ],
    )
    def test_the_media_type_follows_from_the_name(self, tmp_path, name, media_type):
        (tmp_path / name).write_bytes(b"x")
        assert Body.read(tmp_path / name, None) == Body(b"x", media_type, is_certain=False)
        assert Body.read(tmp_path / name, "text/plain") == Body(b"x", "text/plain", is_certain=True)

    def test_standard_input(self, monkeypatch):
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"x")))
        assert Body.read(None, None) == Body(b"x", "application/octet-stream", is_certain=False)

    def test_a_file_that_is_not_there(self, tmp_path):
        with pytest.raises(SourceRefused, match="No such file"):
            Body.read(tmp_path / "a", None)
