import json
import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from tests.targets.reference_server import (
    Handler,
    Server,
    drip,
    drop_at_once,
    drop_in_a_chunk,
    drop_in_the_body,
    flood,
    hang,
    raw,
    running,
    status,
)
from textsem.targets.http_endpoint import HttpConfig, JsonEndpoint
from textsem.targets.http_refusals import EndpointError

QUICK = HttpConfig(connect_seconds=2, read_seconds=2, deadline_seconds=4, max_attempts=4, max_answer_bytes=10**6)
NO_SILENCE = replace(QUICK, read_seconds=0.1, deadline_seconds=20, max_attempts=2)
NO_DAWDLING = replace(QUICK, read_seconds=20, deadline_seconds=0.2, max_attempts=2)
REQUEST = {"pairs": [{"premise": "p", "hypothesis": "e"}]}
Serve = Callable[..., Server]
Misbehaviour = Callable[[Handler], None]


@pytest.fixture(autouse=True)
def _no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEXTSEM_TARGET_TOKEN", raising=False)


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda *args, **kwargs: stack.enter_context(running(Server(*args, **kwargs)))


class Asked:
    """An endpoint whose pauses are remembered instead of slept."""

    def __init__(self, url: str, config: HttpConfig = QUICK) -> None:
        self.pauses: list[float] = []
        self.endpoint = JsonEndpoint(url, config, sleep=self.pauses.append)

    def post(self) -> Any:
        return self.endpoint.post(REQUEST)


@pytest.mark.parametrize(
    "failure", [status(500), status(503), status(408), status(429), drop_at_once, drop_in_the_body, drop_in_a_chunk]
)
def test_transient_failures_are_asked_again(serve: Serve, failure: Misbehaviour) -> None:
    server = serve(script=[failure, failure])
    asked = Asked(server.url)
    assert asked.post()["label_names"] == ["contradiction", "entailment", "neutral"]
    assert asked.pauses == [1.0, 2.0]
    assert asked.endpoint.times_sent == len(server.asked) == 3


def test_pauses_double_up_to_the_longest_and_attempts_end(serve: Serve) -> None:
    server = serve(script=[status(500, "out of memory")] * 9)
    asked = Asked(server.url, replace(QUICK, max_attempts=6, max_delay_seconds=5))
    with pytest.raises(
        EndpointError, match=r"none in 6 attempts, at last: status 500 .*: out of memory; see that"
    ) as caught:
        asked.post()
    assert caught.value.may_be_the_rows
    assert asked.pauses == [1.0, 2.0, 4.0, 5.0, 5.0]
    assert len(server.asked) == 6


def test_servers_wish_for_a_pause_is_kept_up_to_the_longest(serve: Serve) -> None:
    script = [status(429, Retry_After="7"), status(503, Retry_After="3600"), status(429, Retry_After="1")]
    asked = Asked(serve(script=script).url)
    asked.post()
    assert asked.pauses == [7.0, 30.0, 4.0]


@pytest.mark.parametrize("number", [400, 401, 403, 404, 405, 410, 413, 415, 422])
def test_other_refusals_are_asked_once(serve: Serve, number: int) -> None:
    server = serve(script=[status(number)] * 2)
    asked = Asked(server.url)
    with pytest.raises(EndpointError, match=f"status {number}"):
        asked.post()
    assert (len(server.asked), asked.pauses) == (1, [])


@pytest.mark.parametrize(
    ("slow", "config", "what"),
    [
        (hang, NO_SILENCE, r"silent for 0\.1 s"),
        (hang, NO_DAWDLING, r"within the deadline of 0\.2 s"),
        (drip, NO_DAWDLING, r"within the deadline of 0\.2 s"),
    ],
)
def test_slow_endpoint_does_not_hold_us(serve: Serve, slow: Misbehaviour, config: HttpConfig, what: str) -> None:
    asked = Asked(serve(script=[slow] * 2).url, config)
    began = time.monotonic()
    with pytest.raises(EndpointError, match=what):
        asked.post()
    assert time.monotonic() - began < 5
    assert asked.endpoint.times_sent == 2


def test_endless_answer_is_cut_off_and_not_asked_again(serve: Serve) -> None:
    asked = Asked(serve(script=[flood]).url)
    with pytest.raises(EndpointError, match=r"expected at most 1000000 bytes .* got more than 1000000 bytes"):
        asked.post()
    asked = Asked(serve(script=[raw(b" " * 1_000_001)]).url)
    with pytest.raises(EndpointError, match="got 1000001 bytes"):
        asked.post()


def test_longest_answer_passes(serve: Serve) -> None:
    assert Asked(serve(script=[raw(b'"' + b" " * 999_998 + b'"')]).url).post() == " " * 999_998


@pytest.mark.parametrize(
    "body", [b"", b"<html>sorry</html>", b'{"labels": ["neut', b"\xff\xfe\xfa", b"[" * 10**5, b"1" * 5000, b"{} {}"]
)
def test_answer_that_is_no_json_is_not_asked_again(serve: Serve, body: bytes) -> None:
    server = serve(script=[raw(body)])
    asked = Asked(server.url)
    with pytest.raises(EndpointError, match="expected JSON from http://127"):
        asked.post()
    assert len(server.asked) == 1


def test_connection_that_never_stood_is_no_row_sent() -> None:
    with running(Server()) as server:
        url = server.url
    asked = Asked(url)
    with pytest.raises(EndpointError, match="refused"):
        asked.post()
    assert asked.endpoint.times_sent == 0
    assert len(asked.pauses) == 3


def test_body_refused_before_it_is_read_brings_the_servers_words(serve: Serve) -> None:
    class Refusing(Handler):
        def do_POST(self) -> None:
            self.reply(b"too long", 413)
            self.close_connection = True

    server = serve()
    server.RequestHandlerClass = Refusing
    endpoint = JsonEndpoint(server.url, QUICK)
    with pytest.raises(EndpointError, match=r"413|reset|none in") as caught:
        endpoint.post({"pairs": [{"premise": "p" * 10**7, "hypothesis": "h"}]}, max_attempts=1)
    assert caught.value.may_be_the_rows


def test_token_is_sent_and_never_told(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def echo(number: int) -> Misbehaviour:
        return lambda handler: handler.reply(f"no: {handler.headers['Authorization']}".encode(), number)

    monkeypatch.setenv("TEXTSEM_TARGET_TOKEN", "open-sesame\n")
    server = serve(script=[None, echo(500), echo(500), echo(403)])
    asked = Asked(server.url + "?key=hidden")
    asked.post()
    assert server.tokens == ["Bearer open-sesame"]
    with caplog.at_level(logging.DEBUG), pytest.raises(EndpointError, match="was not accepted") as caught:
        asked.post()
    told = f"{caught.value!r} {caplog.text} {asked.endpoint!r} {asked.endpoint.__dict__} {asked.endpoint.config}"
    assert "no: Bearer ***" in caplog.text
    assert "sesame" not in told
    assert "hidden" not in f"{caught.value!r} {caplog.text} {asked.endpoint.name}"


def test_without_a_token_no_header_is_sent(serve: Serve) -> None:
    server = serve()
    Asked(server.url).post()
    assert server.tokens == [None]


def test_token_comes_from_the_variable_that_the_config_names(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_TOKEN", "abc")
    server = serve()
    Asked(server.url, replace(QUICK, token_variable="OTHER_TOKEN")).post()
    assert server.tokens == ["Bearer abc"]


def test_token_goes_unencrypted_to_no_other_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEXTSEM_TARGET_TOKEN", "sesame")
    with pytest.raises(ValueError, match=r"expected an https address .*unset TEXTSEM_TARGET_TOKEN") as caught:
        JsonEndpoint("http://example.org/classify?key=hidden", QUICK)
    assert "hidden" not in str(caught.value)
    assert "sesame" not in str(caught.value)
    JsonEndpoint("https://example.org/classify", QUICK)
    JsonEndpoint("http://localhost/classify", QUICK)


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "grün"])
def test_token_that_fits_no_header_is_refused_untold(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv("TEXTSEM_TARGET_TOKEN", token)
    with pytest.raises(ValueError, match="token of printable ASCII") as caught:
        JsonEndpoint("https://example.org/", QUICK)
    assert token not in str(caught.value)


@pytest.mark.parametrize("number", [307, 308])
def test_redirect_that_keeps_the_method_is_followed(serve: Serve, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setenv("TEXTSEM_TARGET_TOKEN", "sesame")
    server = serve(script=[status(number, Location="/other?x=1")])
    asked = Asked(server.url)
    asked.post()
    assert server.bodies[0] == server.bodies[1] == json.dumps(REQUEST).encode()
    assert server.tokens == ["Bearer sesame"] * 2
    assert (asked.endpoint.times_sent, asked.pauses) == (2, [])


def test_token_does_not_follow_a_redirect_to_another_server(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEXTSEM_TARGET_TOKEN", "sesame")
    other = serve()
    server = serve(script=[status(307, Location=other.url)])
    Asked(server.url).post()
    assert (server.tokens, other.tokens) == (["Bearer sesame"], [None])


@pytest.mark.parametrize("number", [301, 302, 303])
def test_redirect_that_drops_the_pairs_names_the_address_to_give(serve: Serve, number: int) -> None:
    server = serve(script=[status(number, Location="https://other.example/new?key=hidden")])
    with pytest.raises(EndpointError, match=r"redirects, 'https://other\.example/new'$"):
        Asked(server.url).post()


@pytest.mark.parametrize("location", ["ftp://host/", "http://user:hidden@host/", "http://["])
def test_redirect_to_nowhere_is_refused(serve: Serve, location: str) -> None:
    server = serve(script=[status(307, Location=location)])
    with pytest.raises(EndpointError, match="redirect to an address of HTTP") as caught:
        Asked(server.url).post()
    assert "hidden" not in str(caught.value)


def test_redirects_in_a_circle_end(serve: Serve) -> None:
    server = serve(script=[status(307, Location="/classify")] * 9)
    with pytest.raises(EndpointError, match="more than 3 redirects"):
        Asked(server.url).post()
    assert len(server.asked) == 4


@pytest.mark.parametrize(
    "wrong",
    [{"connect_seconds": 0}, {"read_seconds": math.inf}, {"deadline_seconds": math.nan}, {"max_attempts": 0},
     {"first_delay_seconds": -1}, {"max_delay_seconds": math.inf}, {"max_answer_bytes": 0}],
)  # fmt: skip
def test_config_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"expected {next(iter(wrong))} >"):
        HttpConfig(**wrong)  # type: ignore[arg-type]
