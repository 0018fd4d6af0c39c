"""Attacks of other packages on our target, counted and written like our own.

The peer runs in a process and an environment of its own (``PeerProcess``) and never loads the target: it asks for
predictions over the pipe, and this module answers from the same target that ours asks.  What is counted as a query:
every row that the peer requests for a pair, the words left out to find important ones included, except the unchanged
pair (our first check, counted apart, is its answer) and what the peer's own package remembers and does not request
again.  The target's memory of answers (`MeteredTarget`) saves time, never a query.

A peer knows one right class.  Where two of the target's three agree with the gold label (not_entailment), it is told
of two classes, by the best of each side: its flips are then ours.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import torch
from torch import Tensor

from textsem.attacks.candidates import pair_seed
from textsem.attacks.runner import MAX_MESSAGE_LENGTH, ResultSink
from textsem.attacks.search import predict_checked
from textsem.constraints.conjunction import Conjunction
from textsem.evaluation.peer_process import PeerError, PeerProcess
from textsem.outputs import AttackResult
from textsem.protocols import CandidateRows, Constraint, Target
from textsem.text.labels import GOLD_NAMES, agree, agreeing_classes
from textsem.text.ngram import TrigramLanguageModel
from textsem.text.tokenization import tokenize, word_edits

__all__ = ["PeerAttack", "PeerAttackConfig", "PeerName", "SentenceVectors", "WhileAlive", "peer_command"]

PeerName = Literal["deepwordbug", "pwws", "textfooler", "genetic"]


class SentenceVectors(Protocol):
    """Encodes sentences."""

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Return one vector a text, [texts, embedding]."""
        ...


@dataclass(frozen=True)
class PeerAttackConfig:
    """How a peer attacks.

    Args:
        attack: Name of its recipe.
        max_queries: Most rows for one pair; None for the recipe's own budget.
        is_constrained: Whether each of its candidates must meet our constraints beside its own.
        seed: Seed of the run; each pair derives its own from it.

    Raises:
        ValueError: If there is no such attack, or the budget is below 1.
    """

    attack: PeerName
    max_queries: int | None = None
    is_constrained: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        """Check name and range."""
        if self.attack not in get_args(PeerName):
            raise ValueError(f"expected attack to be one of {', '.join(get_args(PeerName))}, got {self.attack!r}")
        if self.max_queries is not None and self.max_queries < 1:
            raise ValueError(f"expected max_queries >= 1, got {self.max_queries}")


def peer_command(
    config: PeerAttackConfig, *, python: str | Path, script: str | Path, neighbours: str | Path | None = None
) -> list[str]:
    """Return the command line of ``scripts/peers/textattack_peer.py``.

    Args:
        config: What it is to do.
        python: Interpreter of the peers' environment.
        script: That script.
        neighbours: List of word neighbours, or its folder; None for what TEXTSEM_LEXICAL names.
    """
    command = [str(python), str(script), "--attack", config.attack]
    command += [] if config.max_queries is None else ["--max-queries", str(config.max_queries)]
    command += ["--constrained"] if config.is_constrained else []
    return command + ([] if neighbours is None else ["--neighbours", str(neighbours)])


class PeerAttack:
    """Let a peer attack pair by pair and answer its questions; implements ``PairAttack``.

    Args:
        process: The peer, ready.
        config: As the process was told.
        constraints: What ``accept`` asks: all must agree.
        encoder: What ``encode`` asks, if the recipe does.
        language_model: What ``next_word`` asks, if the recipe does.

    Raises:
        ValueError: If there are constraints and the peer will not ask, or the other way round.
    """

    chunk_size = 1  # each line is on the disk before the next pair, which may take minutes, begins

    def __init__(
        self,
        process: PeerProcess,
        config: PeerAttackConfig,
        *,
        constraints: Sequence[Constraint] = (),
        encoder: SentenceVectors | None = None,
        language_model: TrigramLanguageModel | None = None,
    ) -> None:
        if config.is_constrained != bool(constraints):
            raise ValueError(f"expected constraints if is_constrained, got {config.is_constrained} and {constraints}")
        self.process = process
        self.config = config
        self.constraints = tuple(constraints)
        self.encoder = encoder
        self.language_model = language_model

    def supports(self, hypothesis: str) -> str | None:
        """Return None: a peer takes hypotheses of any length."""
        return None

    def attack(self, results: Sequence[AttackResult], target: Target) -> tuple[list[AttackResult], Counter[str]]:
        """Attack checked pairs one after another.

        Raises:
            PeerError: If the process ends, or says what was not agreed on; see ``WhileAlive``.
        """
        return [self._attack_one(result, target) for result in results], Counter()

    def _attack_one(self, result: AttackResult, target: Target) -> AttackResult:
        seed = pair_seed(self.config.seed, result.premise, result.hypothesis, result.label) % 2**32
        answers = _Answers(result, target, self.config.max_queries)
        pair = {"premise": result.premise, "hypothesis": result.hypothesis, "label": answers.label_told, "seed": seed}
        services: dict[str, Callable[[Any], dict[str, Any]]] = {
            "predict": answers.predict,
            "accept": lambda given: self._accept(given, GOLD_NAMES.index(result.label)),
            "encode": self._encode,
            "next_word": self._next_word,
        }
        self.process.send({"attack": pair})
        while "result" not in (message := self.process.receive()):
            is_answered = False
            try:
                self.process.send(_answer(message, services))
                is_answered = True
            finally:
                if not is_answered:
                    self._abandon()
        return answers.outcome(message["result"])

    def _abandon(self) -> None:
        """Answer with errors until the peer gives the pair up, so that the next one begins in step."""
        message: dict[str, Any] = {}
        while self.process.failure is None and "result" not in message:
            self.process.send({"error": "the other side could not answer"})
            message = self.process.receive()

    def _accept(self, given: Mapping[str, Sequence[Any]], label: int) -> dict[str, Any]:
        # The label that the peer knows is a class of the target.
        labels = [label] * len(given["candidates"])
        rows = CandidateRows(given["premises"], given["originals"], given["candidates"], labels)
        return {"accepted": list(Conjunction(*self.constraints).accepts(rows))}

    def _encode(self, texts: Sequence[str]) -> dict[str, Any]:
        if self.encoder is None:
            raise ValueError(f"expected a sentence encoder for {self.config.attack}, got none")
        return {"embeddings": self.encoder.encode(texts).tolist()}

    def _next_word(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return log p(word | start, previous) of each word, words in lower case as the trigram has them."""
        if self.language_model is None:
            raise ValueError(f"expected a language model for {self.config.attack}, got none")
        encode = self.language_model.vocabulary.encode
        ids = torch.tensor([encode([given["previous"].lower(), word.lower()]) for word in given["words"]])
        lengths = torch.full((len(ids),), 2)
        return {"log_probabilities": self.language_model.log_probs(ids, lengths)[:, 1].tolist() if len(ids) else []}


class _Answers:
    """What the target said about one pair, how many rows that took, and what came of it."""

    def __init__(self, result: AttackResult, target: Target, max_queries: int | None) -> None:
        self.result = result
        self.target = target
        self.max_queries = max_queries
        self.queries = 0
        scores = (result.scores or {})["original"]
        self.known = {result.hypothesis: [scores[name] for name in target.label_names]}
        self._right = agreeing_classes(result.label, target.label_names)
        self.label_told = self._right[0]

    def predict(self, pairs: Sequence[Sequence[str]]) -> dict[str, Any]:
        if any(premise != self.result.premise for premise, _ in pairs):
            raise ValueError(f"expected the premise as it is, got another one in pair {self.result.index}")
        texts = [hypothesis for _, hypothesis in pairs]
        asked = [text for text in texts if text != self.result.hypothesis]
        if self.max_queries is not None and self.queries + len(asked) > self.max_queries:
            raise ValueError(f"expected at most {self.max_queries} queries, got {self.queries + len(asked)}")
        self.queries += len(asked)
        if asked:
            found = predict_checked(self.target, [self.result.premise] * len(asked), asked)
            self.known.update(zip(asked, found.tolist(), strict=True))
        return {"probabilities": [self._told(self.known[text]) for text in texts]}

    def _told(self, scores: list[float]) -> list[float]:
        """Return what the peer is told: of two right classes the better one, beside entailment; they sum to one."""
        if len(self._right) == 1:
            return scores
        sides = [scores[0], max(scores[k] for k in self._right)]
        return [score / (sum(sides) or 1.0) for score in sides]

    def outcome(self, given: Mapping[str, Any]) -> AttackResult:
        """Return the pair's line; a success only for a text that was asked and left the label."""
        text, message = given.get("adversarial"), given.get("error")
        if message is None and text is not None:
            names, scores = self.target.label_names, self.known.get(text)
            prediction = None if scores is None else names[max(range(len(names)), key=scores.__getitem__)]
            if scores is not None and not agree(self.result.label, prediction):
                return replace(
                    self.result,
                    status="success",
                    adversarial=text,
                    adversarial_prediction=prediction,
                    scores={**(self.result.scores or {}), "adversarial": dict(zip(names, scores, strict=True))},
                    queries=self.queries,
                    edits=word_edits(tokenize(self.result.hypothesis).words, tokenize(text).words),
                )
            message = f"expected a text that was asked and changed the prediction, got {text!r}"
        if message is not None:
            message = message[:MAX_MESSAGE_LENGTH]
            return replace(self.result, status="error", message=message, queries=self.queries)
        return replace(self.result, queries=self.queries)


class WhileAlive:
    """Pass lines on until the peer's process fails, then raise: its pairs are not errors of the pairs.

    Args:
        sink: Where lines go.
        process: The peer.
    """

    def __init__(self, sink: ResultSink, process: PeerProcess) -> None:
        self._sink = sink
        self._process = process

    def write(self, results: Sequence[AttackResult]) -> None:
        """Store lines.

        Raises:
            PeerError: If the process has failed meanwhile; the lines are then not stored.
        """
        if self._process.failure is not None:
            raise self._process.failure
        self._sink.write(results)


def _answer(message: Mapping[str, Any], services: Mapping[str, Callable[[Any], dict[str, Any]]]) -> dict[str, Any]:
    """Return the answer to the one question in a message."""
    if len(message) != 1 or next(iter(message)) not in services:
        raise PeerError(f"expected one question of {', '.join(services)}, got {sorted(message)}")
    ((name, given),) = message.items()
    return services[name](given)
