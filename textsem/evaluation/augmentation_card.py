"""``README.md`` beside augmented data: what the rows are, what they are not, and how they came to be."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from textsem.evaluation.augmentation_batches import ORIGINAL, ORIGINAL_HYPOTHESIS
from textsem.evaluation.augmentation_summary import AugmentationSummary
from textsem.runs.card import card_end
from textsem.runs.formats import number, percent
from textsem.training.adversary_report import file_name

__all__ = ["CardFacts", "data_card"]

MEANING = {
    ORIGINAL: "as the data has it",
    "adversarial": "changes the answer of the target",
    "boundary": "leaves the target's answer, but barely",
    "neighbours": "beside the old one on the manifold; no target was asked",
}


@dataclass(frozen=True)
class CardFacts:
    """What a card tells beside the figures.

    Args:
        file: Name of the file or folder with the rows.
        form: ``parquet``, ``jsonl`` or ``datasets``.
        new_only: Whether the data's own rows were left out.
        data: Source, split, rows, digest, and how many rows had no label.
        models: Those that took part, by role.
        settings: All options, plain JSON types.
        seed: The seed.
        num_workers: Processes, as the run ended.
        command: What was typed.
        machine: Where it ran.
        notice: What must be told about the data, or None.
    """

    file: str
    form: str
    new_only: bool
    data: Mapping[str, Any]
    models: Mapping[str, Mapping[str, str | None]]
    settings: Mapping[str, Any]
    seed: int
    num_workers: int
    command: str
    machine: str
    notice: str | None = None


def data_card(summary: AugmentationSummary, facts: CardFacts) -> str:
    """Return the card in Markdown, which names no folder of a machine."""
    lines = [
        *_front_matter(facts),
        "# Augmented NLI pairs",
        "",
        *([f"**Notice:** {facts.notice}", ""] if facts.notice else []),
        f"{number(summary.num_new_rows, 0)} new rows beside {number(summary.num_pairs, 0)} pairs, in `{facts.file}`"
        + (", which holds the new rows alone. " if facts.new_only else ", each pair followed by its new rows. ")
        + "A new row has the premise and the label of a pair, and a hypothesis that textsem found near the pair's own.",
        "",
        *_consent(facts),
        "",
        "Columns: `premise`, `hypothesis`, `label`, `origin`, `original_hypothesis`, and `index`, the position of the "
        "pair among the labelled pairs of the input.",
        "",
        "## Rows and labels",
        "",
        *_balance(summary),
        "",
        *_passed_over(summary, facts),
        "",
        "## Filters",
        "",
        *_filters(summary),
        "",
        *_examples(summary),
        "## How it was made",
        "",
        f"- Data: {file_name(str(facts.data['source']))}"
        + (f", split {facts.data['split']}" if facts.data.get("split") else "")
        + f", {facts.data['rows']} labelled pairs, sha256 {str(facts.data['sha256'])[:16]}",
        *(f"- {role.replace('_', ' ').capitalize()}: {_model(model)}" for role, model in facts.models.items()),
        f"- Speed: {_speed(summary)}, {_several(facts.num_workers, 'process', 'processes')}, "
        f"{number(summary.seconds, 1)} s in all",
        *card_end(
            command=facts.command, seed=facts.seed, machine=facts.machine, settings=_without_folders(facts.settings)
        ),
        "## Licence",
        "",
        "New rows are made from the pairs of the data: they inherit its licence and its terms, such as naming the "
        "source and sharing alike.",
        "",
    ]
    return "\n".join(lines)


def _front_matter(facts: CardFacts) -> Iterator[str]:
    """Yield what lets ``datasets.load_dataset`` tell the rows from the other files of the folder."""
    if facts.form != "datasets":
        yield from ("---", "configs:", "- config_name: default", f"  data_files: {facts.file}", "---", "")


def _consent(facts: CardFacts) -> Iterator[str]:
    model = facts.models.get("filter_model")
    if model is None:
        yield (
            "**No model and no person has looked at the labels of the new rows.** Each has its pair's label, whether "
            "that still holds or not: expect wrong ones, and look at the examples below before training on these rows."
        )
        return
    name = str(model["name"])
    who = "the small classifier that comes with textsem" if name == "bundled" else f"the model {_named(name)}"
    yield (
        f"**No person has looked at the labels of the new rows.** They stand on the consent of one model, {who}: "
        f"a row was kept where it put the pair's label ahead of every other by at least "
        f"{number(facts.settings.get('min_margin'))} nats. Where that model is wrong, so is the label; and rows on "
        "which it was in doubt are missing. Look at the examples below before training on these rows, and do not "
        "score anything by them: they are no test set."
    )


def _balance(summary: AugmentationSummary) -> Iterator[str]:
    yield f"| rows | what they are | {' | '.join(summary.labels)} | all |"
    yield f"| --- | --- |{' ---: |' * (len(summary.labels) + 1)}"
    groups = [(origin, MEANING[origin], summary.of_origin(origin)) for origin in summary.origins]
    new = [origin for origin in summary.origins if origin != ORIGINAL]
    groups.append(("all new", "after filters", summary.of_origin(*new)))
    groups.append(("all", "before and new together", summary.of_origin(*summary.origins)))
    for name, meaning, by_label in groups:
        total = sum(by_label.values())
        cells = (f"{number(n, 0)} ({percent(n / total if total else None)})" for n in by_label.values())
        yield f"| {name} | {meaning} | {' | '.join(cells)} | {number(total, 0)} |"


def _passed_over(summary: AugmentationSummary, facts: CardFacts) -> Iterator[str]:
    counts = summary.counts
    yield (
        f"Passed over: {_several(facts.data.get('dropped_unlabelled', 0), 'row')} without label, "
        f"{_several(summary.num_problems, 'pair')} that could not be read."
    )
    yield (
        f"Of {_several(counts.get('pairs', 0), 'pair')}, {counts.get('perturbed', 0)} were tried; "
        f"{counts.get('not drawn', 0)} were not drawn, {counts.get('unsupported', 0)} have a hypothesis that the "
        f"adversary cannot perturb, {counts.get('errors', 0)} ended in an error. "
        f"{_several(counts.get('target wrong', 0), 'pair')} the target had wrong: only neighbours could be made."
    )


def _filters(summary: AugmentationSummary) -> Iterator[str]:
    counts = summary.counts
    yield (
        f"{number(counts.get('proposed', 0), 0)} candidates were proposed, {number(counts.get('passed', 0), 0)} met "
        f"the conditions that all are asked, {number(counts.get('tried', 0), 0)} were tried as a row."
    )
    yield ""
    yield "| filter | dropped | share | of |"
    yield "| --- | ---: | ---: | --- |"
    for drop in summary.dropped():
        which = "tried" if drop.filter in ("similarity", "consent") else "proposed"
        yield f"| {drop.filter} | {number(drop.count, 0)} | {percent(drop.share)} | {number(drop.asked, 0)} {which} |"


def _examples(summary: AugmentationSummary) -> Iterator[str]:
    for origin, rows in summary.examples.items():
        yield f"## Examples: {origin}"
        yield ""
        yield "Drawn at random by the seed."
        yield ""
        yield "| premise | hypothesis of the pair | new hypothesis | label |"
        yield "| --- | --- | --- | --- |"
        for row in rows:
            cells = (row["premise"], row[ORIGINAL_HYPOTHESIS], row["hypothesis"], row["label"])
            yield f"| {' | '.join(map(_cell, cells))} |"
        yield ""


def _cell(text: str) -> str:
    """Return text that stays within its cell and is no markup there."""
    plain = " ".join(text.split()).replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;")
    for mark in "|*_`[]":
        plain = plain.replace(mark, f"\\{mark}")
    return plain


def _speed(summary: AugmentationSummary) -> str:
    if not summary.seconds:
        return "not measured"
    return (
        f"{number(summary.num_new_rows / summary.seconds)} new rows a second, "
        f"{number(summary.num_pairs / summary.seconds)} pairs a second"
    )


def _model(model: Mapping[str, str | None]) -> str:
    digest = model.get("sha256")
    return _named(str(model["name"])) + (f", sha256 {digest[:16]}" if digest else "")


def _named(name: str) -> str:
    return name if name == "bundled" else f"`{file_name(name)}`"


def _several(count: int, one: str, many: str | None = None) -> str:
    return f"{number(count, 0)} {one if count == 1 else many or one + 's'}"


def _without_folders(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: file_name(value) if isinstance(value, str) else value for name, value in settings.items()}
