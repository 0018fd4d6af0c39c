"""An address that takes JSON and answers JSON: retries, redirects, the token, and what to tell when all of it fails."""

import http.client
import json
import logging
import math
import os
import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import SplitResult, urljoin

from textsem.targets.http_address import check_url, is_local, origin, public_url
from textsem.targets.http_exchange import AnswerTooLargeError, Deadline, Reply, exchange
from textsem.targets.http_refusals import EndpointError, TransientError, excerpt, refusal

__all__ = ["HttpConfig", "JsonEndpoint"]

logger = logging.getLogger(__name__)

_MAX_REDIRECTS = 3


@dataclass(frozen=True)
class HttpConfig:
    """How long and how often an endpoint is asked.

    Args:
        connect_seconds: Longest wait for a connection, to each of the host's addresses.
        read_seconds: Longest silence.
        deadline_seconds: Longest duration of one attempt, from connecting to the last byte.
        max_attempts: How often a request is sent at most.
        first_delay_seconds: Pause after the first attempt; each pause is twice the one before.
        max_delay_seconds: Longest pause, also where the server's Retry-After wishes a longer one.
        max_answer_bytes: Longest answer.
        token_variable: Environment variable with the bearer token; sent if it is set.
    """

    connect_seconds: float = 10.0
    read_seconds: float = 30.0
    deadline_seconds: float = 120.0
    max_attempts: int = 5
    first_delay_seconds: float = 1.0
    max_delay_seconds: float = 30.0
    max_answer_bytes: int = 2**24
    token_variable: str = "TEXTSEM_TARGET_TOKEN"

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("connect_seconds", "read_seconds", "deadline_seconds", "max_attempts", "max_answer_bytes"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"expected {name} > 0 and finite, got {getattr(self, name)}")
        for name in ("first_delay_seconds", "max_delay_seconds"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"expected {name} >= 0 and finite, got {getattr(self, name)}")


class JsonEndpoint:
    """Send JSON by POST, and again where that may help.

    Args:
        url: http or https.
        config: Time-outs, retries, the token's variable.
        sleep: Waits between attempts.

    Attributes:
        name: The address as it may be told: without what stands after its question mark.
        times_sent: How often a body has left, redirects followed included.

    Raises:
        ValueError: If the URL is not one of HTTP, has credentials, or would carry the token unencrypted.
    """

    def __init__(self, url: str, config: HttpConfig, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._url = check_url(url)
        self.name = public_url(self._url)
        self.config = config
        self.times_sent = 0
        self._sleep = sleep
        self._token()

    def post(self, payload: Mapping[str, Any], *, max_attempts: int | None = None) -> Any:
        """Return the JSON that answers ``payload``; each attempt whose body leaves adds one to ``times_sent``.

        Raises:
            EndpointError: If no attempt brings an answer, or one brings an answer that no other attempt would mend.
        """
        body = json.dumps(payload).encode("ascii")  # whatever is not ASCII is escaped, lone surrogates too
        attempts = max_attempts or self.config.max_attempts
        for attempt in range(1, attempts + 1):
            try:
                return self._parsed(self._attempt(body))
            except TransientError as error:
                failure = error
            if attempt < attempts:
                delay = self._delay(attempt, failure.retry_after)
                logger.warning(
                    "%s: %s (attempt %d of %d, the next in %g s)", self.name, failure, attempt, attempts, delay
                )
                self._sleep(delay)
        raise EndpointError(
            f"expected an answer from {self.name}, got none in {attempts} attempts, at last: {failure}; "
            "see that it runs and can be reached from here",
            may_be_the_rows=failure.status != 429,
        )

    def _delay(self, attempt: int, retry_after: float) -> float:
        """Return the seconds to wait after an attempt, counted from 1."""
        delay = self.config.first_delay_seconds * 2.0 ** min(attempt - 1, 30)
        return min(max(delay, retry_after), self.config.max_delay_seconds)

    def _attempt(self, body: bytes) -> Reply:
        """Send once, and again where a redirect keeps the method; return a 2xx answer."""
        url, deadline = self._url, Deadline(self.config.deadline_seconds)
        for _ in range(_MAX_REDIRECTS + 1):
            reply = self._exchange(url, body, deadline)
            if reply.status in (307, 308):
                url = self._redirected(url, reply)
                continue
            if 200 <= reply.status < 300:
                return reply
            raise refusal(reply, endpoint=self.name, token=self._token(), token_variable=self.config.token_variable)
        raise EndpointError(f"expected an answer from {self.name}, got more than {_MAX_REDIRECTS} redirects")

    def _exchange(self, url: SplitResult, body: bytes, deadline: Deadline) -> Reply:
        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "textsem"}
        token = self._token()
        if token and origin(url) == origin(self._url):
            headers["Authorization"] = f"Bearer {token}"
        try:
            return exchange(
                url,
                body,
                headers,
                deadline=deadline,
                connect_seconds=self.config.connect_seconds,
                read_seconds=self.config.read_seconds,
                max_bytes=self.config.max_answer_bytes,
                tls=self._tls if url.scheme == "https" else None,
                before_sending=self._count,
            )
        except AnswerTooLargeError as error:
            limit = self.config.max_answer_bytes
            raise EndpointError(f"expected at most {limit} bytes from {self.name}, got {error}") from error
        except ssl.SSLCertVerificationError as error:
            raise EndpointError(
                f"expected {self.name} to show a certificate that is trusted here, got: {error.verify_message}; "
                "the environment variable SSL_CERT_FILE can name a file of certificates to trust"
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise TransientError(f"{error}" or type(error).__name__) from error

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Whom to trust; reading that takes a while."""
        return ssl.create_default_context()

    def _count(self) -> None:
        self.times_sent += 1

    def _token(self) -> str:
        """Return the bearer token, read anew so that nothing keeps it; empty without one.

        Raises:
            ValueError: If it cannot stand in a header, or would be sent unencrypted to another machine.
        """
        name = self.config.token_variable
        token = os.environ.get(name, "").strip()
        if not re.fullmatch(r"[!-~]*", token):
            raise ValueError(f"expected a token of printable ASCII without blanks in {name}")
        if token and self._url.scheme != "https" and not is_local(self._url.hostname or ""):
            raise ValueError(
                f"expected an https address for the token in {name}, got {self.name}: it would be sent unencrypted; "
                f"use https, or unset {name}"
            )
        return token

    def _redirected(self, url: SplitResult, reply: Reply) -> SplitResult:
        """Return where a redirect leads."""
        try:
            other = check_url(urljoin(url.geturl(), reply.location or ""))
        except ValueError as error:
            raise EndpointError(f"expected {self.name} to redirect to an address of HTTP: {error}") from error
        if url.scheme == "https" and other.scheme != "https":
            raise EndpointError(f"expected {self.name} to stay encrypted, got a redirect to {public_url(other)}")
        return other

    def _parsed(self, reply: Reply) -> Any:
        try:
            return json.loads(reply.content)
        except (ValueError, RecursionError) as error:
            came = excerpt(reply.content, self._token())
            raise EndpointError(
                f"expected JSON from {self.name}, got {came!r} ({type(error).__name__}: {error})"
            ) from error
