"""Candidates that every filter accepts, found one candidate of each pair at a time, all pairs together."""

from collections import Counter
from collections.abc import Iterator, Sequence

from textsem.protocols import CandidateRows, Constraint

__all__ = ["ConsentSearch"]


class ConsentSearch:
    """Ask the dear filters about one candidate of each open pair at a time, all pairs together.

    Args:
        premises: One a pair.
        hypotheses: One a pair, the originals.
        numbers: The pairs' labels, of ``GOLD_NAMES``.
        filters: Asked one after another, each about what those before it accepted.
        counts: Gets how many candidates were ``tried``, and how many each filter refused.
    """

    def __init__(
        self,
        premises: Sequence[str],
        hypotheses: Sequence[str],
        numbers: Sequence[int],
        filters: Sequence[Constraint],
        counts: Counter[str],
    ) -> None:
        self.premises, self.hypotheses, self.numbers = premises, hypotheses, numbers
        self.filters, self.counts = filters, counts

    def run(
        self, queues: dict[int, list[str]], taken: Sequence[set[str]], *, num_tries: int, num_rows: int
    ) -> Iterator[tuple[int, list[str]]]:
        """Yield each pair with the texts that every filter accepts, in order.

        Args:
            queues: Texts of each pair, in the order to be tried.
            taken: Texts of each pair that are not to be tried.
            num_tries: Most texts of a pair that are tried.
            num_rows: Most texts of a pair that are accepted.

        Raises:
            ValueError: If a filter gives another number of answers than it was asked.
        """
        queues = {pair: [text for text in queue if text not in taken[pair]] for pair, queue in queues.items()}
        accepted: dict[int, list[str]] = {pair: [] for pair in queues}
        for position in range(num_tries):
            open_pairs = [
                pair for pair, queue in queues.items() if position < len(queue) and len(accepted[pair]) < num_rows
            ]
            for pair in self._accepting(open_pairs, [queues[pair][position] for pair in open_pairs]):
                accepted[pair].append(queues[pair][position])
        yield from accepted.items()

    def _accepting(self, pairs: list[int], texts: list[str]) -> list[int]:
        rows = CandidateRows(
            [self.premises[pair] for pair in pairs],
            [self.hypotheses[pair] for pair in pairs],
            texts,
            [self.numbers[pair] for pair in pairs],
        )
        for part in self.filters:
            if not pairs:
                break
            answers = list(part.accepts(rows))
            if len(answers) != len(pairs):
                raise ValueError(f"expected {len(pairs)} answers of {part.name}, got {len(answers)}")
            self.counts[part.name] += answers.count(False)
            places = [i for i, is_accepted in enumerate(answers) if is_accepted]
            pairs, rows = [pairs[i] for i in places], rows.select(places)
        self.counts["tried"] += len(texts)
        return pairs
