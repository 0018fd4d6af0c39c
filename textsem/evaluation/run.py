"""The main job: attack a classifier on SNLI and leave results, summary and report in a folder."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch

from textsem.attacks.chunk import AttackConfig
from textsem.attacks.controls import make_source
from textsem.attacks.manifold import ManifoldConfig
from textsem.attacks.runner import CandidateAttack, run_attack
from textsem.constraints.fluency import FluencyConstraint
from textsem.data.nli import NliData, load_nli
from textsem.evaluation.codes import MeasuredCodes, measure_codes
from textsem.evaluation.control_runs import read_controls
from textsem.evaluation.headline import headline
from textsem.evaluation.identity import identify_model, model_folder
from textsem.evaluation.judges import JUDGEMENTS_NAME
from textsem.evaluation.judging import JuryConfig, judge_lines, load_jury
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
from textsem.model import TextAdversary
from textsem.outputs import AttackResult
from textsem.protocols import Access, Constraint
from textsem.targets.loading import BUNDLED_FOLDER as BUNDLED_TARGET
from textsem.targets.loading import load_target
from textsem.targets.metering import MeteredTarget
from textsem.text.labels import LABEL_NAMES

__all__ = ["BUNDLED_MODEL", "FILE_NAMES", "AttackSnliConfig", "CandidatesFrom", "attack_snli"]

BUNDLED_MODEL = Path(__file__).parent.parent / "assets" / "adversary"
REPORT_NAME = "report.html"
FILE_NAMES = (RESULTS_NAME, SUMMARY_NAME, REPORT_NAME)

CandidatesFrom = Literal["adversarial", "clean", "isotropic", "neighbours", "reconstruction"]

# What a line does not depend on: a run may be resumed with another value.
NOT_BINDING = (
    *("data", "split", "limit", "output", "resume", "device", "batch_size", "controls"),
    *("judges", "sentence_encoder", "min_similarity"),
)


@dataclass(frozen=True)
class AttackSnliConfig:
    """Every option of the main job.

    Args:
        data: A file, a folder of splits or a hub id; None for SNLI, or the demo pairs where SNLI is not to be had.
        split: Which split.
        limit: Number of pairs from the start; 0 for all.
        target: ``bundled``, or a folder or hub id of a classifier.
        access: ``score``, ``label`` or ``gradient``: what the target tells.
        max_queries: Most rows sent to the target for the candidates of one pair.
        model: ``bundled``, or the folder of an adversary.
        candidates_from: ``adversarial`` for E', or one of the controls of METHOD section 6.
        output: Folder for the results.
        resume: Continue the run in that folder; otherwise it is begun anew.
        seed: Seed of the run.
        device: Where the target runs; None for a GPU if there is one.
        batch_size: Most rows in one forward pass of the target.
        label_order: Label names in the order of the target's outputs, where it calls them LABEL_0, LABEL_1, LABEL_2.
        eps: Gate of Eq. 6: largest L2 distance of the embedded hypotheses; None for any.
        max_edits: Most words that may change; None for any.
        max_perplexity_ratio: How much less likely than the original a candidate may be under the adversary's trigram;
            None for any.
        num_candidates: Codes that are decoded for each pair.
        controls: Folders of finished runs with other ``candidates_from`` on the same pairs and target; the report sets
            this run against them and says first if it is not above one.
        num_particles: M; None for the adversary's own number.
        judges: NLI models that judge the finished run, by name or folder; the first one scores.  None of them may have
            taken part in the attack.
        sentence_encoder: Folder or hub id of the model that measures similarity for the judgement; None for what the
            environment variable TEXTSEM_SENTENCE_ENCODER names.
        min_similarity: Smallest similarity of a valid success.
    """

    data: str | None = None
    split: str = "test"
    limit: int = 300
    target: str = "bundled"
    access: Access = "score"
    max_queries: int = 100
    model: str = "bundled"
    candidates_from: CandidatesFrom = "adversarial"
    output: str = "runs/attack_snli"
    resume: bool = False
    seed: int = 0
    device: str | None = None
    batch_size: int = 64
    label_order: tuple[str, ...] | None = None
    eps: float | None = None
    max_edits: int | None = 3
    max_perplexity_ratio: float | None = 2.0
    num_candidates: int = 200
    num_particles: int | None = None
    controls: tuple[str, ...] = ()
    judges: tuple[str, ...] = ()
    sentence_encoder: str | None = None
    min_similarity: float = 0.80

    def __post_init__(self) -> None:
        """Check what no part checks that is built from these options; lists become tuples."""
        object.__setattr__(self, "controls", tuple(self.controls))
        object.__setattr__(self, "judges", tuple(self.judges))
        if self.label_order is not None:
            object.__setattr__(self, "label_order", tuple(self.label_order))
        if self.candidates_from not in get_args(CandidatesFrom):
            names = ", ".join(get_args(CandidatesFrom))
            raise ValueError(f"expected candidates_from to be one of {names}, got {self.candidates_from!r}")
        for name in ("batch_size", "num_particles"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"expected {name} >= 1, got {value}")
        self.jury_config()

    def attack_config(self) -> AttackConfig:
        """Return the part of the options that the attack loop reads."""
        return AttackConfig(self.max_queries, self.num_candidates, self.eps, self.max_edits, self.seed)

    def jury_config(self) -> JuryConfig | None:
        """Return who judges the finished run; None for nobody."""
        if not self.judges:
            return None
        device = self.device or ("cuda" if torch.cuda.is_available() else "cpu")
        return JuryConfig(self.judges, self.sentence_encoder, self.min_similarity, device=device)


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
    device = config.device or ("cuda" if torch.cuda.is_available() else "cpu")
    loaded = load_target(config.target, device=device, batch_size=config.batch_size, label_order=config.label_order)
    target = MeteredTarget(loaded, access=config.access)
    model = TextAdversary.from_pretrained(model_folder(config.model, BUNDLED_MODEL))
    num_particles = config.num_particles or model.config.num_particles
    codes_config = ManifoldConfig(num_particles=num_particles, seed=config.seed)
    source = make_source(config.candidates_from, model, codes_config)
    identity = {
        "adversary": identify_model(config.model, BUNDLED_MODEL),
        "target": identify_model(config.target, BUNDLED_TARGET),
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
            CandidateAttack(source, attack_config, constraints=_constraints(config, model)),
            writer,
            num_completed=num_completed,
            show_progress=show_progress,
        )
    results = read_results(folder / RESULTS_NAME)
    judgements, validity = judge_lines(folder, results, jury) if jury else (None, None)
    measured = _measured(config, model, data, num_particles)
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


def _measured(
    config: AttackSnliConfig, model: TextAdversary, data: NliData, num_particles: int
) -> MeasuredCodes | None:
    """Return the codes that E' moved; the controls do not use it, so that its noise would say nothing about them."""
    if config.candidates_from != "adversarial":
        return None
    return measure_codes(model, data.hypotheses, data.labels, num_particles=num_particles, seed=config.seed)


def _constraints(config: AttackSnliConfig, model: TextAdversary) -> list[Constraint]:
    if model.language_model is None or config.max_perplexity_ratio is None:
        return []
    return [FluencyConstraint(model.language_model, max_ratio=config.max_perplexity_ratio)]


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
