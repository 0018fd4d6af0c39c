"""New training rows for pairs: flips, rows near the target's boundary, and neighbours on the manifold.

Of each pair's candidates, those that flip the target are tried first, closest in meaning first; then those that leave
its answer, nearest to the boundary first; neighbours are drawn at random, and no target is asked about them.  A
candidate becomes a row only with the consent of the filters; where they refuse, the next candidate is tried.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from textsem.attacks.candidates import Candidate, CandidateSource
from textsem.attacks.consent_search import ConsentSearch
from textsem.attacks.search import predict_checked
from textsem.attacks.selection import CandidateLimits, Step, select_candidates
from textsem.protocols import Constraint, Target
from textsem.text.labels import GOLD_NAMES, agreeing_classes
from textsem.text.tokenization import tokenize

__all__ = [
    "ADVERSARIAL",
    "BOUNDARY",
    "NEIGHBOURS",
    "SOURCES",
    "NewRow",
    "NewRowRules",
    "find_new_rows",
    "label_margins",
]

ADVERSARIAL, BOUNDARY, NEIGHBOURS = "adversarial", "boundary", "neighbours"
SOURCES = (ADVERSARIAL, BOUNDARY, NEIGHBOURS)
MIN_PROBABILITY = 1e-6  # keeps the logs finite
LEAST_WEIGHT = 0.01  # of a candidate that only takes words away


@dataclass(frozen=True)
class NewRow:
    """A hypothesis to train on beside the one it was made from, with the same premise and label.

    Args:
        hypothesis: The sentence.
        origin: Which source it comes from, one of ``SOURCES``.
    """

    hypothesis: str
    origin: str


@dataclass(frozen=True)
class NewRowRules:
    """How many rows are looked for, and how hard.

    Args:
        sources: Those of ``SOURCES`` that are asked; a sentence that two of them find is the earlier one's in the order
            of ``SOURCES``.
        rows_per_source: Most new rows of each source for one pair.
        num_tries: Most candidates of each source and pair that the consent is asked about.
        num_candidates: Candidates that the source proposes for a pair, its best.
        num_asked: How many of them are drawn, by the weights of the words that they bring; None takes them all.
        boundary_width: Most nats by which the target puts the label ahead on a row of source ``boundary``.
    """

    sources: tuple[str, ...] = SOURCES
    rows_per_source: int = 1
    num_tries: int = 4
    num_candidates: int = 60
    num_asked: int | None = None
    boundary_width: float = 1.0

    def __post_init__(self) -> None:
        """Check the names and the ranges."""
        unknown = [name for name in self.sources if name not in SOURCES]
        if unknown or not self.sources or len(set(self.sources)) < len(self.sources):
            raise ValueError(f"expected different sources among {', '.join(SOURCES)}, got {list(self.sources)}")
        for name in ("rows_per_source", "num_tries", "num_candidates"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} >= 1, got {getattr(self, name)}")
        if self.num_asked is not None and self.num_asked < 1:
            raise ValueError(f"expected num_asked >= 1 or None, got {self.num_asked}")
        if not self.boundary_width > 0.0:
            raise ValueError(f"expected boundary_width above 0, got {self.boundary_width}")


def find_new_rows(
    premises: Sequence[str],
    hypotheses: Sequence[str],
    labels: Sequence[str],
    seeds: Sequence[int],
    *,
    source: CandidateSource,
    rules: NewRowRules,
    target: Target | None = None,
    limits: CandidateLimits,
    constraints: Sequence[Step] = (),
    consent: Sequence[Constraint] = (),
    word_weight: Callable[[str], float] = lambda word: 1.0,
) -> tuple[list[list[NewRow]], Counter[str]]:
    """Return the new rows of each pair, in the order of ``SOURCES``, and what became of the candidates.

    What a pair gets depends on the pair, its seed and the models alone.

    Args:
        premises: One a pair.
        hypotheses: One a pair, of those that the source supports.
        labels: Names of ``GOLD_NAMES``.
        seeds: One a pair.
        source: Proposes candidates.
        rules: How many rows are looked for.
        target: Whose answers ``adversarial`` and ``boundary`` go by; a pair that it has wrong gets no rows of theirs.
        limits: How far a candidate may be from its original.
        constraints: What every candidate must meet, cheap things.
        consent: What a row must meet besides, dear things: asked about one candidate after another.
        word_weight: How gladly a candidate is drawn for bringing this word, in [0, 1].

    Returns:
        One list of new rows a pair; and how many candidates were ``proposed``, how many each filter dropped, how many
        pairs ``target wrong``, how many rows were ``kept <source>``.

    Raises:
        ValueError: If a source needs a target and there is none, or if a part answers out of form.
    """
    if target is None and set(rules.sources) != {NEIGHBOURS}:
        raise ValueError(f"expected a target for the sources {', '.join(rules.sources)}, got none")
    numbers = [GOLD_NAMES.index(label) for label in labels]
    proposals = source.propose(hypotheses, numbers, seeds, rules.num_candidates)
    if rules.num_asked is not None:
        proposals = [
            _drawn(own, _weights(own, hypothesis, word_weight), seed)[: rules.num_asked]
            for own, hypothesis, seed in zip(proposals, hypotheses, seeds, strict=True)
        ]
    kept, counts = select_candidates(
        premises, hypotheses, numbers, proposals, limits=limits, constraints=constraints, ranker=None
    )
    counts["passed"] = counts.pop("kept", 0)
    queues = {
        (pair, NEIGHBOURS): [c.text for c in _drawn(own, torch.ones(len(own)), seed)]
        for pair, (own, seed) in enumerate(zip(kept, seeds, strict=True))
    }
    if target is not None:
        queues |= _by_target(target, premises, hypotheses, labels, kept, rules, counts)
    queues = {key: queue for key, queue in queues.items() if key[1] in rules.sources}
    found: list[list[NewRow]] = [[] for _ in premises]
    search = ConsentSearch(premises, hypotheses, numbers, consent, counts)
    for name in SOURCES:
        open_queues = {pair: queues[pair, name] for pair in range(len(kept)) if (pair, name) in queues}
        for pair, texts in search.run(
            open_queues,
            [{row.hypothesis for row in rows} for rows in found],
            num_tries=rules.num_tries,
            num_rows=rules.rows_per_source,
        ):
            found[pair] += [NewRow(text, name) for text in texts]
            counts[f"kept {name}"] += len(texts)
    return found, counts


def label_margins(
    target: Target, premises: Sequence[str], hypotheses: Sequence[str], labels: Sequence[str]
) -> list[float]:
    """Return by how many nats the target puts each label ahead of the classes that do not agree; below 0 is a flip."""
    if not premises:
        return []
    logs = predict_checked(target, premises, hypotheses).clamp(min=MIN_PROBABILITY).log()
    names = target.label_names
    is_own = torch.tensor([[i in agreeing_classes(label, names) for i in range(len(names))] for label in labels])
    own, other = logs.masked_fill(~is_own, -torch.inf), logs.masked_fill(is_own, -torch.inf)
    margins: list[float] = (own.amax(dim=1) - other.amax(dim=1)).tolist()
    return margins


def _drawn(candidates: Sequence[Candidate], weights: Tensor, seed: int) -> list[Candidate]:
    """Return the candidates in the order in which they are drawn without replacement, each by its weight."""
    noise = torch.rand(len(candidates), generator=torch.Generator().manual_seed(seed))
    keys = weights.log() - (-noise.clamp(min=MIN_PROBABILITY).log()).log()  # Gumbel's trick
    return [candidates[i] for i in keys.argsort(descending=True, stable=True).tolist()]


def _weights(candidates: Sequence[Candidate], hypothesis: str, word_weight: Callable[[str], float]) -> Tensor:
    """Return the weight of the weightiest word that each candidate brings; least where it brings none."""
    own = set(tokenize(hypothesis).words)
    brought = [[word_weight(word) for word in candidate.words if word not in own] for candidate in candidates]
    return torch.tensor([max(weights, default=0.0) for weights in brought]).clamp(min=LEAST_WEIGHT)


def _by_target(
    target: Target,
    premises: Sequence[str],
    hypotheses: Sequence[str],
    labels: Sequence[str],
    kept: Sequence[Sequence[Candidate]],
    rules: NewRowRules,
    counts: Counter[str],
) -> dict[tuple[int, str], list[str]]:
    """Return flips and rows near the boundary of each pair that the target has right, in the order to be tried."""
    before = label_margins(target, premises, hypotheses, labels)
    counts["target wrong"] += sum(margin < 0 for margin in before)
    rows = [(pair, c.text) for pair, own in enumerate(kept) if before[pair] >= 0 for c in own]
    pairs = [pair for pair, _ in rows]
    margins = label_margins(
        target, [premises[pair] for pair in pairs], [text for _, text in rows], [labels[pair] for pair in pairs]
    )
    queues: dict[tuple[int, str], list[str]] = {}
    # A stable sort: flips, all of key 0, stay as `select_candidates` ranked them.
    for (pair, text), margin in sorted(zip(rows, margins, strict=True), key=lambda row: max(row[1], 0.0)):
        if margin <= rules.boundary_width:
            queues.setdefault((pair, ADVERSARIAL if margin < 0 else BOUNDARY), []).append(text)
    return queues
