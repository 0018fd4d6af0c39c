"""The main job: attack a classifier on SNLI and leave results, summary and report in a folder."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from textsem.attacks.controls import make_source
from textsem.attacks.runner import CandidateAttack, run_attack
from textsem.data.nli import NliData, load_nli
from textsem.evaluation.codes import MeasuredCodes, measure_codes
from textsem.evaluation.control_runs import read_controls
from textsem.evaluation.filters import load_filters
from textsem.evaluation.headline import headline
from textsem.evaluation.identity import identify_model, model_folder
from textsem.evaluation.judges import JUDGEMENTS_NAME
from textsem.evaluation.judging import judge_lines, load_jury
from textsem.evaluation.metrics import summarise
from textsem.evaluation.report import write_report
from textsem.evaluation.results import (
    RESULTS_NAME,
    SUMMARY_NAME,
    ResultsWriter,
    RunFacts,
    begin_run,
    read_results,
    resume_run,
    write_summary,
)
from textsem.evaluation.run_config import NOT_BINDING, AttackSnliConfig
from textsem.model import TextAdversary
from textsem.outputs import AttackResult
from textsem.targets.loading import BUNDLED_FOLDER as BUNDLED_TARGET
from textsem.targets.loading import load_target
from textsem.targets.metering import MeteredTarget
from textsem.text.labels import LABEL_NAMES

__all__ = ["BUNDLED_MODEL", "FILE_NAMES", "attack_snli"]

BUNDLED_MODEL = Path(__file__).parent.parent / "assets" / "adversary"
REPORT_NAME = "report.html"
FILE_NAMES = (RESULTS_NAME, SUMMARY_NAME, REPORT_NAME)


def attack_snli(config: AttackSnliConfig, *, show_progress: bool = False) -> dict[str, Any]:
    """Attack a target on NLI pairs; write ``results.jsonl``, ``summary.json`` and ``report.html``.

    Args:
        config: The options.
        show_progress: Draw a progress bar on standard error.

    Returns:
        What ``summary.json`` holds.

    Raises:
        ValueError: If an option, the data, the target or the adversary does not fit, or if the run to be resumed was
            made with other settings.
    """
    attack_config = config.attack_config()
    data = load_nli(config.data, split=config.split, limit=config.limit)
    loaded = load_target(
        config.target, device=config.device_name(), batch_size=config.batch_size, label_order=config.label_order
    )
    target = MeteredTarget(loaded, access=config.access)
    model = _load_adversary(config)
    codes_config = config.codes_config(model.config.num_particles)
    filters = load_filters(config.filter_config(), model)
    source = make_source(config.candidates_from, model, codes_config)
    identity = {
        "adversary": identify_model(config.model, BUNDLED_MODEL),
        "target": identify_model(config.target, BUNDLED_TARGET),
        **filters.identity,
    }

    # Loaded before the search, so that a wrong name costs none, and asked after it.
    jury_config = config.jury_config()
    trigram_folder = model_folder(config.model, BUNDLED_MODEL)
    jury = jury_config and load_jury(jury_config, model.language_model, trigram_folder, took_part=identity)

    folder = Path(config.output)
    settings = {name: value for name, value in asdict(config).items() if name not in NOT_BINDING}
    settings |= {"source": data.identity.source, "split": data.identity.split, "chunk_size": attack_config.chunk_size}
    moves = {name: value for name, value in asdict(codes_config).items() if name != "seed"}
    settings |= {"identity": identity, "moves": moves}
    if config.resume:
        num_completed = _check_prefix(resume_run(folder, settings), data)
    else:
        num_completed = 0
        begin_run(folder, settings)
    (folder / JUDGEMENTS_NAME).unlink(missing_ok=True)

    with ResultsWriter(folder / RESULTS_NAME) as writer:
        statistics = run_attack(
            data,
            target,
            CandidateAttack(source, attack_config, constraints=filters.steps, ranker=filters.ranker),
            writer,
            num_completed=num_completed,
            show_progress=show_progress,
        )
    results = read_results(folder / RESULTS_NAME)
    judgements, validity = judge_lines(folder, results, jury) if jury else (None, None)
    measured = _measured(config, model, data, codes_config.num_particles)
    facts = RunFacts(
        settings=asdict(config),
        seed=config.seed,
        data={**asdict(data.identity), "dropped_unlabelled": data.dropped_unlabelled},
        model=identity,
        rows_sent=sum(r.queries + (r.prediction is not None) for r in results),
        seconds=statistics.seconds,
        pairs_per_second=statistics.pairs / statistics.seconds if statistics.seconds else 0.0,
        latent_noise=asdict(measured.noise) if measured else None,
        notice=data.notice,
    )
    metrics = {**summarise(results), "validity": validity}
    controls = read_controls(config.controls, results, judgements=judgements, validity=validity)
    # Rows and candidates of this process alone: a resumed run did not count what came before it.
    here = {"candidates": dict(statistics.candidates), "target": target.counts["attack"].to_dict()}
    first_error = next((r.message for r in results if r.status == "error"), None)
    metrics |= {"headline": headline(metrics, controls), "first_error": first_error, "this_process": here}
    summary = write_summary(folder / SUMMARY_NAME, metrics, facts)
    write_report(
        folder / REPORT_NAME,
        summary,
        results,
        codes=(measured.clean, measured.perturbed) if measured else None,
        notice=data.notice,
        controls=controls,
        judgements=judgements,
    )
    return summary


def _load_adversary(config: AttackSnliConfig) -> TextAdversary:
    model = TextAdversary.from_pretrained(model_folder(config.model, BUNDLED_MODEL))
    found = model.config.decoder_name
    if config.decoder not in (None, found):
        raise ValueError(
            f"expected an adversary with decoder {config.decoder}, got {found} in {config.model}: name the folder of "
            f"one with --model; scripts/train_adversary.py --decoder {config.decoder} trains it"
        )
    return model


def _measured(
    config: AttackSnliConfig, model: TextAdversary, data: NliData, num_particles: int
) -> MeasuredCodes | None:
    """Return the codes that E' moved; the controls do not use it, so that its noise would say nothing about them."""
    if config.candidates_from != "adversarial":
        return None
    return measure_codes(model, data.hypotheses, data.labels, num_particles=num_particles, seed=config.seed)


def _check_prefix(done: Sequence[AttackResult], data: NliData) -> int:
    """Return how many pairs are done, after making sure that they are the data's first."""
    for result in done[: len(data)]:
        i = result.index
        if (result.premise, result.hypothesis, result.label) != (
            data.premises[i],
            data.hypotheses[i],
            LABEL_NAMES[data.labels[i]],
        ):
            raise ValueError(f"expected pair {i} of the data as in the run to be resumed, got another one")
    return len(done)
