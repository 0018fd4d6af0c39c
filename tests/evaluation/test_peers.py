"""The pipe to another package's attack, with a small program in the place of TextAttack."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.attacks.fakes import FakeData
from textsem.attacks.runner import run_attack
from textsem.evaluation.peer_process import PeerError, PeerProcess
from textsem.evaluation.peers import PeerAttack, PeerAttackConfig, WhileAlive, peer_command
from textsem.evaluation.results import ResultsWriter, completed_prefix, read_results
from textsem.outputs import AttackResult
from textsem.protocols import CandidateRows
from textsem.targets.callable import CallableTarget
from textsem.targets.metering import MeteredTarget
from textsem.text.labels import GOLD_NAMES, NOT_ENTAILMENT, TWO_CLASS_NAMES
from textsem.text.ngram import TrigramLanguageModel
from textsem.text.vocabulary import Vocabulary

SCRIPT = Path(__file__).with_name("fake_peer.py")


def pairs(*premises: str, hypothesis: str = "e e n n", label: str = "neutral") -> FakeData:
    return FakeData(premises, [hypothesis] * len(premises), [GOLD_NAMES.index(label)] * len(premises))


def by_letters(rows: list[tuple[str, str]]) -> list[list[float]]:
    """Say neutral where the hypothesis ends with n, entailment where it ends with e; fail where asked to."""
    if any("target fails" in premise for premise, text in rows if text.count(" ") == 2):
        raise RuntimeError("the target fails")
    return [[0.1, 0.8, 0.1] if text.endswith("n") else [0.8, 0.1, 0.1] for _, text in rows]


class AtLeastTwoWords:
    name = "two words"

    def __init__(self) -> None:
        self.seen: list[CandidateRows] = []

    def accepts(self, rows: CandidateRows) -> list[bool]:
        self.seen.append(rows)
        return [len(text.split()) == 3 for text in rows.candidates]


class Lengths:
    def encode(self, texts: Sequence[str]) -> Tensor:
        return torch.tensor([[float(len(text)), 0.5] for text in texts])


@pytest.fixture
def target() -> MeteredTarget:
    return MeteredTarget(CallableTarget(by_letters))


@pytest.fixture
def attack(target: MeteredTarget, tmp_path: Path) -> Callable[..., list[AttackResult]]:
    """Return a function that attacks pairs and reads the lines back."""

    def run(data: FakeData, config: PeerAttackConfig | None = None, **given: Any) -> list[AttackResult]:
        config = config or PeerAttackConfig("pwws")
        path = tmp_path / "results.jsonl"
        num_completed = len(completed_prefix(path))
        with started(tmp_path, config) as process, ResultsWriter(path) as writer:
            peer = PeerAttack(process, config, **given)
            run_attack(data, target, peer, WhileAlive(writer, process), num_completed=num_completed)
        return list(read_results(path))

    return run


@contextmanager
def started(folder: Path, config: PeerAttackConfig | None = None) -> Iterator[PeerProcess]:
    command = peer_command(config or PeerAttackConfig("pwws"), python=sys.executable, script=SCRIPT)
    with PeerProcess(command, log=folder / "peer.log", environment={"NLTK_DATA": "here"}) as process:
        yield process


Attack = Callable[..., list[AttackResult]]


def test_rows_of_a_pair_count_and_its_unchanged_row_does_not(attack: Attack, target: MeteredTarget) -> None:
    (line,) = attack(pairs("p"))
    # Asked: "e e n n" (the unchanged pair), "e e n" (neutral still), "e e" (flips).
    assert (line.status, line.adversarial, line.adversarial_prediction) == ("success", "e e", "entailment")
    assert line.queries == 2
    assert line.edits == 2
    assert line.scores == {
        "original": {"contradiction": 0.1, "entailment": 0.1, "neutral": 0.8},
        "adversarial": {"contradiction": 0.1, "entailment": 0.8, "neutral": 0.1},
    }
    counts = target.counts["attack"]
    assert counts.rows_requested == counts.rows_sent == 1 + line.queries


def test_answers_from_the_targets_memory_are_queries_all_the_same(attack: Attack, target: MeteredTarget) -> None:
    first, second = attack(pairs("p", "p"))
    assert first.queries == second.queries == 2
    assert target.counts["attack"].rows_requested == 6
    assert target.counts["attack"].rows_sent == 3


def test_pair_that_the_target_has_wrong_is_not_attacked(attack: Attack, target: MeteredTarget) -> None:
    (line,) = attack(pairs("p", hypothesis="n e"))
    assert (line.status, line.queries) == ("skipped", 0)
    assert target.counts["attack"].rows_requested == 1


def test_attack_without_success_fails(attack: Attack) -> None:
    (line,) = attack(pairs("p", hypothesis="n n n"))
    assert (line.status, line.adversarial, line.queries) == ("failed", None, 2)


def test_constraint_is_served_with_premise_and_label(attack: Attack) -> None:
    constraint = AtLeastTwoWords()
    config = PeerAttackConfig("pwws", is_constrained=True)
    (line,) = attack(pairs("p"), config, constraints=[constraint])
    assert (line.status, line.queries) == ("failed", 1)
    (rows,) = constraint.seen
    assert list(rows.candidates) == ["e e n n", "e e n", "e e", "e"]
    assert (set(rows.premises), set(rows.originals), set(rows.labels)) == ({"p"}, {"e e n n"}, {1})


def test_two_right_classes_are_one_to_the_peer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neutral leads, then contradiction, then entailment: only the last is a flip."""

    def by_length(rows: list[tuple[str, str]]) -> list[list[float]]:
        lengths = [len(text.split()) for _, text in rows]
        return [{4: [0.3, 0.6, 0.1], 3: [0.25, 0.15, 0.6], 2: [0.3, 0.4, 0.3]}.get(n, [0.4, 0.3, 0.3]) for n in lengths]

    told: list[list[float]] = []
    target, config = CallableTarget(by_length), PeerAttackConfig("pwws")
    with started(tmp_path, config) as process, ResultsWriter(tmp_path / "results.jsonl") as writer:
        send = process.send

        def send_and_note(message: Mapping[str, Any]) -> None:
            told.extend(message.get("probabilities", []))
            send(message)

        monkeypatch.setattr(process, "send", send_and_note)
        run_attack(pairs("p", label=NOT_ENTAILMENT), target, PeerAttack(process, config), writer)
    (line,) = read_results(tmp_path / "results.jsonl")
    assert (line.status, line.label, line.adversarial_prediction) == ("success", NOT_ENTAILMENT, "entailment")
    assert (line.adversarial, line.queries) == ("e", 3)
    assert (line.scores or {})["adversarial"] == {"contradiction": 0.3, "entailment": 0.4, "neutral": 0.3}
    expected = [[1 / 3, 2 / 3], [0.25 / 0.85, 0.6 / 0.85], [3 / 7, 4 / 7], [4 / 7, 3 / 7]]
    torch.testing.assert_close(torch.tensor(told), torch.tensor(expected))


@pytest.mark.parametrize("label", ["neutral", "contradiction", NOT_ENTAILMENT])
def test_target_with_two_classes_is_attacked_at_any_label(tmp_path: Path, label: str) -> None:
    def two(rows: list[tuple[str, str]]) -> list[list[float]]:
        return [[0.2, 0.8] if text.endswith("n") else [0.7, 0.3] for _, text in rows]

    constraint = AtLeastTwoWords()
    config = PeerAttackConfig("pwws", is_constrained=True)
    target = CallableTarget(two, label_order=TWO_CLASS_NAMES)
    with started(tmp_path, config) as process, ResultsWriter(tmp_path / "results.jsonl") as writer:
        peer = PeerAttack(process, config, constraints=[constraint])
        run_attack(pairs("p", hypothesis="e n e n", label=label), target, peer, writer)
    (line,) = read_results(tmp_path / "results.jsonl")
    assert (line.status, line.label, line.prediction) == ("success", label, NOT_ENTAILMENT)
    assert (line.adversarial, line.adversarial_prediction) == ("e n e", "entailment")
    assert {GOLD_NAMES[number] for rows in constraint.seen for number in rows.labels} == {label}


def test_constraints_that_would_never_be_asked_are_refused(tmp_path: Path) -> None:
    with (
        started(tmp_path) as process,
        pytest.raises(ValueError, match="expected constraints if is_constrained, got Fal"),
    ):
        PeerAttack(process, PeerAttackConfig("pwws"), constraints=[AtLeastTwoWords()])


@pytest.mark.parametrize(
    ("premise", "message", "queries"),
    [
        ("raises", "IndexError: " + "x" * 288, 2),
        ("lies", "expected a text that was asked and changed the prediction, got 'never asked'", 2),
        ("gives the original", "expected a text that was asked and changed the prediction, got 'e e n n'", 2),
        ("changes", "ValueError: expected the premise as it is, got another one in pair 1", 0),
        ("target fails", "RuntimeError: the target fails", 1),
        ("asks what is unknown", "PeerError: expected one question of predict, accept, encode, next_word, got", 0),
        ("encodes", "ValueError: expected a sentence encoder for pwws, got none", 0),
    ],
)
def test_pair_that_goes_wrong_is_an_error_and_the_next_one_is_attacked(
    attack: Attack, premise: str, message: str, queries: int
) -> None:
    before, line, after = attack(pairs("p", premise, "q"))
    assert (before.status, after.status) == ("success", "success")
    assert (before.queries, after.queries) == (2, 2)
    assert line.status == "error"
    assert (line.message or "").startswith(message)
    assert line.queries == queries


def test_peer_may_not_pass_its_budget(attack: Attack) -> None:
    (line,) = attack(pairs("p"), PeerAttackConfig("pwws", max_queries=1))
    assert (line.status, line.queries) == ("error", 1)
    assert "expected at most 1 queries, got 2" in (line.message or "")


def test_encoder_is_served(attack: Attack) -> None:
    (line,) = attack(pairs("encodes"), encoder=Lengths())
    assert line.message == "[[5.0, 0.5], [1.0, 0.5]]"


def test_next_word_is_that_of_the_trigram_at_the_start(attack: Attack) -> None:
    corpus = [["a", "man", "sleeps"], ["a", "man", "runs"], ["a", "dog", "runs"]]
    model = TrigramLanguageModel.fit(corpus, vocabulary=Vocabulary(("a", "man", "dog", "sleeps", "runs")))
    (line,) = attack(pairs("next word"), language_model=model)
    ids = torch.tensor([model.vocabulary.encode(["a", "man"]), model.vocabulary.encode(["a", "dog"])])
    expected = model.log_probs(ids, torch.tensor([2, 2]))[:, 1]
    torch.testing.assert_close(torch.tensor(json.loads(line.message or "")), expected)
    assert expected[0] > expected[1]


@pytest.mark.parametrize(
    ("premise", "message"),
    [("dies", "it ended with code 1; its last words: .*out of memory"), ("mumbles", "a line of JSON .* b'Traceback")],
)
def test_peer_that_fails_ends_the_run_and_leaves_what_was_written(
    attack: Attack, tmp_path: Path, premise: str, message: str
) -> None:
    with pytest.raises(PeerError, match=f"(?s){message}"):
        attack(pairs("p", "q", premise, "r"))
    assert [line.status for line in read_results(tmp_path / "results.jsonl")] == ["success", "success"]


def test_resumed_run_writes_what_a_whole_one_writes(attack: Attack, tmp_path: Path) -> None:
    whole = attack(pairs("p", "q", "r"))
    (tmp_path / "results.jsonl").unlink()
    attack(pairs("p"))
    assert attack(pairs("p", "q", "r")) == whole


def test_peer_is_told_options_and_variables_and_logs_to_a_file(tmp_path: Path) -> None:
    config = PeerAttackConfig("genetic", max_queries=7, is_constrained=True)
    with started(tmp_path, config) as process:
        assert process.facts["options"] == ["--attack", "genetic", "--max-queries", "7", "--constrained"]
        assert process.facts["data"] == "here"
    assert (tmp_path / "peer.log").read_text() == "this goes to the log\n"


def test_peer_that_never_starts_says_why(tmp_path: Path) -> None:
    with pytest.raises(PeerError, match="expected a program at '/nowhere/python' that runs, got"):
        PeerProcess(["/nowhere/python"], log=tmp_path / "log")
    program = "import sys; sys.exit('no module named textattack')"
    with pytest.raises(PeerError, match="ended with code 1; its last words: no module named textattack"):
        PeerProcess([sys.executable, "-c", program], log=tmp_path / "log")
    with pytest.raises(PeerError, match="expected the peer to say ready first"):
        PeerProcess([sys.executable, "-c", "print('{}')"], log=tmp_path / "log")


def test_config_refuses_unknown_attack_and_empty_budget() -> None:
    with pytest.raises(ValueError, match="expected attack to be one of deepwordbug, pwws, textfooler, genetic, got"):
        PeerAttackConfig("bae")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected max_queries >= 1, got 0"):
        PeerAttackConfig("pwws", max_queries=0)
