"""The main job: attack a classifier on SNLI and leave results, summary and report in a folder."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from textsem.attacks.runner import RunStatistics, run_attack
from textsem.data.stream import NliStream, stream_nli
from textsem.evaluation.assembly import AttackAssembler, LoadedAttack
from textsem.evaluation.class_order import suspect_label_order
from textsem.evaluation.codes_of_lines import codes_of_lines
from textsem.evaluation.control_runs import read_controls
from textsem.evaluation.headline import headline
from textsem.evaluation.identity import BUNDLED_MODEL, model_folder, public_name
from textsem.evaluation.judges import JUDGEMENTS_NAME
from textsem.evaluation.judging import Jury, judge_lines, load_jury
from textsem.evaluation.metrics import summarise
from textsem.evaluation.report import write_report
from textsem.evaluation.results import RESULTS_NAME, SUMMARY_NAME
from textsem.evaluation.run_config import NOT_BINDING, AttackSnliConfig
from textsem.evaluation.run_facts import RunFacts, write_summary
from textsem.evaluation.run_lines import RunLines, open_run
from textsem.outputs import AttackResult
from textsem.processes import Processes
from textsem.runs.whole_files import check_writable

__all__ = ["BUNDLED_MODEL", "FILE_NAMES", "attack_snli"]

REPORT_NAME = "report.html"
FILE_NAMES = (RESULTS_NAME, SUMMARY_NAME, REPORT_NAME)


def attack_snli(config: AttackSnliConfig, *, show_progress: bool = False) -> dict[str, Any]:
    """Attack a target on NLI pairs; write ``results.jsonl``, ``summary.json`` and ``report.html``.

    Under ``accelerate launch`` or ``torchrun`` the processes share the pairs; the main one writes summary and report.

    Args:
        config: The options.
        show_progress: Show a line about the progress on standard error.

    Returns:
        What ``summary.json`` holds; nothing in a process that is not the main one.

    Raises:
        ValueError: If an option, the data, the target or the adversary does not fit, or if the run to be resumed was
            made with other settings.
        TargetError: If the target does not answer.
        OSError: If files cannot be read or written.
    """
    if config.num_return_sequences != 1:
        raise ValueError(f"expected num_return_sequences 1, one line a pair, got {config.num_return_sequences}")
    processes = Processes.current()
    placed = replace(config, device=processes.place(config.device_name()))
    # Before anything that takes long: a folder or data of no use cost nothing.
    folder = Path(config.output)
    check_writable(folder)
    data = stream_nli(config.data, split=config.split, limit=config.limit, label_order=config.data_label_order)
    loaded = AttackAssembler().assemble(placed)
    jury = _load_jury(placed, loaded)
    settings = _settings(config, data, loaded)
    with open_run(folder, settings, resume=config.resume, processes=processes) as lines:
        if processes.is_main:
            (folder / JUDGEMENTS_NAME).unlink(missing_ok=True)
        statistics = run_attack(
            data,
            loaded.target,
            loaded.attack,
            lines,
            skip=lines.skip,
            total=config.limit or None,
            show_progress=show_progress and processes.is_main,
        )
        results = lines.finish()
    if not processes.is_main:
        return {}
    return _conclude(config, data, loaded, jury, lines, results, statistics)


def _settings(config: AttackSnliConfig, data: NliStream, loaded: LoadedAttack) -> dict[str, Any]:
    """Return what a line depends on."""
    settings = {name: value for name, value in _public(config).items() if name not in NOT_BINDING}
    moves = {name: value for name, value in asdict(loaded.codes).items() if name != "seed"}
    chunk_size = loaded.attack.chunk_size
    return {
        **settings,
        **{"source": data.source, "split": data.split, "chunk_size": chunk_size},
        **{"identity": loaded.identity, "moves": moves},
    }


def _public(config: AttackSnliConfig) -> dict[str, Any]:
    """Return the options as they may be written into files."""
    return {**asdict(config), **{role: public_name(getattr(config, role)) for role in ("target", "filter_model")}}


def _load_jury(config: AttackSnliConfig, loaded: LoadedAttack) -> Jury | None:
    """Load the judges before the search, so that a wrong name costs none; they are asked after it."""
    jury = config.jury_config()
    if jury is None:
        return None
    folder = model_folder(config.model, BUNDLED_MODEL)
    return load_jury(jury, loaded.adversary.language_model, folder, took_part=loaded.identity)


def _conclude(
    config: AttackSnliConfig,
    data: NliStream,
    loaded: LoadedAttack,
    jury: Jury | None,
    lines: RunLines,
    results: Sequence[AttackResult],
    statistics: RunStatistics,
) -> dict[str, Any]:
    """Judge the lines, write summary and report, and return the summary."""
    folder = Path(config.output)
    judgements, validity = judge_lines(folder, results, jury) if jury else (None, None)
    # The controls do not use E', so that its noise would say nothing about them.
    measured = None
    if config.candidates_from == "adversarial":
        measured = codes_of_lines(loaded.adversary, results, num_particles=loaded.codes.num_particles, seed=config.seed)
    notices = (data.notice, suspect_label_order(results, config.label_order))
    notice = " ".join(text for text in notices if text) or None
    seconds = statistics.seconds + lines.seconds_waited
    facts = RunFacts(
        settings=_public(config),
        seed=config.seed,
        data={**asdict(data.identity), "dropped_unlabelled": data.dropped_unlabelled},
        model=loaded.identity,
        rows_sent=sum(r.queries + (r.prediction is not None) for r in results),
        seconds=seconds,
        pairs_per_second=lines.num_added / seconds if seconds else 0.0,
        num_processes=lines.processes.count,
        latent_noise=asdict(measured.noise) if measured else None,
        notice=notice,
    )
    metrics = {**summarise(results), "validity": validity}
    controls = read_controls(config.controls, results, judgements=judgements, validity=validity)
    # Rows and candidates of this process alone: a resumed run did not count what came before it.
    here = {"candidates": dict(statistics.candidates), "target": loaded.target.counts["attack"].to_dict()}
    first_error = next((r.message for r in results if r.status == "error"), None)
    metrics |= {"headline": headline(metrics, controls), "first_error": first_error, "this_process": here}
    summary = write_summary(folder / SUMMARY_NAME, metrics, facts)
    write_report(
        folder / REPORT_NAME,
        summary,
        results,
        codes=(measured.clean, measured.perturbed) if measured else None,
        notice=notice,
        controls=controls,
        judgements=judgements,
    )
    return summary
