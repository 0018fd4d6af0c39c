"""A plain server that speaks the JSON of docs/targets.md, and one that misbehaves in every way it is told to."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Pairs = list[dict[str, str]]
NAMES = ("contradiction", "entailment", "neutral")


def probabilities_of(pairs: Pairs) -> list[list[float]]:
    """Classify by the share of the hypothesis's letters that are c, e or n."""
    counts = [[1.0 + pair["hypothesis"].count(letter) for letter in "cen"] for pair in pairs]
    return [[count / sum(row) for count in row] for row in counts]


def well_behaved(pairs: Pairs) -> dict[str, Any]:
    return {"label_names": list(NAMES), "probabilities": probabilities_of(pairs)}


def two_class(pairs: Pairs) -> dict[str, Any]:
    rows = [[1 - entailment, entailment] for _, entailment, _ in probabilities_of(pairs)]
    return {"label_names": ["not_entailment", "entailment"], "probabilities": rows}


def labels_alone(pairs: Pairs) -> dict[str, Any]:
    return {"labels": [NAMES[row.index(max(row))] for row in probabilities_of(pairs)]}


class Server(ThreadingHTTPServer):
    """Remembers what it was asked; each entry of ``script`` handles one request, then ``answer`` does.

    Args:
        answer: Makes the JSON of an answer.
        script: What is done instead, request by request; None for the normal answer.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(
        self,
        answer: Callable[[Pairs], Any] = well_behaved,
        script: "Sequence[Callable[[Handler], None] | None]" = (),
    ) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = answer
        self.script = list(script)
        self.asked: list[Pairs] = []
        self.bodies: list[bytes] = []
        self.tokens: list[str | None] = []
        self.is_over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/classify"

    @property
    def rows_asked(self) -> int:
        return sum(map(len, self.asked))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        pairs = json.loads(body)["pairs"]
        self.server.bodies.append(body)
        self.server.asked.append(pairs)
        self.server.tokens.append(self.headers["Authorization"])
        misbehave = self.server.script.pop(0) if self.server.script else None
        if misbehave is None:
            self.reply(json.dumps(self.server.answer(pairs)).encode())
        else:
            misbehave(self)

    def reply(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


@contextmanager
def running(server: Server) -> Iterator[Server]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.is_over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def status(number: int, text: str = "", **headers: str) -> Callable[[Handler], None]:
    """Answer with another status than 200."""
    return lambda handler: handler.reply(text.encode(), number, **headers)


def hang(handler: Handler) -> None:
    """Say nothing until the test is over."""
    handler.server.is_over.wait(20)
    handler.close_connection = True


def drip(handler: Handler) -> None:
    """Send one byte of a header every few milliseconds, for ever."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not handler.server.is_over.wait(0.02):
        handler.wfile.write(b"z")
    handler.close_connection = True


def drop_in_the_body(handler: Handler) -> None:
    """Promise more bytes than are sent."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"label_names": [')
    handler.close_connection = True


def drop_in_a_chunk(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"1000\r\n{")
    handler.close_connection = True


def drop_at_once(handler: Handler) -> None:
    """Close without a word."""
    handler.close_connection = True


def flood(handler: Handler) -> None:
    """Send without an end."""
    handler.send_response(200)
    handler.end_headers()
    began = time.monotonic()
    while time.monotonic() - began < 10 and not handler.server.is_over.is_set():
        handler.wfile.write(b" " * 65536)


def raw(body: bytes) -> Callable[[Handler], None]:
    """Answer these bytes."""
    return lambda handler: handler.reply(body)
