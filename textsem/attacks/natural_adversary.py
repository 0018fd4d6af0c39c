"""The paper's own baseline: search the codes around that of the input for the closest one whose sentence flips.

Zhao et al. 2018b, "Generating natural adversarial examples".  Their released code draws the sentence of the chosen code
anew after the query; here the very text that was queried is returned.  And neither the original in other clothes nor a
text that was asked before costs a query.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from textsem.attacks.candidates import Candidate, pair_seed
from textsem.attacks.code_spaces import CodeSpace
from textsem.attacks.search import predict_checked
from textsem.attacks.selection import plain_form
from textsem.latent.shells import Shell, Shells, ShellSearch, draw_in_shell
from textsem.outputs import AttackResult
from textsem.protocols import CandidateRows, Constraint, Target
from textsem.text.labels import GOLD_NAMES, agreeing_classes
from textsem.text.vocabulary import SPECIAL_WORDS

__all__ = ["NaturalAdversary", "NaturalAdversaryConfig"]


@dataclass(frozen=True)
class NaturalAdversaryConfig:
    """How hard each pair is attacked.

    Args:
        max_queries: Largest number of rows sent to the target for one pair; of a shell that would pass it, the closest
            texts are asked.
        seed: Seed of the run; each pair derives its own from it.
        chunk_size: Pairs whose shells are asked together.
    """

    max_queries: int = 100
    seed: int = 0
    chunk_size: int = 128

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("max_queries", "chunk_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} >= 1, got {getattr(self, name)}")


@dataclass(frozen=True)
class _Answer:
    """What the target said about a text, and how many rows the pair had sent by then, the shell's own included."""

    candidate: Candidate
    probabilities: Tensor
    is_flip: bool
    queries: int


@dataclass
class _Pair:
    """Where the search for one pair stands.

    ``right`` are the target's classes that agree with the gold label, any other is a flip; ``answers`` by plain form,
    None for what a constraint refused.
    """

    result: AttackResult
    right: tuple[int, ...]
    code: Tensor
    generator: torch.Generator
    shells: Shells
    shell: Shell | None
    answers: dict[str, _Answer | None] = field(default_factory=dict)
    draws: list[tuple[float, str]] = field(default_factory=list)
    queries: int = 0
    best: tuple[float, _Answer] | None = None

    def advance(self) -> None:
        """Take the closest flip among the shell's draws, and go on to the next shell."""
        flips = [
            (radius, answer) for radius, form in self.draws if (answer := self.answers.get(form)) and answer.is_flip
        ]
        closest = min(flips, key=lambda flip: flip[0], default=None)
        if closest is not None and (self.best is None or closest[0] < self.best[0]):
            self.best = closest
        try:
            self.shell = self.shells.send(closest[0] if closest else None)
        except StopIteration:
            self.shell = None


class NaturalAdversary:
    """Draw codes shell by shell, ask the target about their sentences, keep the closest flip; a ``PairAttack``.

    The shells of all pairs are decoded pair by pair and asked together.  A pair that fails has seen all its shells, or
    has spent its budget.  ``queries`` of a result is every row sent for the pair: the hybrid search walks on inward
    after its first flip, so this may be more than it took to meet the text that is returned.  A text met again at a
    smaller radius counts as being there, without another query.

    Args:
        space: The codes.
        search: The order of shells: ``IterativeStochasticSearch`` or ``HybridShrinkingSearch``.
        config: Budget and seed.
        constraints: What a text must meet before it may cost a query, asked in this order; none for the search as
            published.
    """

    def __init__(
        self,
        space: CodeSpace,
        search: ShellSearch,
        config: NaturalAdversaryConfig,
        *,
        constraints: Sequence[Constraint] = (),
    ) -> None:
        self.space = space
        self.search = search
        self.config = config
        self.constraints = tuple(constraints)

    @property
    def chunk_size(self) -> int:
        """Pairs that are attacked together."""
        return self.config.chunk_size

    def supports(self, hypothesis: str) -> str | None:
        """Return None, or the reason why this hypothesis has no code."""
        return self.space.supports(hypothesis)

    def attack(self, results: Sequence[AttackResult], target: Target) -> tuple[list[AttackResult], Counter[str]]:
        """Attack pairs that are open.

        Args:
            results: Pairs that the target has right, with status ``failed``.
            target: The classifier under attack.

        Returns:
            The same results, each with its outcome; and counts: codes drawn (``proposed``), those that each filter
            dropped (``unchanged``: the original again or no sentence, ``unknown``, ``duplicate``, the name of a
            constraint), texts that might be asked (``kept``), and rows sent after the shell in which the text that is
            returned was asked (``after_success``).

        Raises:
            ValueError: If a result is not open to attack, a code is not finite, or constraint or target answer out of
                form.
        """
        closed = [result.index for result in results if result.status != "failed"]
        if closed:
            raise ValueError(f"expected results with status failed, got others at {closed[:5]}")
        counts: Counter[str] = Counter()
        pairs = [self._begin(result, agreeing_classes(result.label, target.label_names)) for result in results]
        active = pairs
        while active:
            new = [self._draw(pair, counts) for pair in active]
            for constraint in self.constraints:
                new = _apply_constraint(constraint, active, new, counts)
            counts["kept"] += sum(map(len, new))
            left = [self.config.max_queries - pair.queries for pair in active]
            _ask(target, active, [candidates[:n] for candidates, n in zip(new, left, strict=True)])
            for pair in active:
                pair.advance()
            active = [p for p in active if p.shell is not None and p.queries < self.config.max_queries]
        counts["after_success"] += sum(pair.queries - pair.best[1].queries for pair in pairs if pair.best)
        return [_with_outcome(pair, target.label_names) for pair in pairs], counts

    def _begin(self, result: AttackResult, right: tuple[int, ...]) -> _Pair:
        code = self.space.encode([result.hypothesis])[0]
        if not bool(torch.isfinite(code).all()):
            raise ValueError("expected a finite code, got nan or inf")
        seed = pair_seed(self.config.seed, result.premise, result.hypothesis, result.label)
        shells = self.search.shells()
        return _Pair(result, right, code, torch.Generator().manual_seed(seed), shells, next(shells))

    def _draw(self, pair: _Pair, counts: Counter[str]) -> list[Candidate]:
        """Draw in the pair's shell, note what was drawn where, and return what is new, closest first."""
        assert pair.shell is not None
        num_draws = self.search.num_draws
        codes, radii = draw_in_shell(pair.code, pair.shell, num_draws=num_draws, generator=pair.generator)
        unchanged = plain_form(pair.result.hypothesis)
        pair.draws, new = [], {}
        counts["proposed"] += num_draws
        for candidate, radius in zip(self.space.decode(pair.result.hypothesis, codes), radii.tolist(), strict=True):
            if candidate is None or (form := plain_form(candidate.text)) == unchanged:
                counts["unchanged"] += 1
            elif not set(SPECIAL_WORDS).isdisjoint(candidate.words):
                counts["unknown"] += 1
            else:
                pair.draws.append((radius, form))
                if form in new or form in pair.answers:
                    counts["duplicate"] += 1
                else:
                    new[form] = candidate
        return list(new.values())


def _apply_constraint(
    constraint: Constraint, pairs: Sequence[_Pair], new: Sequence[Sequence[Candidate]], counts: Counter[str]
) -> list[list[Candidate]]:
    """Ask one constraint about the texts of all pairs in one call; what it refuses is not asked about again."""
    owners = [pair for pair, candidates in zip(pairs, new, strict=True) for _ in candidates]
    texts = [candidate.text for candidates in new for candidate in candidates]
    rows = CandidateRows(
        [pair.result.premise for pair in owners],
        [pair.result.hypothesis for pair in owners],
        texts,
        [GOLD_NAMES.index(pair.result.label) for pair in owners],
    )
    answers = constraint.accepts(rows) if texts else []
    if len(answers) != len(texts):
        raise ValueError(f"expected {len(texts)} answers of {constraint.name}, got {len(answers)}")
    for pair, text, is_accepted in zip(owners, texts, answers, strict=True):
        if not is_accepted:
            counts[constraint.name] += 1
            pair.answers[plain_form(text)] = None
    return [
        [candidate for candidate in candidates if plain_form(candidate.text) not in pair.answers]
        for pair, candidates in zip(pairs, new, strict=True)
    ]


def _ask(target: Target, pairs: Sequence[_Pair], asked: Sequence[Sequence[Candidate]]) -> None:
    """Send the texts of all pairs to the target together, and write its answers down."""
    rows = [(pair, candidate) for pair, candidates in zip(pairs, asked, strict=True) for candidate in candidates]
    if not rows:
        return
    premises, texts = [pair.result.premise for pair, _ in rows], [candidate.text for _, candidate in rows]
    for pair, candidates in zip(pairs, asked, strict=True):
        pair.queries += len(candidates)
    for (pair, candidate), row in zip(rows, predict_checked(target, premises, texts), strict=True):
        is_flip = int(row.argmax()) not in pair.right
        pair.answers[plain_form(candidate.text)] = _Answer(candidate, row, is_flip, pair.queries)


def _with_outcome(pair: _Pair, names: Sequence[str]) -> AttackResult:
    """Write down what the search found."""
    if pair.best is None:
        return replace(pair.result, queries=pair.queries)
    answer = pair.best[1]
    scores = dict(zip(names, answer.probabilities.tolist(), strict=True))
    return replace(
        pair.result,
        status="success",
        adversarial=answer.candidate.text,
        adversarial_prediction=names[int(answer.probabilities.argmax())],
        scores={**(pair.result.scores or {}), "adversarial": scores},
        queries=pair.queries,
        distance=answer.candidate.distance,
        edits=answer.candidate.edits,
    )
