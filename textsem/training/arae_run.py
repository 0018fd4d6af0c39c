"""From the options of ``scripts/train_arae.py`` to a folder with a trained ARAE, its card and its samples."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from textsem.arae import ARAE, ARAEConfig
from textsem.arae_networks import InverterConfig
from textsem.data.nli import load_nli
from textsem.data.sentences import comparable, load_sentences
from textsem.processes import Processes
from textsem.runs.training_loop import write_metrics
from textsem.text.tokenization import tokenize
from textsem.training.arae import ARAERun, build_arae, train_arae
from textsem.training.arae_config import ARAETrainingConfig, arae_preset, with_encoder
from textsem.training.arae_report import file_names, write_arae_card, write_arae_curve, write_samples
from textsem.training.inverter import InverterTrainingConfig, train_inverter

__all__ = ["ARAEJob", "run_arae_job"]

INVERTED_CODES = 20_000  # training sentences whose codes the inverter learns from
ENCODED_ROWS = 256


@dataclass(frozen=True)
class ARAEJob:
    """The options of ``scripts/train_arae.py``, one field each; None leaves the preset's value."""

    data: str | None
    split: str
    limit: int
    sentences: list[str]
    held_out: list[str]
    preset: str
    encoder: str | None
    embeddings: Literal["cooccurrence", "random"] | None
    steps: int | None
    precision: Literal["float32", "bfloat16"] | None
    output: Path
    seed: int
    device: str
    resume: bool
    max_minutes: float | None
    watch_every: int
    inverter_steps: int
    machine: str
    command: str

    def model_config(self) -> ARAEConfig:
        """Return the preset's networks, with the encoder that is asked for."""
        model = arae_preset(self.preset).model
        return model if self.encoder is None else with_encoder(model, self.encoder)

    def training_config(self) -> ARAETrainingConfig:
        """Return the preset's settings with the given ones put in."""
        given: dict[str, Any] = {
            "num_steps": self.steps,
            "embeddings": self.embeddings,
            "precision": self.precision,
            "seed": self.seed,
        }
        given = {name: value for name, value in given.items() if value is not None}
        return replace(arae_preset(self.preset).training, **given)


def run_arae_job(job: ARAEJob) -> Path:
    """Load, train, fit the inverter, save; return the folder.

    Raises:
        ValueError: If there is no held-out data, the limit is negative, or data or a state to resume from do not fit.
        FloatingPointError: If a loss is not finite.
    """
    if not job.held_out:
        raise ValueError("expected held-out data for the watches, got none")
    if job.limit < 0:
        raise ValueError(f"expected a limit of at least 0, got {job.limit}")
    processes = Processes.current()
    job = replace(job, device=processes.place(job.device))
    model_config, config = job.model_config(), job.training_config()
    inverter_config = _inverter_config(model_config, num_steps=job.inverter_steps, seed=config.seed)
    held_out = [load_nli(source, split="test") for source in job.held_out]
    sources = [job.data or load_nli(None, split=job.split, limit=1).identity.source, *job.sentences]
    sentences = load_sentences(sources, split=job.split, held_out=held_out).sentences[: job.limit or None]
    watched = list({comparable(text): text for text in held_out[0].hypotheses if tokenize(text).words}.values())
    model = build_arae(sentences, model_config, config).to(job.device)
    run = ARAERun(model, sentences, watched, config, job.output, processes=processes)
    best = train_arae(run, is_resumed=job.resume, watch_every=job.watch_every, max_minutes=job.max_minutes)
    if processes.is_main:
        _finish(job, run, best, inverter_config, sources)
    processes.wait()
    return job.output


def _finish(
    job: ARAEJob, run: ARAERun, best: ARAE, inverter_config: InverterTrainingConfig, sources: Sequence[str]
) -> None:
    """Fit the inverter; save the model, its metrics, curve, samples and card."""
    model_config, config = run.model.config, run.config
    best.cpu().add_inverter(train_inverter(best.generator, _codes(best, run), inverter_config))
    best.save_pretrained(job.output)
    write_metrics(job.output, run.progress.metrics)
    write_arae_curve(job.output, run.progress.metrics, run.progress.references)
    write_samples(job.output, ARAE.from_pretrained(job.output), run.watch.watched, seed=config.seed)
    write_arae_card(
        job.output,
        run.progress.metrics,
        run.progress.best or run.progress.metrics[-1],
        run.progress.references,
        command=job.command,
        machine=job.machine,
        data={
            "sources": file_names(sources),
            "sentences": len(run.ids),
            "held_out": file_names(job.held_out),
            "held_out_sentences": len(run.watch.held_out),
            **({"processes": run.processes.count} if run.processes.count > 1 else {}),
        },
        settings={"model": asdict(model_config), "training": asdict(config)},
        times={"training": run.progress.seconds / 60, "of it watching": run.progress.watch_seconds / 60},
    )


def _inverter_config(model: ARAEConfig, *, num_steps: int, seed: int) -> InverterTrainingConfig:
    """Return the settings of the inverter, 300-300-300-100 beside a generator of 100-300-300."""
    shape = model.generator
    inverter = InverterConfig(shape.code_dim, (*shape.hidden, *shape.hidden), shape.noise_dim)
    return InverterTrainingConfig(inverter=inverter, num_steps=num_steps, seed=seed)


@torch.no_grad()
def _codes(model: ARAE, run: ARAERun) -> Tensor:
    """Return the codes of a random choice of training sentences, [sentences, code]."""
    order = torch.randperm(len(run.ids), generator=torch.Generator().manual_seed(run.config.seed))[:INVERTED_CODES]
    return torch.cat([model.encode(part) for part in torch.split(run.ids[order], ENCODED_ROWS)])
