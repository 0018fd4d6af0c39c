import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.attacks.fakes import FakeChunk, FakeData, FakeSource, FakeTarget, fake_data
from textsem.attacks.candidates import Candidate
from textsem.attacks.chunk import AttackConfig
from textsem.attacks.runner import CandidateAttack, attack_chunk, run_attack
from textsem.attacks.selection import plain_form
from textsem.evaluation.results import ResultsWriter, completed_prefix
from textsem.outputs import AttackResult
from textsem.protocols import TargetError
from textsem.targets.metering import MeteredTarget
from textsem.text.labels import TWO_CLASS_NAMES, agree

CONFIG = AttackConfig(max_queries=30, num_candidates=60, eps=2.5, chunk_size=64)
ROOT = Path(__file__).parents[2]


class ListSink:
    """Keeps results and the lines that they would be."""

    def __init__(self) -> None:
        self.results: list[AttackResult] = []

    def write(self, results: Sequence[AttackResult]) -> None:
        self.results += results

    @property
    def lines(self) -> list[str]:
        return [json.dumps(result.to_dict()) for result in self.results]


class RaisesOn(FakeTarget):
    """Raises whenever one of the given texts is in the batch."""

    def __init__(self, *texts: str) -> None:
        super().__init__()
        self.texts = texts

    def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
        answer = super().predict(premises, hypotheses)
        if not set(self.texts).isdisjoint(hypotheses):
            raise RuntimeError("bad row")
        return answer


def run(
    num_pairs: int = 100, config: AttackConfig = CONFIG, target: FakeTarget | None = None, num_completed: int = 0
) -> ListSink:
    sink = ListSink()
    run_attack(
        fake_data(num_pairs),
        target or FakeTarget(),
        CandidateAttack(FakeSource(), config),
        sink,
        num_completed=num_completed,
    )
    return sink


def test_every_pair_is_one_line_in_input_order() -> None:
    results = run().results
    assert [result.index for result in results] == list(range(100))
    counts = Counter(result.status for result in results)
    assert set(counts) == {"success", "failed", "skipped", "unsupported"}
    assert min(counts.values()) >= 5


def test_rows_sent_are_one_check_a_pair_and_the_reported_queries() -> None:
    target, sink = FakeTarget(), ListSink()
    statistics = run_attack(fake_data(100), target, CandidateAttack(FakeSource(), CONFIG), sink)
    assert len(target.rows) == 100 + sum(result.queries for result in sink.results)
    assert statistics.rows_sent == len(target.rows)
    sent = Counter(premise for premise, _ in target.rows)
    assert sent == {result.premise: result.queries + 1 for result in sink.results}


def test_budget_is_never_exceeded() -> None:
    queries = [result.queries for result in run().results]
    assert max(queries) == CONFIG.max_queries
    assert 0 < sum(q == CONFIG.max_queries for q in queries) < 100


def test_nothing_is_asked_twice_and_no_unchanged_text() -> None:
    target = FakeTarget()
    sink = run(target=target)
    asked = [(premise, plain_form(hypothesis)) for premise, hypothesis in target.rows]
    assert len(asked) == len(set(asked))
    originals = Counter((result.premise, plain_form(result.hypothesis)) for result in sink.results)
    assert originals == {row: asked.count(row) for row in originals}


def test_adversarial_text_was_queried_and_flips() -> None:
    target = FakeTarget()
    for result in run(target=target).results:
        if result.status == "success":
            assert result.adversarial is not None
            assert (result.premise, result.adversarial) in target.rows
            answer = target.answer(result.premise, result.adversarial)
            assert target.label_names[answer.index(max(answer))] == result.adversarial_prediction != result.label


@pytest.mark.parametrize("chunk_size", [1, 7, 100])
def test_lines_do_not_depend_on_batch_mates(chunk_size: int) -> None:
    assert run(config=replace(CONFIG, chunk_size=chunk_size)).lines == run().lines


def test_pair_alone_gets_the_result_it_gets_in_the_data() -> None:
    data, together = fake_data(40), run(40).results
    for i in (0, 17, 39):
        sink = ListSink()
        alone = FakeData([data.premises[i]], [data.hypotheses[i]], [data.labels[i]])
        run_attack(alone, FakeTarget(), CandidateAttack(FakeSource(), CONFIG), sink)
        assert replace(sink.results[0], index=i) == together[i]


def test_other_seed_gives_other_attacks() -> None:
    other = run(config=replace(CONFIG, seed=1)).results
    assert [r.adversarial for r in other] != [r.adversarial for r in run().results]
    assert [r.prediction for r in other] == [r.prediction for r in run().results]


def test_target_sees_full_batches() -> None:
    target = FakeTarget()
    run(400, replace(CONFIG, chunk_size=200), target)
    assert len(target.rows) / len(target.batches) >= 64


def test_label_only_target_is_attacked_as_well() -> None:
    metered = MeteredTarget(FakeTarget(), access="label")
    sink = ListSink()
    run_attack(fake_data(100), metered, CandidateAttack(FakeSource(), CONFIG), sink)
    scored = run().results
    assert [r.adversarial for r in sink.results] == [r.adversarial for r in scored]
    for result in sink.results:
        assert {p for scores in (result.scores or {}).values() for p in scores.values()} == {0.0, 1.0}
    requested = metered.counts["attack"].rows_requested
    assert requested == metered.counts["attack"].rows_sent == 100 + sum(r.queries for r in sink.results)


def test_row_that_the_target_refuses_becomes_an_error_and_the_run_goes_on() -> None:
    bad = fake_data(100).hypotheses[50]
    results, clean = run(target=RaisesOn(bad)).results, run().results
    assert (results[50].status, results[50].message) == ("error", "RuntimeError: bad row")
    assert (results[50].prediction, results[50].queries) == (None, 0)
    assert results[:50] + results[51:] == clean[:50] + clean[51:]


def test_pair_with_a_problem_is_an_error_and_is_never_asked() -> None:
    target, sink, data = FakeTarget(), ListSink(), fake_data(100)
    run_attack(replace(data, problems={7: "no premise"}), target, CandidateAttack(FakeSource(), CONFIG), sink)
    assert (sink.results[7].status, sink.results[7].message) == ("error", "no premise")
    assert data.premises[7] not in [premise for premise, _ in target.rows]
    assert [r for r in sink.results if r.index != 7] == [r for r in run().results if r.index != 7]


def test_error_in_the_middle_of_a_search_reports_the_rows_sent() -> None:
    clean = run().results
    victim = next(r for r in clean if r.status == "success" and r.queries >= 3)
    assert victim.adversarial is not None
    results = run(target=RaisesOn(victim.adversarial)).results
    broken = results[victim.index]
    assert (broken.status, broken.queries, broken.prediction) == ("error", victim.queries, victim.prediction)
    assert [r for r in results if r.index != victim.index] == [r for r in clean if r.index != victim.index]


def test_source_that_fails_on_one_pair_costs_that_pair_only() -> None:
    victim = next(r for r in run().results if r.status == "failed")

    class Fails(FakeSource):
        def propose(
            self, hypotheses: Sequence[str], labels: Sequence[int], seeds: Sequence[int], num_candidates: int
        ) -> list[list[Candidate]]:
            if victim.hypothesis in hypotheses:
                raise IndexError("no code")
            return super().propose(hypotheses, labels, seeds, num_candidates)

    sink = ListSink()
    run_attack(fake_data(100), FakeTarget(), CandidateAttack(Fails(), CONFIG), sink)
    assert [r.index for r in sink.results if r.status == "error"] == [victim.index]
    assert sink.results[victim.index].message == "IndexError: no code"


@pytest.mark.parametrize("num_completed", [0, 1, 63, 64, 65, 100])
def test_resumed_run_writes_the_missing_lines(num_completed: int) -> None:
    assert run(num_completed=num_completed).lines == run().lines[num_completed:]


def test_resumed_run_sends_the_batches_of_the_interrupted_chunk() -> None:
    whole, resumed = FakeTarget(), FakeTarget()
    run(target=whole)
    run(target=resumed, num_completed=90)
    assert resumed.batches == whole.batches[-len(resumed.batches) :]


def test_interrupt_leaves_the_finished_lines() -> None:
    class Interrupted(FakeTarget):
        def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
            if "premise number 70" in premises:
                raise KeyboardInterrupt
            return super().predict(premises, hypotheses)

    sink = ListSink()
    with pytest.raises(KeyboardInterrupt):
        run_attack(fake_data(100), Interrupted(), CandidateAttack(FakeSource(), CONFIG), sink)
    assert sink.lines == run().lines[:64]


SLOW_RUN = """
import sys, time
from tests.attacks.fakes import FakeSource, FakeTarget, fake_data
from textsem.attacks.chunk import AttackConfig
from textsem.attacks.runner import CandidateAttack, run_attack
from textsem.evaluation.results import ResultsWriter

class SlowTarget(FakeTarget):
    def predict(self, premises, hypotheses):
        time.sleep(0.01)
        return super().predict(premises, hypotheses)

with ResultsWriter(sys.argv[1]) as writer:
    attack = CandidateAttack(FakeSource(), AttackConfig(max_queries=30, eps=2.5, chunk_size=8))
    run_attack(fake_data(100), SlowTarget(), attack, writer)
"""


def test_killed_and_resumed_run_leaves_the_same_bytes(tmp_path: Path) -> None:
    config, data = AttackConfig(max_queries=30, eps=2.5, chunk_size=8), fake_data(100)
    whole, cut = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    with ResultsWriter(whole) as writer:
        run_attack(data, FakeTarget(), CandidateAttack(FakeSource(), config), writer)

    process = subprocess.Popen([sys.executable, "-c", SLOW_RUN, str(cut)], cwd=ROOT)
    while process.poll() is None and not (cut.exists() and cut.stat().st_size > 0):
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -signal.SIGKILL

    left = cut.read_bytes()
    for num_torn_bytes in (0, 7):
        cut.write_bytes(left[: len(left) - num_torn_bytes])
        num_completed = len(completed_prefix(cut))
        assert 0 < num_completed < 100
        with ResultsWriter(cut) as writer:
            run_attack(data, FakeTarget(), CandidateAttack(FakeSource(), config), writer, num_completed=num_completed)
        assert cut.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("num_completed", [-1, 11])
def test_more_lines_than_pairs_are_refused(num_completed: int) -> None:
    with pytest.raises(ValueError, match=f"expected at most 10 completed lines, one a pair, got {num_completed}"):
        run(10, num_completed=num_completed)


def test_label_that_the_target_lacks_is_an_error_of_its_pair() -> None:
    sink = ListSink()
    chunk = FakeChunk(0, ["p", "q"], ["h", "i"], ["entailment", "maybe"])
    results = attack_chunk(chunk, FakeTarget(), CandidateAttack(FakeSource(), CONFIG))
    assert [result.label for result in results] == ["entailment", "maybe"]
    assert (results[1].status, sink.results) == ("error", [])
    assert "'maybe'" in (results[1].message or "")
    assert results[0].status != "error"


def test_pair_without_a_label_takes_the_targets_own_prediction() -> None:
    data = fake_data(20)
    unlabelled = FakeChunk(0, data.premises, data.hypotheses, [None] * 20)
    results = attack_chunk(unlabelled, FakeTarget(), CandidateAttack(FakeSource(), CONFIG))
    assert all(result.label == result.prediction for result in results)
    assert {result.status for result in results} == {"success", "failed", "unsupported"}
    named = FakeChunk(0, data.premises, data.hypotheses, [result.prediction for result in results])
    assert attack_chunk(named, FakeTarget(), CandidateAttack(FakeSource(), CONFIG)) == results


def test_several_adversarials_stand_beside_each_other_and_the_first_is_the_only_one_of_one() -> None:
    chunk = next(iter(fake_data(60).chunks(60)))
    one = attack_chunk(chunk, FakeTarget(), CandidateAttack(FakeSource(), CONFIG))
    config = replace(CONFIG, num_return_sequences=3)
    several = attack_chunk(chunk, FakeTarget(), CandidateAttack(FakeSource(), config))
    counts = Counter(result.index for result in several)
    assert set(counts) == set(range(60))
    assert max(counts.values()) == 3
    first = {result.index: result for result in reversed(several)}
    assert [replace(first[i], queries=0) for i in range(60)] == [replace(result, queries=0) for result in one]
    found = [(result.index, result.adversarial) for result in several if result.adversarial]
    assert len(found) == len(set(found))


def test_two_class_target_is_attacked_for_what_is_no_entailment() -> None:
    class TwoClass(FakeTarget):
        label_names: tuple[str, ...] = TWO_CLASS_NAMES

        def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
            three = super().predict(premises, hypotheses)
            return torch.stack([three[:, 0], three[:, 1:].sum(dim=1)], dim=1)

    sink, data = ListSink(), fake_data(100)
    run_attack(data, TwoClass(), CandidateAttack(FakeSource(), CONFIG), sink)
    flips = [result for result in sink.results if result.status == "success"]
    assert {result.label for result in flips} == {"entailment", "contradiction"}  # neutral goes to contradiction here
    for result in flips:
        assert agree(result.label, result.prediction or "")
        assert not agree(result.label, result.adversarial_prediction or "")
        assert list(result.scores or {}) == ["original", "adversarial"]
        assert all(list(scores) == list(TWO_CLASS_NAMES) for scores in (result.scores or {}).values())


def test_target_that_is_gone_ends_the_run_and_keeps_the_lines() -> None:
    class Gone(FakeTarget):
        def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
            if "premise number 70" in premises:
                raise TargetError("no answer after 3 attempts")
            return super().predict(premises, hypotheses)

    sink = ListSink()
    with pytest.raises(TargetError, match="no answer after 3 attempts"):
        run_attack(fake_data(100), Gone(), CandidateAttack(FakeSource(), CONFIG), sink)
    assert sink.lines == run().lines[:64]


def test_target_that_answers_about_no_pair_ends_the_run_after_the_first_chunk() -> None:
    class Nan(FakeTarget):
        def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
            return super().predict(premises, hypotheses) * float("nan")

    sink = ListSink()
    with pytest.raises(TargetError, match="got an error on each of the first 64 pairs, such as: ValueError: expected"):
        run_attack(fake_data(100), Nan(), CandidateAttack(FakeSource(), CONFIG), sink)
    assert [result.status for result in sink.results] == ["error"] * 64


def test_skipped_chunks_cost_nothing_and_the_others_are_as_ever() -> None:
    target, sink = FakeTarget(), ListSink()
    attack = CandidateAttack(FakeSource(), replace(CONFIG, chunk_size=8))
    run_attack(fake_data(100), target, attack, sink, skip=lambda chunk: chunk.start // 8 % 2 == 0)
    assert sink.results == [result for result in run().results if result.index // 8 % 2 == 1]
    assert {premise for premise, _ in target.rows} == {result.premise for result in sink.results}
