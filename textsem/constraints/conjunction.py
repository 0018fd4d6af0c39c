"""Several constraints as one: ``fluency & similarity & edits``."""

from textsem.protocols import CandidateRows, Constraint

__all__ = ["Composable", "Conjunction"]


class Composable:
    """Give a constraint the operator ``&``; it works from either side, so that one of a user's own needs nothing."""

    def __and__(self: Constraint, other: Constraint) -> "Conjunction":
        """Return the constraint that both accept, this one asked first."""
        return Conjunction(self, other) if isinstance(other, Constraint) else NotImplemented

    def __rand__(self: Constraint, other: Constraint) -> "Conjunction":
        """Return the constraint that both accept, the other one asked first."""
        return Conjunction(other, self) if isinstance(other, Constraint) else NotImplemented


class Conjunction(Composable):
    """Accept what every part accepts; implements ``Constraint``.

    Parts are asked in order, each only about the rows that all parts before it accepted: put the cheap ones first.

    Args:
        parts: Constraints; conjunctions among them are taken apart.

    Raises:
        ValueError: If there is no part.
    """

    def __init__(self, *parts: Constraint) -> None:
        if not parts:
            raise ValueError("expected at least one constraint, got none")
        self.parts: tuple[Constraint, ...] = tuple(
            inner for part in parts for inner in (part.parts if isinstance(part, Conjunction) else (part,))
        )
        self.name = " & ".join(part.name for part in self.parts)

    def accepts(self, rows: CandidateRows) -> list[bool]:
        """Return one answer a row: do all parts accept it?

        Raises:
            ValueError: If a part does not answer for each row it is asked about.
        """
        kept = list(range(len(rows)))
        for part in self.parts:
            answers = part.accepts(rows.select(kept)) if kept else []
            if len(answers) != len(kept):
                raise ValueError(f"expected {len(kept)} answers of {part.name}, got {len(answers)}")
            kept = [row for row, accepted in zip(kept, answers, strict=True) if accepted]
        accepted = set(kept)
        return [row in accepted for row in range(len(rows))]
