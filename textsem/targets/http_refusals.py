"""Answers of HTTP that are none: whether another attempt may help, whose fault they may be, and what may mend them."""

import http.client
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from textsem.protocols import TargetError
from textsem.targets.http_address import shown_url
from textsem.targets.http_exchange import Reply

__all__ = ["EndpointError", "TransientError", "excerpt", "refusal"]

_MAX_EXCERPT_LENGTH = 100
_TRANSIENT = (408, 429)  # and 5xx
_ABOUT_THE_ROWS = (400, 413, 422)
# So much of a token in an answer is taken for the token: the answer may end before the token does.
_TOKEN_PREFIX_LENGTH = 8


class EndpointError(TargetError):
    """A request that got no answer.

    Args:
        message: What was tried, what came, what may mend it.
        may_be_the_rows: Whether what was asked could be the cause, rather than the endpoint.
    """

    def __init__(self, message: str, *, may_be_the_rows: bool = False) -> None:
        super().__init__(message)
        self.may_be_the_rows = may_be_the_rows


class TransientError(Exception):
    """An attempt that another one may mend.

    Args:
        message: What came.
        status: HTTP's number, where there was one.
        retry_after: Seconds that the server wishes to have before the next attempt.
    """

    def __init__(self, message: str, *, status: int | None = None, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


def refusal(reply: Reply, *, endpoint: str, token: str, token_variable: str) -> EndpointError | TransientError:
    """Return what to raise for a status that is neither 2xx nor a redirect to be followed.

    Args:
        reply: What came.
        endpoint: Who answered.
        token: What is never repeated.
        token_variable: Where the token came from, or would.
    """
    status, words = reply.status, excerpt(reply.content, token)
    came = f"status {status} {http.client.responses.get(status, '')}".rstrip() + (f": {words}" if words else "")
    if status in _TRANSIENT or status >= 500:
        return TransientError(came, status=status, retry_after=_seconds(reply.retry_after))
    mend = "see that the address is the one that takes the pairs by POST"
    if status in (401, 403):
        mend = (
            f"the token in {token_variable} was not accepted"
            if token
            else f"set {token_variable} to a token that it accepts"
        )
    elif status in _ABOUT_THE_ROWS:
        mend = "see that it takes the JSON of docs/targets.md, of this size and with these sentences"
    elif 300 <= status < 400 and reply.location:
        mend = f"give the address to which it redirects, {shown_url(reply.location)}"
    return EndpointError(
        f"expected an answer from {endpoint}, got {came}; {mend}", may_be_the_rows=status in _ABOUT_THE_ROWS
    )


def excerpt(content: bytes, token: str) -> str:
    """Return the beginning of a server's words on one line, without our token in it."""
    text = content.decode("utf-8", errors="replace")
    if token:
        text = re.sub(re.escape(token[:_TOKEN_PREFIX_LENGTH]) + "[!-~]*", "***", text)
    return "".join(c if c.isprintable() else " " for c in text[:_MAX_EXCERPT_LENGTH]).strip()


def _seconds(retry_after: str | None) -> float:
    """Return the seconds of a Retry-After header: a number or a date; 0 where it is neither."""
    if retry_after is None:
        return 0.0
    if re.fullmatch(r"[0-9]{1,9}", retry_after.strip()):
        return float(retry_after)
    try:
        date = parsedate_to_datetime(retry_after)
    except ValueError:
        return 0.0
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())
