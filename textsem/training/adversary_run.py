"""From the options of ``scripts/train_adversary.py`` to a folder with a trained adversary and its card."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from textsem.data.nli import NliData, load_nli
from textsem.data.sentences import comparable, load_sentences
from textsem.latent.configuration import LearnerConfig
from textsem.model import TextAdversary
from textsem.processes import Processes
from textsem.protocols import Access
from textsem.runs.training_loop import write_metrics
from textsem.targets.attention import AttentionConfig
from textsem.targets.loading import build_word_level_target, load_target
from textsem.targets.metering import MeteredTarget
from textsem.text.tokenization import tokenize
from textsem.text.vocabulary import Vocabulary
from textsem.training.adversary import AdversaryRun, train_adversary
from textsem.training.adversary_config import AdversaryTrainingConfig, preset
from textsem.training.adversary_parts import Parts, build_adversary
from textsem.training.adversary_report import file_name, write_adversary_card, write_adversary_curve
from textsem.training.attacker import Attacker

__all__ = ["AdversaryJob", "run_adversary_job"]

SURROGATE = AttentionConfig(embedding_dim=100, hidden_dim=100, num_layers=1, classifier_dim=100)


@dataclass(frozen=True)
class AdversaryJob:
    """The options of ``scripts/train_adversary.py``, one field each; None leaves the preset's value."""

    data: str | None
    split: str
    label_order: list[str] | None
    limit: int
    sentences: list[str]
    held_out: list[str]
    preset: str
    target: str
    keeper: str | None
    decoder: str | None
    encoder: str
    arae: str | None
    language_model: str | None
    tune_language_model: bool
    access: Access
    gradient: str | None
    start_from: str | None
    fresh_particles: bool
    output: Path
    reconstruction_steps: int | None
    manifold_steps: int | None
    adversarial_steps: int | None
    num_particles: int | None
    code_noise: float | None
    embeddings: str | None
    precision: str | None
    seed: int
    device: str
    resume: bool
    max_minutes: float | None
    checkpoint_every: int
    machine: str
    command: str

    def training_config(self) -> AdversaryTrainingConfig:
        """Return the preset's settings with the given ones put in."""
        config = preset(self.preset).training
        given: dict[str, Any] = {
            "reconstruction_steps": 0 if self.start_from else self.reconstruction_steps,
            "manifold_steps": self.manifold_steps,
            "adversarial_steps": self.adversarial_steps,
            "embeddings": self.embeddings,
            "precision": self.precision,
            "adversarial_gradient": self.gradient,
            "seed": self.seed,
        }
        learner: dict[str, Any] = {"num_particles": self.num_particles, "code_noise": self.code_noise}
        learner_config: LearnerConfig = replace(config.learner, **_given(learner))
        return replace(config, learner=learner_config, **_given(given))


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def run_adversary_job(job: AdversaryJob) -> Path:
    """Load, train, save; return the folder.

    Raises:
        ValueError: If options exclude each other, or data, target or a state to resume from do not fit.
        FloatingPointError: If a loss is not finite.
    """
    _check_start(job)
    processes = Processes.current()
    job = replace(job, device=processes.place(job.device))
    config = job.training_config()
    held_out = [load_nli(source, split="test", label_order=job.label_order) for source in job.held_out]
    pairs = load_nli(job.data, split=job.split, limit=job.limit, label_order=job.label_order)
    pairs = _without_held_out(pairs, held_out)
    sources = [job.data or pairs.identity.source, *job.sentences]
    sentences = load_sentences(sources, split=job.split, held_out=held_out).sentences
    model = _model(job, sentences, config).to(job.device)
    attacker = _attacker(job, model, pairs, config, processes) if config.adversarial_steps else None
    identity: dict[str, Any] = {"target": job.target, "keeper": job.keeper, "access": job.access} if attacker else {}
    identity |= {"start_from": job.start_from, "fresh_particles": job.fresh_particles}
    identity |= _given({"arae": job.arae, "language_model": job.language_model})
    run = AdversaryRun(
        model, sentences, pairs, config, job.output, attacker=attacker, identity=identity, processes=processes
    )
    train_adversary(run, is_resumed=job.resume, checkpoint_every=job.checkpoint_every, max_minutes=job.max_minutes)
    figures = _figures(run, attacker)
    if processes.is_main:
        _write(job, run, pairs, sources, figures)
    processes.wait()
    return job.output


def _write(
    job: AdversaryJob, run: AdversaryRun, pairs: NliData, sources: Sequence[str], figures: dict[str, Any]
) -> None:
    """Save the model, its metrics, its curve and its card."""
    run.model.save_pretrained(job.output)
    write_metrics(job.output, run.progress.metrics)
    write_adversary_curve(job.output, run.progress.metrics)
    write_adversary_card(
        job.output,
        command=job.command,
        machine=job.machine,
        data={
            "pairs": {**asdict(pairs.identity), "source": file_name(pairs.identity.source)},
            "pairs_kept": len(run.pair_ids),
            "sentences": len(run.ids),
            "sources": [file_name(source) for source in sources],
            "held_out": [file_name(source) for source in job.held_out],
        },
        settings=asdict(run.config),
        figures=figures,
    )


def _check_start(job: AdversaryJob) -> None:
    """Raise a ValueError where options about the start exclude each other."""
    if not job.start_from:
        if job.fresh_particles:
            raise ValueError("expected the folder of an adversary to start from beside fresh particles, got none")
        return
    wanted = {"decoder": job.decoder, "encoder": job.encoder != "cnn", "arae": job.arae}
    wanted |= {"language-model": job.language_model, "tune-language-model": job.tune_language_model}
    wanted |= {"embeddings": job.embeddings}
    if given := [f"--{name}" for name, value in wanted.items() if value]:
        raise ValueError(f"expected no {', '.join(given)} beside --start-from, which keeps the parts of that adversary")


def _without_held_out(pairs: NliData, held_out: Sequence[NliData]) -> NliData:
    """Leave out the pairs with a sentence of the held-out data, as ``load_sentences`` does with single sentences."""
    unseen = {comparable(text) for data in held_out for text in (*data.premises, *data.hypotheses)}
    rows = [
        i
        for i, texts in enumerate(zip(pairs.premises, pairs.hypotheses, strict=True))
        if i not in pairs.problems and unseen.isdisjoint(map(comparable, texts))
    ]
    if not rows:
        raise ValueError(f"expected training pairs that are not held out, got none among {len(pairs)}")
    premises, hypotheses = (tuple(texts[i] for i in rows) for texts in (pairs.premises, pairs.hypotheses))
    return replace(
        pairs, premises=premises, hypotheses=hypotheses, labels=tuple(pairs.labels[i] for i in rows), problems={}
    )


def _model(job: AdversaryJob, sentences: Sequence[str], config: AdversaryTrainingConfig) -> TextAdversary:
    num_particles = config.learner.num_particles
    if not job.start_from:
        shape = replace(preset(job.preset).model, num_particles=num_particles)
        parts = Parts(job.decoder, job.arae, job.encoder == "arae", job.language_model, job.tune_language_model)
        return build_adversary(sentences, shape, config, parts)
    model = TextAdversary.from_pretrained(job.start_from).train()
    model.config = replace(model.config, num_particles=num_particles)
    model.resize_bank(preset(job.preset).model.bank_size)
    if preset(job.preset).model.perturbation_condition == "label" and model.config.perturbation_condition == "none":
        model.tell_labels()
    if job.fresh_particles:
        model.initialise_particles(torch.Generator().manual_seed(config.seed))
    return model


def _attacker(
    job: AdversaryJob, model: TextAdversary, pairs: NliData, config: AdversaryTrainingConfig, processes: Processes
) -> Attacker:
    target = MeteredTarget(load_target(job.target, device=job.device, label_order=job.label_order), access=job.access)
    counts = Counter(word for text in (*pairs.premises, *pairs.hypotheses) for word in tokenize(text).words)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed + 3)
        network = build_word_level_target(SURROGATE, Vocabulary.from_counts(counts, config.max_words))
    keeper = None if job.keeper is None else load_target(job.keeper, device=job.device)
    return Attacker(target, model, network.to(job.device), config, keeper, processes=processes)


def _figures(run: AdversaryRun, attacker: Attacker | None) -> dict[str, Any]:
    figures: dict[str, Any] = {"batches": run.progress.step, "minutes": round(run.progress.seconds / 60, 1)}
    if run.progress.metrics:
        figures["last_losses"] = json.dumps(run.progress.metrics[-1])
    if attacker is not None:
        figures["rows_sent_to_the_target_in_training"] = attacker.counts()["training"]["rows_sent"]
    if run.processes.count > 1:
        figures["processes"] = run.processes.count
    return figures
