"""Runs against endpoints: one that behaves gives the lines of a target in the process; each lie costs its due."""

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.attacks.fakes import FakeSource, FakeTarget, fake_data
from tests.targets.reference_server import Handler, Pairs, Server, drop_at_once, running, status
from textsem.attacks.chunk import AttackConfig
from textsem.attacks.runner import CandidateAttack, run_attack
from textsem.outputs import AttackResult
from textsem.protocols import Target, TargetError
from textsem.targets.http import HttpTarget
from textsem.targets.http_endpoint import HttpConfig
from textsem.targets.metering import MeteredTarget

QUICK = HttpConfig(read_seconds=5, deadline_seconds=10, max_attempts=2, first_delay_seconds=0)
CONFIG = AttackConfig(max_queries=10, num_candidates=20, eps=2.5, chunk_size=16)
NUM_PAIRS, VICTIM = 40, 20
POISON = fake_data(NUM_PAIRS).hypotheses[VICTIM]
Serve = Callable[..., Server]


class Sink:
    def __init__(self) -> None:
        self.results: list[AttackResult] = []

    def write(self, results: Any) -> None:
        self.results += results


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    monkeypatch.delenv("TEXTSEM_TARGET_TOKEN", raising=False)
    with ExitStack() as stack:
        yield lambda *args, **kwargs: stack.enter_context(running(Server(*args, **kwargs)))


def answer(pairs: Pairs) -> dict[str, Any]:
    target = FakeTarget()
    rows = [[float(value) for value in target.answer(pair["premise"], pair["hypothesis"])] for pair in pairs]
    return {"label_names": list(target.label_names), "probabilities": rows}


def attack(target: Target, sink: Sink | None = None) -> list[AttackResult]:
    sink = sink or Sink()
    run_attack(fake_data(NUM_PAIRS), target, CandidateAttack(FakeSource(), CONFIG), sink)
    return sink.results


def is_poisoned(pairs: Pairs) -> bool:
    return any(pair["hypothesis"] == POISON for pair in pairs)


def test_endpoint_gives_the_lines_of_the_target_behind_it(serve: Serve) -> None:
    server = serve(answer)
    metered = MeteredTarget(HttpTarget(server.url, batch_size=7, config=QUICK))
    assert attack(metered) == attack(FakeTarget())
    assert metered.counts["attack"].rows_sent == server.rows_asked


def test_failures_that_pass_change_no_line(serve: Serve) -> None:
    server = serve(answer, script=[None, drop_at_once, None, status(500), None, status(429), None])
    metered = MeteredTarget(HttpTarget(server.url, config=QUICK))
    assert attack(metered) == attack(FakeTarget())
    assert metered.counts["attack"].rows_sent == server.rows_asked > metered.counts["attack"].distinct_rows


@pytest.mark.parametrize("number", [400, 422, 500])
def test_pair_that_makes_the_endpoint_fail_is_the_only_error(serve: Serve, number: int) -> None:
    class Choking(Handler):
        def reply(self, body: bytes, status: int = 200, **headers: str) -> None:
            if is_poisoned(self.server.asked[-1]):
                super().reply(b"cannot read that", number)
            else:
                super().reply(body, status, **headers)

    server = serve(answer)
    server.RequestHandlerClass = Choking
    results, expected = attack(HttpTarget(server.url, config=QUICK)), attack(FakeTarget())
    assert results[VICTIM].status == "error"
    assert f"status {number}" in str(results[VICTIM].message)
    assert results[:VICTIM] + results[VICTIM + 1 :] == expected[:VICTIM] + expected[VICTIM + 1 :]


def test_pair_with_a_row_of_nan_is_the_only_error(serve: Serve) -> None:
    def with_nan(pairs: Pairs) -> dict[str, Any]:
        good = answer(pairs)
        for row, pair in zip(good["probabilities"], pairs, strict=True):
            row[1] = math.nan if pair["hypothesis"] == POISON else row[1]
        return good

    results, expected = attack(HttpTarget(serve(with_nan).url, config=QUICK)), attack(FakeTarget())
    assert results[VICTIM].status == "error"
    assert "nan" in str(results[VICTIM].message)
    assert results[:VICTIM] + results[VICTIM + 1 :] == expected[:VICTIM] + expected[VICTIM + 1 :]


def test_endpoint_that_goes_away_or_lies_ends_the_run_and_leaves_the_lines(serve: Serve) -> None:
    gone = serve(answer)
    lying = serve(lambda pairs: {**answer(pairs), **({"probabilities": []} if is_poisoned(pairs) else {})})
    targets = (HttpTarget(gone.url, config=QUICK), HttpTarget(lying.url, config=QUICK))

    class Leaving(Handler):
        def reply(self, body: bytes, status: int = 200, **headers: str) -> None:
            is_gone = any(is_poisoned(pairs) for pairs in self.server.asked)
            super().reply(body, 503 if is_gone else status, **headers)

    gone.RequestHandlerClass = Leaving
    for target in targets:
        sink = Sink()
        with pytest.raises(TargetError, match=r"status 503|got 0 rows"):
            attack(target, sink)
        assert sink.results == attack(FakeTarget())[:16]
