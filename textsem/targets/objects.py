"""Targets that come as objects: our own, a function, or a text-classification pipeline of transformers."""

from collections.abc import Sequence
from typing import Any

from textsem.protocols import Target
from textsem.targets.callable import CallableTarget

__all__ = ["as_target"]


def as_target(given: Any, *, label_order: Sequence[str] | None = None) -> Target:
    """Return an object as a target.

    Args:
        given: A ``Target`` (as it is); a text-classification pipeline of transformers, which is asked for all scores of
            each pair; or any function from pairs to probabilities or labels (see `CallableTarget`).
        label_order: Names of a function's classes, in its order.

    Raises:
        TypeError: If it is none of these.
    """
    if isinstance(given, Target):
        return given
    if _is_text_classification(given):
        return CallableTarget(lambda pairs: _all_scores(given, pairs), label_order=label_order)
    if hasattr(given, "state_dict"):
        raise TypeError(
            f"expected a target, got the bare model {type(given).__name__}, which reads no text: give its folder, a "
            "text-classification pipeline of it, or a function from pairs to probabilities"
        )
    if not callable(given):
        raise TypeError(
            "expected a target: a name, an object with predict and label_names, or a function from pairs to "
            f"probabilities or labels, got {type(given).__name__}"
        )
    return CallableTarget(given, label_order=label_order)


def _is_text_classification(given: Any) -> bool:
    return getattr(given, "task", None) == "text-classification" and hasattr(given, "tokenizer")


def _all_scores(classify: Any, pairs: Sequence[tuple[str, str]]) -> Any:
    """Ask a text-classification pipeline; a cut at the model's own limit is the only one it can make."""
    texts = [{"text": premise, "text_pair": hypothesis} for premise, hypothesis in pairs]
    return classify(texts, top_k=None, truncation=True)
