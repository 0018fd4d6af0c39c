"""Train a TextAdversary: autoencoder first, then manifold and attack by Algorithm 2, in three stages of one loop."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from textsem.latent.learner import Learner, train_batch
from textsem.latent.problem import Phase
from textsem.latent.stages import num_stage_steps, phase_of, set_stage_rates, stage_learner
from textsem.latent.state import state_from_tensors, state_to_tensors
from textsem.model import TextAdversary
from textsem.processes import Processes
from textsem.runs.batch_order import batch_rows
from textsem.runs.checkpoint import TrainingParts
from textsem.runs.training_loop import Progress, train_to_the_end, write_metrics
from textsem.text.half_products import tell_if_slow
from textsem.text.vocabulary import PAD_ID, START_ID
from textsem.training.adversary_config import AdversaryTrainingConfig
from textsem.training.adversary_data import digest, encode_fitting
from textsem.training.attacker import Attacker
from textsem.training.labelled_pairs import LabelledPairs
from textsem.training.parallel import batch_share, check_batches, is_anywhere
from textsem.training.text_problem import CandidateWords, TextBatch, TextProblem, all_words, sample_words

__all__ = ["AdversaryRun", "train_adversary"]

ALONE = Processes()
NEGATIVE_POWER = 0.5  # flattens word frequencies for the sampled softmax: rare words must be told apart too


class AdversaryRun:
    """The loop, and all that a saved state holds.

    Args:
        model: Fresh from ``build_adversary`` or trained so far; changed in place.
        sentences: Unlabelled sentences of the first stage.
        pairs: Labelled pairs of the second and third.
        config: Settings.
        folder: Where states and metrics are saved.
        attacker: Target, surrogate and Eq. 6; None where the third stage has no steps.
        identity: Plain types that must be the same again when the run is resumed, such as the target's name.
        processes: Those that train the same model, each on its own rows of every batch; their number is free to
            change when the run is resumed.

    Raises:
        ValueError: If no sentence or no hypothesis is short enough, the third stage has nobody to attack, or a batch
            has fewer rows than there are processes.
    """

    def __init__(
        self,
        model: TextAdversary,
        sentences: Sequence[str],
        pairs: LabelledPairs,
        config: AdversaryTrainingConfig,
        folder: Path,
        *,
        attacker: Attacker | None,
        identity: Mapping[str, Any] | None = None,
        processes: Processes = ALONE,
    ) -> None:
        if config.adversarial_steps and attacker is None:
            raise ValueError(f"expected an attacker for {config.adversarial_steps} adversarial_steps, got None")
        self.model, self.config, self.folder, self.attacker = model, config, folder, attacker
        self.device = model.embedding.device
        tell_if_slow(config.precision, self.device)
        vocabulary, max_length = model.vocabulary, model.config.max_length
        self.ids = encode_fitting(sentences, vocabulary=vocabulary, max_length=max_length)[1]
        self.pair_rows, self.pair_ids = encode_fitting(pairs.hypotheses, vocabulary=vocabulary, max_length=max_length)
        self.pairs = pairs
        check_batches(min(len(self.ids), len(self.pair_ids), config.batch_size, config.pair_batch_size), processes)
        self.processes, self.share = processes, batch_share(processes)
        self.settings = {
            "config": asdict(config),
            "model": asdict(model.config),
            "data": digest(sentences, pairs.premises, pairs.hypotheses, pairs.labels),
            "vocabulary": digest(vocabulary.words),
            **(identity or {}),
        }
        self.generator = torch.Generator().manual_seed(config.seed + 1)
        parts = (model.particle_mlp, model.recognition, model.particle_mlp_adv, model.recognition_adv)
        self.learner = Learner(config.learner, *parts, share=self.share)
        counts = torch.bincount(self.ids.flatten(), minlength=model.vocabulary.size).float() ** NEGATIVE_POWER
        counts[[PAD_ID, START_ID]] = 0.0
        self.frequencies = counts / counts.sum()
        self.exact = all_words(model.vocabulary.size).to(self.device)
        self.optimizer = self.learner.make_optimizer(self._problem(self.exact).parameter_groups())
        self.base_rates = [group["lr"] for group in self.optimizer.param_groups]
        self.state = self.learner.initial_state(self.generator)
        self.progress = Progress()

    @property
    def num_steps(self) -> int:
        """Batches of all three stages."""
        return num_stage_steps(self.config)

    def phase(self, step: int) -> Phase:
        """Return the stage that a batch belongs to."""
        return phase_of(self.config, step)

    def step(self, step: int) -> dict[str, float]:
        """Train on one batch; T inner updates in the later stages, one in the first."""
        phase = self.phase(step)
        set_stage_rates(self.optimizer, self.base_rates, self.config, step)
        batch = self._batch(step, phase)
        problem = self._problem(self._words(batch.ids), phase)
        if phase == "adversarial" and self.attacker is not None:
            self.attacker.before_batch(self.pairs)
        learner, own = stage_learner(self.learner, phase), batch.own(self.share)
        self.state, losses = train_batch(
            learner, problem, self.optimizer, self.state, own, phase=phase, generator=self.generator
        )
        values = {name: value.item() for name, value in losses.items()}
        if phase == "adversarial" and self.attacker is not None:
            values |= self.attacker.after_batch(self.model, batch, problem, self.generator)
        return values

    def _batch(self, step: int, phase: Phase) -> TextBatch:
        config = self.config
        if phase == "reconstruction":
            rows = batch_rows(len(self.ids), config.batch_size, step=step, seed=config.seed)
            return TextBatch(self.ids[rows].to(self.device))
        rows = batch_rows(len(self.pair_ids), config.pair_batch_size, step=step, seed=config.seed + 1)
        chosen = self.pair_rows[rows].tolist()
        labels = torch.tensor([self.pairs.labels[i] for i in chosen], device=self.device)
        return TextBatch(self.pair_ids[rows].to(self.device), [self.pairs.premises[i] for i in chosen], labels)

    def _words(self, ids: Tensor) -> CandidateWords:
        if self.config.num_negatives is None:
            return self.exact
        drawn = self.config.num_negatives
        words = sample_words(ids.cpu(), self.frequencies, num_negatives=drawn, generator=self.generator)
        return words.to(self.device)

    def _problem(self, words: CandidateWords, phase: Phase = "reconstruction") -> TextProblem:
        term = None if self.attacker is None else self.attacker.term
        return TextProblem(
            self.model,
            words,
            term,
            precision=self.config.precision,
            # The attack, too, reads the words as they are: moved codes speak along the whole hypothesis.
            word_dropout=self.config.word_dropout if phase == "reconstruction" else 0.0,
            generator=self.generator,
            share=self.share,
        )

    def _parts(self) -> tuple[TrainingParts, Any]:
        """Return what has a state of its own, and what the attacker's state is beside that; all processes ask."""
        parts = TrainingParts({"model": self.model}, {"adam": self.optimizer}, {"run": self.generator})
        return parts, None if self.attacker is None else self.attacker.state(parts)

    def save(self) -> None:
        """Write the state that ``resume`` reads, and ``metrics.jsonl``: the main process does, but all have to come."""
        extra: dict[str, Any] = {"settings": self.settings, "progress": asdict(self.progress)}
        extra["learner"] = state_to_tensors(self.state)
        parts, attack = self._parts()
        if self.attacker is not None:
            extra["attacker"] = attack
        if not self.processes.is_main:
            return
        parts.save(self.folder, extra)
        write_metrics(self.folder, self.progress.metrics)

    def resume(self) -> None:
        """Put the saved state back.

        Raises:
            ValueError: If there is none, or it belongs to other settings or data; the difference is named.
        """
        parts, _ = self._parts()
        self.processes.wait()  # for the main one to have written, had it something to write
        extra = parts.load(self.folder, settings=self.settings)
        self.progress = Progress(**extra["progress"])
        self.state = state_from_tensors({name: value.to(self.device) for name, value in extra["learner"].items()})
        if self.attacker is not None:
            self.attacker.restore(extra["attacker"])

    def fill_bank(self) -> None:
        """Keep the features of a random choice of training hypotheses, as many as the bank holds."""
        order = torch.randperm(len(self.pair_ids), generator=torch.Generator().manual_seed(self.config.seed))
        self.model.eval()
        with torch.no_grad():
            rows = order[torch.arange(self.model.config.bank_size) % len(order)]
            self.model.bank_features.copy_(
                torch.cat([self.model.features(ids.to(self.device)) for ids in torch.split(self.pair_ids[rows], 256)])
            )


def train_adversary(
    run: AdversaryRun, *, is_resumed: bool = False, checkpoint_every: int = 500, max_minutes: float | None = None
) -> TextAdversary:
    """Run all stages, fill the bank, and return the model in evaluation mode.

    A surrogate's dropout reads torch's global random state: it is seeded inside and put back before returning.

    Args:
        run: Model, data and settings.
        is_resumed: Go on from the state in the run's folder.
        checkpoint_every: Batches between saved states.
        max_minutes: Stop after the batch that passes this time; resuming goes on exactly.

    Raises:
        ValueError: If ``checkpoint_every`` is not positive, or there is no state of these settings to resume.
        FloatingPointError: If a loss is not finite.
    """
    with torch.random.fork_rng(devices=[run.device] if run.device.type == "cuda" else []):
        torch.manual_seed(run.config.seed)
        train_to_the_end(
            run,
            is_resumed=is_resumed,
            checkpoint_every=checkpoint_every,
            max_minutes=max_minutes,
            is_main=run.processes.is_main,
            agree=partial(is_anywhere, processes=run.processes),
        )
    run.fill_bank()
    return run.model.eval()
