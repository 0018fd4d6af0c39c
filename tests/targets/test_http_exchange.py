import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from urllib.parse import urlsplit

import pytest

from textsem.targets.http_exchange import AnswerTooLargeError, Deadline, Reply, exchange

OK = b"HTTP/1.1 200 OK\r\n"


def read_request(connection: socket.socket) -> bytes:
    """Return the whole request: this is what HTTP says of where it ends."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@contextmanager
def answering(serve: Callable[[socket.socket], object]) -> Iterator[str]:
    """Serve one connection by hand; yields the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            connection, _ = listener.accept()
            with connection:
                serve(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/path?a=b"
        thread.join(5)


def post(
    url: str, body: bytes = b"{}", *, deadline: float = 5.0, silence: float = 5.0, max_bytes: int = 1000
) -> tuple[Reply, int]:
    sent: list[None] = []
    reply = exchange(
        urlsplit(url),
        body,
        {"X-Mine": "yes"},
        deadline=Deadline(deadline),
        connect_seconds=5.0,
        read_seconds=silence,
        max_bytes=max_bytes,
        tls=None,
        before_sending=lambda: sent.append(None),
    )
    return reply, len(sent)


def answer(*pieces: bytes) -> tuple[Reply, bytes]:
    """Return what is made of an answer that comes in these pieces, and the request."""
    requests: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        requests.append(read_request(connection))
        for piece in pieces:
            connection.sendall(piece)

    with answering(serve) as url:
        reply, num_sent = post(url)
    assert num_sent == 1
    return reply, requests[0]


def test_request_is_a_post_with_its_length() -> None:
    _, request = answer(OK + b"Content-Length: 2\r\n\r\n{}")
    head, _, body = request.partition(b"\r\n\r\n")
    first, *headers = head.split(b"\r\n")
    assert first == b"POST /path?a=b HTTP/1.1"
    assert {b"X-Mine: yes", b"Content-Length: 2", b"Connection: close"} <= set(headers)
    assert body == b"{}"


@pytest.mark.parametrize(
    "pieces",
    [
        (OK + b"Content-Length: 4\r\n\r\n", b"ab", b"cd"),
        (OK + b"Content-Length: 4\r\n\r\nabcd beyond its end",),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n", b"3\r\nbcd\r\n0\r\n\r\n"),
        (OK + b"\r\nab", b"cd"),
        (b"HTTP/1.0 201 Created\r\n\r\nabcd",),
        (b"HTTP/1.1 100 Continue\r\n\r\n", OK + b"Content-Length: 4\r\n\r\nabcd"),
    ],
)
def test_answer_is_read_whole(pieces: tuple[bytes, ...]) -> None:
    assert answer(*pieces)[0].content == b"abcd"


def test_status_and_headers_of_a_refusal_come_with_the_beginning_of_its_words() -> None:
    head = b"HTTP/1.1 503 Busy\r\nLocation: /x\r\nRetry-After: 7\r\nContent-Length: 9000\r\n\r\n"
    assert answer(head + b"a" * 9000)[0] == Reply(503, "/x", "7", b"a" * 2048)


@pytest.mark.parametrize(
    "pieces",
    [
        (),
        (b"SSH-2.0-OpenSSH\r\n",),
        (b"HTTP/1.1 OK\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",),
        (OK + b"X: y\r\n" * 200 + b"\r\n",),
        (OK + b"Content-Length: 4\r\n\r\nabc",),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nabc",),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nfour\r\nabcd\r\n0\r\n\r\n",),
    ],
)
def test_broken_answer_is_refused(pieces: tuple[bytes, ...]) -> None:
    with pytest.raises((OSError, HTTPException)):
        answer(*pieces)


@pytest.mark.parametrize(
    "piece",
    [
        OK + b"Content-Length: 1001\r\n\r\n" + b"a" * 1001,
        OK + b"\r\n" + b"a" * 1001,
        OK + b"Transfer-Encoding: chunked\r\n\r\n3e9\r\n" + b"a" * 1001 + b"\r\n0\r\n\r\n",
    ],
)
def test_answer_that_is_too_long_is_refused(piece: bytes) -> None:
    with pytest.raises(AnswerTooLargeError):
        answer(piece)


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nX: ", OK + b"Content-Length: 999\r\n\r\n"])
def test_single_bytes_in_time_do_not_add_up(head: bytes) -> None:
    is_over = threading.Event()

    def serve(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(head)
        while not is_over.wait(0.01):
            try:
                connection.sendall(b"a")
            except OSError:
                return

    began = time.monotonic()
    with answering(serve) as url:
        with pytest.raises(TimeoutError, match=r"within the deadline of 0\.2 s"):
            post(url, deadline=0.2)
        is_over.set()
    assert time.monotonic() - began < 4


def test_silence_is_told_apart_from_the_deadline() -> None:
    is_over = threading.Event()
    with answering(lambda connection: is_over.wait(5)) as url:
        with pytest.raises(TimeoutError, match=r"silent for 0\.05 s"):
            post(url, silence=0.05)
        is_over.set()


@pytest.mark.parametrize(("deadline", "silence"), [(0.2, 5.0), (5.0, 0.1)])
def test_endpoint_that_reads_nothing_does_not_hold_the_sender(deadline: float, silence: float) -> None:
    is_over = threading.Event()
    with answering(lambda connection: is_over.wait(5)) as url:
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            post(url, b"a" * 10**8, deadline=deadline, silence=silence)
        is_over.set()
        assert time.monotonic() - began < 4


def test_connection_that_does_not_stand_sends_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    sent: list[None] = []
    with pytest.raises(ConnectionRefusedError):
        exchange(
            urlsplit(f"http://127.0.0.1:{port}"),
            b"{}",
            {},
            deadline=Deadline(1),
            connect_seconds=1,
            read_seconds=1,
            max_bytes=1,
            tls=None,
            before_sending=lambda: sent.append(None),
        )
    assert sent == []


def test_deadline_gives_what_is_left_and_then_nothing() -> None:
    deadline = Deadline(100.0)
    assert deadline.within(7.0) == 7.0
    assert 99.0 < deadline.within(1000.0) <= 100.0
    with pytest.raises(TimeoutError, match="deadline of 0 s"):
        Deadline(0.0).within(1.0)
