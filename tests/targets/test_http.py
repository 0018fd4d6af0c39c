import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import pytest
import torch

from tests.targets.reference_server import (
    Pairs,
    Server,
    drop_at_once,
    labels_alone,
    probabilities_of,
    running,
    status,
    well_behaved,
)
from textsem.protocols import TargetError
from textsem.targets.http import HttpTarget
from textsem.targets.http_endpoint import HttpConfig
from textsem.targets.metering import MeteredTarget

QUICK = HttpConfig(connect_seconds=2, read_seconds=2, deadline_seconds=4, max_attempts=3, first_delay_seconds=0)
PREMISES, HYPOTHESES = ["p", "q", "r"], ["eeee", "nnnn", "cccc"]
Serve = Callable[..., Server]


@pytest.fixture(autouse=True)
def _no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEXTSEM_TARGET_TOKEN", raising=False)


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda *args, **kwargs: stack.enter_context(running(Server(*args, **kwargs)))


def ask(server: Server, **options: Any) -> torch.Tensor:
    return HttpTarget(server.url, config=QUICK, **options).predict(PREMISES, HYPOTHESES)


def test_answers_are_read_in_our_order_of_the_classes(serve: Serve) -> None:
    answer = ask(serve())
    expected = torch.full((3, 3), 1 / 7).fill_diagonal_(5 / 7)
    torch.testing.assert_close(answer, expected, atol=1e-7, rtol=0)


def test_request_is_the_documented_one(serve: Serve) -> None:
    server = serve()
    ask(server)
    assert [json.loads(body) for body in server.bodies] == [
        {"pairs": []},
        {"pairs": [{"premise": p, "hypothesis": h} for p, h in zip(PREMISES, HYPOTHESES, strict=True)]},
    ]


def test_rows_are_asked_in_batches(serve: Serve) -> None:
    server = serve()
    target = HttpTarget(server.url, batch_size=2, config=QUICK)
    together = HttpTarget(server.url, config=QUICK).predict(PREMISES, HYPOTHESES)
    server.asked.clear()
    assert torch.equal(target.predict(PREMISES, HYPOTHESES), together)
    assert [len(pairs) for pairs in server.asked] == [2, 1]


def test_labels_alone_become_one_hot_rows(serve: Serve) -> None:
    assert ask(serve(labels_alone)).tolist() == torch.eye(3).tolist()


def test_names_of_each_answer_are_believed(serve: Serve) -> None:
    def turned(pairs: Pairs) -> dict[str, Any]:
        reverse = len(pairs) == 3
        rows = probabilities_of(pairs)
        names = ["contradiction", "entailment", "neutral"]
        return {"label_names": names[::-1] if reverse else names, "probabilities": [row[::-1] for row in rows]}

    torch.testing.assert_close(ask(serve(turned)), ask(serve()))


def test_two_classes_are_named_by_the_endpoint_or_by_label_order(serve: Serve) -> None:
    def two(names: object) -> Callable[[Pairs], dict[str, Any]]:
        return lambda pairs: {"label_names": names, "probabilities": [[0.9, 0.1] for _ in pairs]}

    order = ["not_entailment", "entailment"]
    for server, label_order in ((serve(two(order)), None), (serve(two(None)), order), (serve(two(["0", "1"])), order)):
        target = HttpTarget(server.url, label_order=label_order, config=QUICK)
        assert target.label_names == ("entailment", "not_entailment")
        torch.testing.assert_close(target.predict(["p"], ["h"]), torch.tensor([[0.1, 0.9]]))


def test_names_given_once_hold_for_later_answers(serve: Serve) -> None:
    def once(pairs: Pairs) -> dict[str, Any]:
        answer = well_behaved(pairs)
        return answer if not pairs else {"probabilities": answer["probabilities"]}

    torch.testing.assert_close(ask(serve(once)), ask(serve()))


@pytest.mark.parametrize("text", ["\ud83d", "\udc00 b", "😀", "عربي", "\x00\x07", "\u2028", '"\\', "", " " * 9])
def test_any_text_arrives_as_it_is(serve: Serve, text: str) -> None:
    server = serve()
    HttpTarget(server.url, config=QUICK).predict([text], [text])
    assert server.asked[1] == [{"premise": text, "hypothesis": text}]


ENDS: dict[str, Callable[[Pairs], Any]] = {
    "no dict": lambda pairs: [[0.2, 0.3, 0.5] for _ in pairs],
    "no answer": lambda pairs: {"error": "out of memory"},
    "null": lambda pairs: None,
    "a row too few": lambda pairs: well_behaved(pairs[1:]),
    "a row too many": lambda pairs: well_behaved(pairs + pairs[:1]),
    "a class too few": lambda pairs: {**well_behaved(pairs), "probabilities": [[0.5, 0.5] for _ in pairs]},
    "two classes now": lambda pairs: {
        "label_names": ["entailment", "not_entailment"],
        "probabilities": [[1, 0] for _ in pairs],
    },
    "unknown names": lambda pairs: {**well_behaved(pairs), "label_names": ["yes", "no", "maybe"]},
    "names are numbers": lambda pairs: {**well_behaved(pairs), "label_names": [0, 1, 2]},
    "one name": lambda pairs: {**well_behaved(pairs), "label_names": "entailment"},
    "texts for numbers": lambda pairs: {**well_behaved(pairs), "probabilities": [["0.2", "0.3", "0.5"] for _ in pairs]},
    "truths for numbers": lambda pairs: {**well_behaved(pairs), "probabilities": [[True, False, False] for _ in pairs]},
    "labels for probabilities": lambda pairs: {"probabilities": ["neutral" for _ in pairs]},
    "unknown label": lambda pairs: {"labels": ["maybe" for _ in pairs]},
    "label of the two": lambda pairs: {"labels": ["not_entailment" for _ in pairs]},
    "numbers for labels": lambda pairs: {"labels": [1 for _ in pairs]},
    "labels are no list": lambda pairs: {"labels": {"0": "neutral"}},
}


@pytest.mark.parametrize("lie", sorted(ENDS))
def test_answer_that_is_no_pairs_fault_ends_the_run(serve: Serve, lie: str) -> None:
    def lying(pairs: Pairs) -> Any:
        return ENDS[lie](pairs) if pairs else well_behaved(pairs)

    server = serve(lying)
    with pytest.raises(TargetError) as caught:
        ask(server)
    assert f"{server.url}" in str(caught.value)
    assert "expected" in str(caught.value)


ROWS: dict[str, object] = {
    "NaN": [math.nan, 0.5, 0.5],
    "null": [None, 0.5, 0.5],
    "no row": None,
    "infinity": [math.inf, 0.0, 0.0],
    "a huge number": [10**400, 0, 0],
    "a sum of 0.6": [0.2, 0.2, 0.2],
    "negative": [1.5, -0.5, 0.0],
}


@pytest.mark.parametrize("bad", sorted(ROWS))
def test_bad_row_is_that_rows_fault(serve: Serve, bad: str) -> None:
    def answer(pairs: Pairs) -> dict[str, Any]:
        good = well_behaved(pairs)
        rows = [ROWS[bad] if pair["premise"] == "q" else row for pair, row in zip(pairs, good["probabilities"])]  # noqa: B905
        return {**good, "probabilities": rows}

    server = serve(answer)
    with pytest.raises(ValueError, match=f"{server.url}: .* in row 1"):
        ask(server)
    assert HttpTarget(server.url, config=QUICK).predict(["p"], ["eeee"]).argmax() == 0


def test_missing_label_is_that_rows_fault(serve: Serve) -> None:
    with pytest.raises(ValueError, match="got None in row 2"):
        ask(serve(lambda pairs: {"labels": [None if pair["premise"] == "r" else "neutral" for pair in pairs]}))


def test_row_of_a_later_batch_is_named_by_its_place_among_all(serve: Serve) -> None:
    def answer(pairs: Pairs) -> dict[str, Any]:
        return {"labels": [None if pair["premise"] == "r" else "neutral" for pair in pairs]}

    with pytest.raises(ValueError, match="got None in row 2"):
        ask(serve(answer), batch_size=2)


@pytest.mark.parametrize("names", [None, ["LABEL_0", "LABEL_1", "LABEL_2"]])
def test_columns_without_a_meaning_are_refused_before_a_row_is_asked(serve: Serve, names: object) -> None:
    server = serve(lambda pairs: {**well_behaved(pairs), "label_names": names})
    with pytest.raises(TargetError, match="pass label_order"):
        HttpTarget(server.url, config=QUICK)
    assert server.rows_asked == 0


def test_endpoint_that_is_not_there_is_told_at_once() -> None:
    with running(Server()) as server:
        url = server.url
    with pytest.raises(TargetError, match=r"127\.0\.0\.1.* none in 3 attempts, .*refused"):
        HttpTarget(url, config=QUICK)


REFUSALS = {
    "400": (status(400, "bad text"), 1),
    "413": (status(413), 1),
    "422": (status(422), 1),
    "500": (status(500), 3),
    "drop": (drop_at_once, 3),
}


@pytest.mark.parametrize("refusal", sorted(REFUSALS))
def test_rows_are_at_fault_where_another_pair_is_answered(serve: Serve, refusal: str) -> None:
    misbehave, num_attempts = REFUSALS[refusal]
    server = serve(script=[None] + [misbehave] * num_attempts)
    target = HttpTarget(server.url, config=QUICK)
    with pytest.raises(ValueError, match="rows 0 to 2; another pair is answered"):
        target.predict(PREMISES, HYPOTHESES)
    assert server.asked[-1] == [{"premise": "A man is sleeping.", "hypothesis": "A person rests."}]
    assert target.rows_retried == 3 * (num_attempts - 1) + 1 == server.rows_asked - 3


@pytest.mark.parametrize("refusal", sorted(REFUSALS))
def test_endpoint_is_at_fault_where_it_fails_at_any_pair(serve: Serve, refusal: str) -> None:
    misbehave, num_attempts = REFUSALS[refusal]
    server = serve(script=[None] + [misbehave] * (num_attempts + 1))
    target = HttpTarget(server.url, config=QUICK)
    with pytest.raises(TargetError, match=server.url):
        target.predict(PREMISES, HYPOTHESES)


@pytest.mark.parametrize("number", [401, 403, 404, 405, 429])
def test_statuses_that_no_row_can_cause_need_no_other_pair(serve: Serve, number: int) -> None:
    server = serve(script=[None] + [status(number)] * 3)
    target = HttpTarget(server.url, config=QUICK)
    with pytest.raises(TargetError, match=f"status {number}"):
        target.predict(PREMISES, HYPOTHESES)
    assert all(len(pairs) in (0, 3) for pairs in server.asked)


def test_meter_counts_every_row_that_left(serve: Serve) -> None:
    script: Sequence[Any] = [None, status(500), drop_at_once, None, None, status(503)]
    server = serve(script=script)
    metered = MeteredTarget(HttpTarget(server.url, batch_size=2, config=QUICK))
    metered.predict(PREMISES, HYPOTHESES)
    metered.predict(PREMISES, HYPOTHESES)
    metered.predict(["s"], ["e"])
    counts = metered.counts["attack"]
    assert counts.rows_sent == server.rows_asked == 2 + 2 + 2 + 1 + 1 + 1
    assert (counts.rows_requested, counts.distinct_rows, counts.cache_hits) == (7, 4, 3)
