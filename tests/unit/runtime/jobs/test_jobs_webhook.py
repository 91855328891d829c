"""The webhook, against a real server that answers as told."""

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from modelet_runtime.jobs.webhook import Webhook

DOCUMENT = {"id": "f" * 32, "state": "succeeded"}


@pytest.fixture
def server():
    """Its URL, the statuses it will answer with, and what it has heard."""
    statuses, heard = [], []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            heard.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(statuses.pop(0))
            self.end_headers()

        def log_message(self, *_):
            pass

    made = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{made.server_port}", statuses, heard
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.mark.parametrize(
    ("answers", "is_taken"),
    [([200], True), ([204], True), ([500, 404, 202], True), ([500, 500, 500], False)],
)
def test_it_is_told_three_times_at_most(server, answers, is_taken):
    url, statuses, heard = server
    statuses += answers
    pauses = []
    assert Webhook(url, pauses.append).tell(DOCUMENT) is is_taken
    assert heard == [{"job": DOCUMENT}] * len(answers)
    assert pauses == [0.0, 0.5, 2.0][: len(answers)]


def test_nobody_there_is_no_error():
    assert not Webhook("http://127.0.0.1:1/", lambda _: None).tell(DOCUMENT)


@pytest.mark.parametrize("url", ["", "file:///etc/passwd", "ftp://x", "example.com"])
def test_only_the_web_is_told(url):
    with pytest.raises(ValueError, match="MODELET_JOBS_WEBHOOK"):
        Webhook(url)
