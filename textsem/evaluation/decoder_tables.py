"""The table of a comparison of decoders, one column a model, in Markdown."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from textsem.evaluation.compare_tables import NEAR_BUDGET
from textsem.evaluation.decoder_runs import OWN
from textsem.runs.formats import DASH, number, percent

__all__ = ["to_markdown"]

FREE_NAMES = {
    "adversarial": "free text, moved by E'",
    "isotropic": "free text, moved as far by noise",
    "reconstruction": "free text, not moved",
}

Row = Mapping[str, Any]
Line = tuple[str, Callable[[Row], str]]  # what stands at the left, and a model's cell


def to_markdown(found: Mapping[str, Any]) -> str:
    """Return verdict, what was compared on, the table, and what its rows mean.

    Args:
        found: What ``decoders.json`` holds.
    """
    models: Mapping[str, Row] = found["models"]
    controls = [name for name in next(iter(models.values()))["attacks"]["rows"] if name != OWN]
    lines = [*_about_models(), *_about_free_text(), *_about_attacks(controls), *_about_times()]
    return "\n".join(
        [
            f"# Decoders compared: {', '.join(models)}",
            "",
            *([f"Notice: {found['notice']}", ""] if found["notice"] else []),
            *(f"{name}: {sentence}\n" for name, sentence in found["headlines"].items() if sentence),
            found["verdict"]["text"],
            "",
            *_facts(found),
            "",
            *_table(["", *models], [[label, *map(cell, models.values())] for label, cell in lines]),
            "",
            *_notes(),
            "",
        ]
    )


def _facts(found: Mapping[str, Any]) -> list[str]:
    data, thresholds = found["data"], found["thresholds"]
    source = f"{data['source']} ({data['split']})" if data["split"] else data["source"]
    fitted = found["measured_by"]["language_model_fitted_on"]
    attacked = next(iter(found["models"].values()))["attacks"]["rows"][OWN]["valid"]["of"]
    return [
        f"- pairs: {found['pairs']} of {source}, {attacked} of them right before; "
        f"{found['taken_by_all']} that every model takes, for free text; {found['sentences']} sentences reconstructed",
        f"- target: {found['took_part']['target']['name']}; judge: {found['judge']}",
        f"- valid: similarity at least {thresholds['min_similarity']}, perplexity at most "
        f"{thresholds['max_perplexity_ratio']} times the original's, no new unknown word",
        f"- perplexity under one trigram for all, fitted on: {', '.join(fitted['fitted_on'])}",
        f"- seed {found['settings']['seed']}; intervals are of 95%: Wilson's of a share, order statistics of a median",
    ]


def _about_models() -> list[Line]:
    return [
        ("decoder", lambda row: row["decoder"]),
        ("encoder", lambda row: row["encoder"]),
        ("parameters", lambda row: f"{row['parameters']['all']:,}"),
        ("parameters of the decoder", lambda row: f"{row['parameters']['decoder']:,}"),
        ("**reconstruction** (free running)", lambda row: ""),
        ("tokens", lambda row: percent(row["reconstruction"]["share_of_tokens"])),
        ("sentences exact", lambda row: percent(row["reconstruction"]["share_exact"])),
        ("BLEU", lambda row: percent(row["bleu"])),
        ("tokens, codes shuffled", lambda row: _shuffled(row, "share_of_tokens_shuffled", "points_lost")),
        ("tokens, teacher forced", lambda row: percent(row["code_use"]["teacher_forced_share"])),
        (
            "tokens, teacher forced, codes shuffled",
            lambda row: _shuffled(row, "teacher_forced_share_shuffled", "teacher_forced_points_lost"),
        ),
    ]


def _about_free_text() -> list[Line]:
    return [line for source, title in FREE_NAMES.items() for line in _about_source(source, title)]


def _about_source(source: str, title: str) -> list[Line]:
    return [
        (f"**{title}**", lambda row: ""),
        ("perplexity ratio, median", lambda row: _median(row["free"][source])),
        ("ratio at most 2", lambda row: percent(row["free"][source]["share_good"])),
        ("similarity, median", lambda row: _ratio(row["free"][source]["median_similarity"])),
        ("words changed, median", lambda row: number(row["free"][source]["median_changed_words"])),
        ("where a word has changed: perplexity ratio, median", lambda row: _changed(row["free"][source]["changed"])),
        *(
            [("other than not moved", lambda row: percent(row["free"][source]["share_moved"]))]
            if source != "reconstruction"
            else []
        ),
    ]


def _changed(figures: Row | None) -> str:
    if figures is None:
        return DASH
    return f"{_median(figures)}, {figures['n']} sentences, {number(figures['median_changed_words'])} words"


def _about_attacks(controls: Sequence[str]) -> list[Line]:
    def own(row: Row) -> Row:
        figures: Row = row["attacks"]["rows"][OWN]
        return figures

    lines: list[Line] = [
        ("**attack with E'**", lambda row: ""),
        *_about_success(OWN),
        ("perplexity ratio of flips, median", lambda row: _median(own(row)["texts_of_flips"])),
        ("perplexity ratio of valid ones, median", lambda row: _median(own(row)["texts_of_valid"])),
        ("similarity of valid ones, median", lambda row: _ratio(own(row)["texts_of_valid"]["median_similarity"])),
        ("words changed of valid ones, median", lambda row: number(own(row)["texts_of_valid"]["median_changed_words"])),
        ("queries of valid ones, median", lambda row: number(own(row)["median_queries_at_valid"])),
        ("pairs too long", lambda row: number(own(row)["unsupported"])),
        ("valid, against the first model", lambda row: _paired(row["versus_first"])),
    ]
    return lines + [line for control in controls for line in _about_control(control)]


def _about_success(attack: str) -> list[Line]:
    columns = {
        f"flips within {NEAR_BUDGET} queries": f"flips_within_{NEAR_BUDGET}",
        "flips": "flips",
        f"valid within {NEAR_BUDGET} queries": f"valid_within_{NEAR_BUDGET}",
        "valid": "valid",
    }

    def line(label: str, key: str) -> Line:
        return label, lambda row: _rate(row["attacks"]["rows"][attack][key])

    return [line(label, key) for label, key in columns.items()]


def _about_control(control: str) -> list[Line]:
    return [
        (f"**attack with {control}**", lambda row: ""),
        *_about_success(control),
        ("valid, E' against it", lambda row: _paired(row["attacks"]["paired"][control])),
    ]


def _about_times() -> list[Line]:
    return [
        ("**processor time**, of the first model's", lambda row: ""),
        ("a sentence decoded", lambda row: _ratio(row["times"]["decode"])),
        ("candidates of a hypothesis", lambda row: _ratio(row["times"]["candidates"])),
    ]


def _notes() -> list[str]:
    return [
        "- shares of attacks are of the pairs that the target had right; a pair that is too long for a model counts as "
        "its failure",
        "- free text: the code's greedy sentence, no candidate dropped, every sentence counted; an unknown word is the "
        "original's own; noise moves each code as far as E' does",
        "- ratios are of perplexities, new sentence to original, by one trigram for all models; an attack drops "
        "candidates by the ratio under its own model's trigram, so that those of flips and valid ones are bounded",
        "- a trigram sees three words at a time, and a rare word in the original makes any other text look likely: the "
        "ratio is a yardstick for many sentences, not for one",
        "- codes shuffled: each sentence decoded from the code of another one of as many words; points lost against "
        "the same sentences' own codes",
        "- BLEU: nltk, 1 to 4 words, smoothing 1 of Chen & Cherry 2014; unknown words never match",
        "- against: pairs won alone : pairs lost alone, with the p-value of McNemar's exact test",
        "- the judge errs too: shares of valid success are no better than it is",
    ]


def _shuffled(row: Row, share: str, points_lost: str) -> str:
    use = row["code_use"]
    return DASH if use[share] is None else f"{percent(use[share])} ({use[points_lost]:.1f} points lost)"


def _median(figures: Row) -> str:
    bounds = figures["median_ratio_interval"]
    within = "" if bounds is None else f" ({_ratio(bounds[0])} to {_ratio(bounds[1])})"
    return _ratio(figures["median_ratio"]) + within


def _ratio(value: float | None) -> str:
    return DASH if value is None else f"{value:.2f}"


def _rate(rate: Mapping[str, Any]) -> str:
    if rate["rate"] is None:
        return DASH
    low, high = rate["interval"]
    return f"{percent(rate['rate'])} ({percent(low)} to {percent(high)})"


def _paired(paired: Mapping[str, Any] | None) -> str:
    if paired is None:
        return DASH
    valid = paired["valid"]
    return f"{valid['only_first']} : {valid['only_second']}, p = {valid['p_value']:.2g}"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [columns, ["---"] * len(columns), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
