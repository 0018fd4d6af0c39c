from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from textsem.targets.http_exchange import Reply
from textsem.targets.http_refusals import EndpointError, TransientError, excerpt, refusal


def refuse(status: int, *, content: bytes = b"", token: str = "", **headers: str) -> EndpointError | TransientError:
    reply = Reply(status, headers.get("location"), headers.get("retry_after"), content)
    return refusal(reply, endpoint="http://host/", token=token, token_variable="VARIABLE")


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 599])
def test_another_attempt_may_mend_these(status: int) -> None:
    error = refuse(status)
    assert isinstance(error, TransientError)
    assert error.status == status


@pytest.mark.parametrize("status", [300, 301, 302, 304, 400, 401, 403, 404, 405, 410, 413, 415, 422, 431])
def test_no_other_attempt_mends_these(status: int) -> None:
    error = refuse(status)
    assert isinstance(error, EndpointError)
    assert f"http://host/, got status {status}" in str(error)
    assert error.may_be_the_rows == (status in (400, 413, 422))


@pytest.mark.parametrize(
    ("status", "token", "mend"),
    [
        (401, "", "set VARIABLE to a token"),
        (403, "sesame", "the token in VARIABLE was not accepted"),
        (301, "", "'http://host/new'"),
        (404, "", "takes the pairs by POST"),
        (422, "", "these sentences"),
    ],
)
def test_message_names_the_mend(status: int, token: str, mend: str) -> None:
    assert mend in str(refuse(status, token=token, location="http://host/new?key=secret"))


def test_servers_words_are_told_on_one_short_line_without_the_token() -> None:
    token = "sesame-open-" + "x" * 3000
    words = f"line\r\n\x1b[2J token {token[:2000]}".encode() + b"\xff"
    assert excerpt(words, token) == "line   [2J token ***\ufffd"
    assert len(excerpt(b"a" * 10**5, "")) == 100
    assert "sesame" not in str(refuse(403, content=b"bad sesame", token="sesame"))


def test_retry_after_is_a_number_of_seconds_or_a_date() -> None:
    def wish(text: str) -> float:
        error = refuse(429, retry_after=text)
        assert isinstance(error, TransientError)
        return error.retry_after

    assert wish("7") == 7.0
    assert wish(format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)) == pytest.approx(100, abs=5)
    assert wish("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    for nonsense in ("soon", "", "-3", "1e9", "٣", "9" * 5000):
        assert wish(nonsense) == 0.0
