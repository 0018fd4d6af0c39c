"""A page of random examples: what each adversary of a comparison makes of the same sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch

from textsem.evaluation.decoder_runs import JudgedPairs, scoring_judge
from textsem.evaluation.judges import Judgement
from textsem.evaluation.judging import Jury
from textsem.evaluation.validity_conditions import failed_conditions, is_flip, was_attacked
from textsem.evaluation.word_differences import WordPiece, word_differences
from textsem.outputs import AttackResult
from textsem.runs import formats

__all__ = ["NUM_EXAMPLES", "Example", "ModelExample", "choose_examples", "write_examples"]

NUM_EXAMPLES = 20
TEMPLATE = "decoders.html.j2"


@dataclass(frozen=True)
class ModelExample:
    """What one adversary makes of a hypothesis, word by word against the original.

    Args:
        reconstruction: Free text of its code.
        adversarial: Free text of its code, moved by E'.
        adversarial_figures: Perplexity ratio, similarity and changed words of the latter.
        result: What became of the pair in the attack.
        attacked: The hypothesis that flipped the label; None where there is none.
        judgement: What was measured about it.
        failed: The conditions of validity that it fails.
    """

    reconstruction: Sequence[WordPiece]
    adversarial: Sequence[WordPiece]
    adversarial_figures: Mapping[str, Any]
    result: AttackResult
    attacked: Sequence[WordPiece] | None = None
    judgement: Judgement | None = None
    failed: Sequence[str] = ()


@dataclass(frozen=True)
class Example:
    """One pair.

    Args:
        result: Its line in the first model's attack: index, premise, hypothesis, label.
        models: By name.
    """

    result: AttackResult
    models: Mapping[str, ModelExample]


def choose_examples(
    attacks: Mapping[str, JudgedPairs],
    texts: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]],
    indices: Sequence[int],
    jury: Jury,
    *,
    seed: int,
    num_examples: int = NUM_EXAMPLES,
) -> list[Example]:
    """Draw pairs that every model takes and the target had right, the same for all models, in input order.

    Args:
        attacks: Lines and judgements of each model's E'.
        texts: Free text of each model, by source, in the order of ``indices``.
        indices: Places of the pairs that every model takes.
        jury: Who judged them.
        seed: Draws; nothing else chooses.
        num_examples: Most examples.
    """
    lines = {name: {result.index: result for result in results} for name, (results, _) in attacks.items()}
    judged = {name: {one.index: one for one in judgements} for name, (_, judgements) in attacks.items()}
    first = next(iter(lines.values()))
    rows = [row for row, index in enumerate(indices) if was_attacked(first[index])]
    generator = torch.Generator().manual_seed(seed)
    chosen = sorted(torch.randperm(len(rows), generator=generator)[:num_examples].tolist())

    def of_model(name: str, row: int) -> ModelExample:
        index = indices[row]
        result, judgement = lines[name][index], judged[name].get(index)
        own, moved = texts[name]["reconstruction"][row], texts[name]["adversarial"][row]
        example = ModelExample(
            reconstruction=word_differences(result.hypothesis, own["text"]),
            adversarial=word_differences(result.hypothesis, moved["text"]),
            adversarial_figures=moved,
            result=result,
        )
        if judgement is None or not is_flip(result):
            return example
        return replace(
            example,
            attacked=word_differences(result.hypothesis, result.adversarial or ""),
            judgement=judgement,
            failed=sorted(failed_conditions(result, judgement, scoring_judge(jury), jury.thresholds)),
        )

    return [
        Example(first[indices[row]], {name: of_model(name, row) for name in attacks})
        for row in (rows[i] for i in chosen)
    ]


def write_examples(path: str | Path, examples: Sequence[Example], found: Mapping[str, Any]) -> None:
    """Write the page.  It needs no network and loads nothing.

    Args:
        path: The HTML file.
        examples: From ``choose_examples``.
        found: What ``decoders.json`` holds.
    """
    from jinja2 import Environment, StrictUndefined

    source = files("textsem.evaluation").joinpath("templates", TEMPLATE).read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"number": formats.number, "percent": formats.percent}
    page = environment.from_string(source).render(examples=examples, found=found, models=found["models"])
    Path(path).write_text(page, encoding="utf-8")
