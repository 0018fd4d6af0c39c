"""One POST over HTTP: within a deadline, up to a size, and nothing else; no retries, no redirects."""

import io
import math
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection, IncompleteRead
from typing import Any
from urllib.parse import SplitResult

__all__ = ["AnswerTooLargeError", "Deadline", "Reply", "exchange"]

# An error's text is for a person: more than this of it is not read.
_MAX_EXCERPT_BYTES = 2048
# A send is bounded by its own time-out: with smaller pieces, the deadline is looked at more often.
_PIECE_BYTES = 2**16


class AnswerTooLargeError(Exception):
    """An answer has more bytes than allowed."""


class Deadline:
    """The moment when one attempt must be over, however lively the other side is.

    Args:
        seconds: From now.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def within(self, seconds: float) -> float:
        """Return the seconds that are left, at most ``seconds``.

        Raises:
            TimeoutError: If none are left.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"no whole answer within the deadline of {self.seconds:g} s")
        return min(left, seconds)


@dataclass(frozen=True)
class Reply:
    """What came back.

    Args:
        status: HTTP's number.
        location: Where a redirect leads.
        retry_after: The server's wish, as it wrote it.
        content: The body, whole where the status is 2xx, else its beginning.
    """

    status: int
    location: str | None
    retry_after: str | None
    content: bytes


def exchange(
    url: SplitResult,
    body: bytes,
    headers: Mapping[str, str],
    *,
    deadline: Deadline,
    connect_seconds: float,
    read_seconds: float,
    max_bytes: int,
    tls: ssl.SSLContext | None,
    before_sending: Callable[[], None],
) -> Reply:
    """POST a body and return the answer, whatever its status.

    Args:
        url: http or https, with a host.
        body: What is sent.
        headers: Besides Host and Content-Length.
        deadline: Of everything, save looking the name up: that has the system's own time-outs.
        connect_seconds: Longest wait for each address of the host, and for TLS.
        read_seconds: Longest silence while sending and reading.
        max_bytes: Longest answer.
        tls: Whom to trust; needed for https alone.
        before_sending: Called once when the connection stands and the body is about to leave.

    Raises:
        OSError: If connecting, sending or reading fails or takes too long.
        http.client.HTTPException: If the answer is no HTTP, or ends before its end.
        AnswerTooLargeError: If a 2xx answer is too long.
    """
    host, port, wait = url.hostname or "", url.port, deadline.within(connect_seconds)
    connection = (
        HTTPSConnection(host, port, timeout=wait, context=tls)
        if url.scheme == "https"
        else HTTPConnection(host, port, timeout=wait)
    )
    connection.response_class = _timed_responses(deadline, read_seconds)  # type: ignore[assignment]
    try:
        connection.connect()
        before_sending()
        # A server may refuse a body and close before it has read all of it; its answer is there all the same.
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.request(
                "POST",
                f"{url.path or '/'}{'?' if url.query else ''}{url.query}",
                _pieces(connection.sock, body, deadline, read_seconds),
                {**headers, "Content-Length": str(len(body)), "Connection": "close"},
            )
        with connection.getresponse() as response:
            is_right = 200 <= response.status < 300
            content = _read(response, max_bytes if is_right else _MAX_EXCERPT_BYTES, is_right)
            return Reply(response.status, response.getheader("Location"), response.getheader("Retry-After"), content)
    finally:
        connection.close()


def _pieces(sock: socket.socket, body: bytes, deadline: Deadline, read_seconds: float) -> Iterator[bytes]:
    for start in range(0, len(body), _PIECE_BYTES):
        sock.settimeout(deadline.within(read_seconds))
        yield body[start : start + _PIECE_BYTES]


def _read(response: HTTPResponse, max_bytes: int, is_whole: bool) -> bytes:
    """Return the body, or where it need not be whole its beginning."""
    if not is_whole:
        return response.read(max_bytes)
    if (response.length or 0) > max_bytes:
        raise AnswerTooLargeError(f"{response.length} bytes")
    content = response.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise AnswerTooLargeError(f"more than {max_bytes} bytes")
    # Of a body with a known length, http.client returns what came before the connection broke.
    if response.length:
        raise IncompleteRead(content, response.length)
    return content


def _timed_responses(deadline: Deadline, read_seconds: float) -> Callable[..., HTTPResponse]:
    """Return what builds http.client's responses, with every read from the socket held against the deadline."""

    def build(sock: socket.socket, *args: Any, **kwargs: Any) -> HTTPResponse:
        return HTTPResponse(_TimedSocket(sock, deadline, read_seconds), *args, **kwargs)  # type: ignore[arg-type]

    return build


class _TimedSocket:
    """What a response wants of a socket: a file to read from."""

    def __init__(self, sock: socket.socket, deadline: Deadline, read_seconds: float) -> None:
        self._arguments = (sock, deadline, read_seconds)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(*self._arguments))


class _TimedReader(io.RawIOBase):
    """Reads from a socket; sets its time-out before each read, so that single bytes in time do not add up."""

    def __init__(self, sock: socket.socket, deadline: Deadline, read_seconds: float) -> None:
        self._sock, self._deadline, self._read_seconds = sock, deadline, read_seconds
        self._raw = sock.makefile("rb", buffering=0)  # holds the socket open until it is closed itself

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        wait = self._deadline.within(self._read_seconds)
        self._sock.settimeout(wait)
        try:
            return self._raw.readinto(buffer)
        except TimeoutError:
            self._deadline.within(math.inf)  # says so if it was the deadline
            raise TimeoutError(f"silent for {wait:.3g} s") from None

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()
