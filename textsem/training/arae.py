"""Train an ARAE: one autoencoder step, several critic steps, one generator step a batch; watched, resumable."""

import copy
import logging
import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from textsem.arae import ARAE, ARAEConfig
from textsem.text.embeddings import cooccurrence_embeddings, random_embeddings
from textsem.text.tokenization import tokenize
from textsem.text.vocabulary import PAD_ID, START_ID, Vocabulary
from textsem.training.adversary_data import batch_rows, digest, encode_fitting
from textsem.training.arae_config import ARAETrainingConfig
from textsem.training.arae_losses import add_noise, critic_loss, drop_words, noise_std
from textsem.training.arae_watch import Watch, make_watch
from textsem.training.checkpoint import load_training_state, save_training_state
from textsem.training.target_report import write_metrics
from textsem.training.text_problem import CandidateWords, all_words, sample_words

__all__ = ["ARAERun", "build_arae", "is_better", "train_arae"]

_LOGGER = logging.getLogger(__name__)
NEGATIVE_POWER = 0.5  # flattens word frequencies for the sampled softmax, as in the adversary's training
FINAL_RATE = 0.05  # share of the learning rate that the cosine ends on
TOLERATED_LOSS = 0.01  # share of tokens below the best reconstruction that the best checkpoint may lie


def build_arae(sentences: Sequence[str], model_config: ARAEConfig, config: ARAETrainingConfig) -> ARAE:
    """Make vocabulary and first weights from unlabelled sentences."""
    words = [tokenize(sentence).words for sentence in sentences]
    vocabulary = Vocabulary.from_counts(Counter(word for row in words for word in row), config.max_words)
    generator = torch.Generator().manual_seed(config.seed)
    dim = model_config.encoder.embedding_dim
    if config.embeddings == "random":
        table = random_embeddings(vocabulary.size, dim, generator=generator)
    else:
        table = cooccurrence_embeddings(words, vocabulary=vocabulary, dim=dim, generator=generator)
    return ARAE(model_config, vocabulary).initialise(table, generator)


def is_better(line: Mapping[str, Any], best: Mapping[str, Any] | None, *, best_tokens: float) -> bool:
    """Tell whether a watch's weights are to be kept in place of the best so far.

    The best checkpoint has the lowest reverse perplexity of those whose free running reconstruction is within
    ``TOLERATED_LOSS`` of the best one seen: a generator of good sentences is of no use beside a bad autoencoder.

    Args:
        line: The watch, a line of metrics.
        best: That of the weights kept so far; None at first.
        best_tokens: Highest ``tokens_free`` of all watches, this one included.
    """
    if best is None or best["tokens_free"] < best_tokens - TOLERATED_LOSS:
        return True
    is_close = line["tokens_free"] >= best_tokens - TOLERATED_LOSS
    return bool(is_close and line["reverse_perplexity"] < best["reverse_perplexity"])


@dataclass
class _Progress:
    """Where a run stands."""

    step: int = 0
    seconds: float = 0.0
    watch_seconds: float = 0.0
    sums: dict[str, float] = field(default_factory=dict)  # of every loss since the last line of metrics
    num_summed: int = 0
    best_tokens: float = 0.0
    best: dict[str, Any] | None = None
    references: dict[str, Any] = field(default_factory=dict)
    metrics: list[dict[str, Any]] = field(default_factory=list)


class ARAERun:
    """The loop, and all that a saved state holds.

    Zhao et al. 2018, Algorithm 1, with three deviations that save time: the critic's five steps draw their real codes
    from those of the last five batches, which the autoencoder steps made anyway; the critic's gradient in the encoder
    (step 3) is added to that of the reconstruction, in one Adam step; and a gradient penalty stands for the clipping.

    Args:
        model: Fresh from ``build_arae``; changed in place.
        sentences: Unlabelled sentences to learn from.
        held_out: Other sentences, for the watches alone.
        config: Settings.
        folder: Where states and metrics are saved.
        identity: Plain types that must be the same again when the run is resumed.

    Raises:
        ValueError: If no sentence is short enough.
    """

    def __init__(
        self,
        model: ARAE,
        sentences: Sequence[str],
        held_out: Sequence[str],
        config: ARAETrainingConfig,
        folder: Path,
        *,
        identity: Mapping[str, Any] | None = None,
    ) -> None:
        self.model, self.config, self.folder = model, config, folder
        self.device = model.embedding.device
        vocabulary, max_length = model.vocabulary, model.config.max_length
        self.ids = encode_fitting(sentences, vocabulary=vocabulary, max_length=max_length)[1]
        held_out_ids = encode_fitting(held_out, vocabulary=vocabulary, max_length=max_length)[1]
        self.watch: Watch = make_watch(
            self.ids,
            held_out_ids,
            vocabulary=vocabulary,
            num_watched=config.num_watched,
            num_samples=config.num_samples,
            seed=config.seed,
        )
        self.settings = {
            "config": asdict(config),
            "model": asdict(model.config),
            "data": digest(sentences, held_out),
            **(identity or {}),
        }
        self.random = torch.Generator().manual_seed(config.seed + 1)
        counts = torch.bincount(self.ids.flatten(), minlength=vocabulary.size).float() ** NEGATIVE_POWER
        counts[[PAD_ID, START_ID]] = 0.0
        self.frequencies = counts / counts.sum()
        self.exact = all_words(vocabulary.size).to(self.device)
        self.autoencoder = [*model.encoder.parameters(), *model.decoder.parameters(), model.embedding, model.log_scale]
        betas = (config.gan_beta, config.gan_second_beta)
        self.optimisers = {
            "autoencoder": torch.optim.Adam(self.autoencoder, lr=config.learning_rate, fused=True),
            "generator": torch.optim.Adam(model.generator.parameters(), lr=config.generator_rate, betas=betas),
            "critic": torch.optim.Adam(model.critic.parameters(), lr=config.critic_rate, betas=betas),
        }
        self.best = copy.deepcopy(model)
        self.recent: list[Tensor] = []  # codes of the last batches, the critic's real ones
        self.progress = _Progress()

    def train(self, *, watch_every: int, max_minutes: float | None = None) -> bool:
        """Go on to the end (True), or until time is up (False)."""
        progress, started = self.progress, time.monotonic() - self.progress.seconds
        if not progress.step:
            self.look()
        total = self.config.num_steps
        with tqdm(total=total, initial=progress.step, desc="arae", unit="batch", mininterval=5.0) as bar:
            while progress.step < total:
                losses = self.step(progress.step)
                progress.step += 1
                self._add(losses)
                bar.update()
                bar.set_postfix(loss=f"{losses['reconstruction']:.3f}", refresh=False)
                is_due = progress.step % watch_every == 0 or progress.step == total
                if is_due:
                    self.look()
                progress.seconds = time.monotonic() - started
                is_late = max_minutes is not None and progress.seconds > 60 * max_minutes
                if is_due or is_late:
                    self.save()
                if is_late:
                    return False
        return True

    def step(self, step: int) -> dict[str, float]:
        """Train on one batch: autoencoder once, critic ``critic_steps`` times, generator once."""
        config = self.config
        rows = batch_rows(len(self.ids), config.batch_size, step=step, seed=config.seed)
        losses = self.autoencoder_step(self.ids[rows].to(self.device), step)
        for _ in range(config.critic_steps):
            losses |= self.critic_step()
        losses |= self.generator_step()
        values = {name: value.item() for name, value in losses.items()}
        if bad := [name for name, value in values.items() if not math.isfinite(value)]:
            raise FloatingPointError(f"expected a finite loss {bad[0]}, got {values[bad[0]]} at step {step}")
        return values

    def autoencoder_step(self, ids: Tensor, step: int) -> dict[str, Tensor]:
        """Take one Adam step of encoder, decoder and embeddings, and keep the codes for the critic.

            L = L_rec + encoder_weight * mean f_w(enc(x))

        Algorithm 1, step 1, and the encoder's part of step 3: it makes real codes look generated.
        """
        model, config = self.model, self.config
        for group in self.optimisers["autoencoder"].param_groups:
            group["lr"] = self._rate(step)
        std = noise_std(step, initial=config.noise_std, decay=config.noise_decay, every=config.noise_decay_every)
        inputs = drop_words(ids, rate=config.word_dropout, generator=self.random)
        is_mixed = config.precision == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=is_mixed):
            codes = model.encode(ids)
            noisy = add_noise(codes, std=std, generator=self.random)
            vectors = model.position_vectors(noisy, inputs)
        reconstruction = self._cross_entropy(vectors.float(), ids)
        real_score = model.critic(codes).mean()
        loss = reconstruction + config.encoder_weight * real_score
        gradients = torch.autograd.grad(loss, self.autoencoder)
        for parameter, gradient in zip(self.autoencoder, gradients, strict=True):
            parameter.grad = gradient
        nn.utils.clip_grad_norm_(self.autoencoder, config.max_gradient_norm)
        self.optimisers["autoencoder"].step()
        self.recent = [*self.recent, codes.detach()][-config.critic_steps :]
        return {"reconstruction": reconstruction.detach()}

    def _cross_entropy(self, vectors: Tensor, ids: Tensor) -> Tensor:
        """Return nats a token, the mean over all words and end symbols of the batch."""
        words = self._words(ids)
        mask = ids != PAD_ID
        logits = self.model.word_logits(vectors[mask], words.ids) + words.correction
        return F.cross_entropy(logits, words.position[ids[mask]])

    def _words(self, ids: Tensor) -> CandidateWords:
        drawn = self.config.num_negatives
        if drawn is None:
            return self.exact
        return sample_words(ids.cpu(), self.frequencies, num_negatives=drawn, generator=self.random).to(self.device)

    def _rate(self, step: int) -> float:
        """Warm-up, then half a cosine down to ``FINAL_RATE``."""
        config = self.config
        done = 0.5 * (1 + math.cos(math.pi * step / config.num_steps))
        warm = min(1.0, (step + 1) / max(config.warmup_steps, 1))
        return config.learning_rate * warm * (FINAL_RATE + (1 - FINAL_RATE) * done)

    def critic_step(self) -> dict[str, Tensor]:
        """Take one Adam step of the critic (Algorithm 1, step 2)."""
        model, config = self.model, self.config
        codes = torch.cat(self.recent)
        chosen = torch.randperm(len(codes), generator=self.random)[: config.batch_size]
        real = codes[chosen.to(self.device)]
        with torch.no_grad():
            fake = model.generator(self._noise(len(real)))
        share = torch.rand(len(real), generator=self.random).to(self.device)
        loss, distance = critic_loss(model.critic, real, fake, share, penalty=config.penalty)
        self._descend("critic", loss, model.critic)
        return {"critic": loss.detach(), "distance": distance.detach()}

    def generator_step(self) -> dict[str, Tensor]:
        """Take one Adam step of the generator: its codes shall look real (Algorithm 1, step 3)."""
        loss = -self.model.critic(self.model.generator(self._noise(self.config.batch_size))).mean()
        self._descend("generator", loss, self.model.generator)
        return {"generator": loss.detach()}

    def _noise(self, rows: int) -> Tensor:
        return torch.randn(rows, self.model.config.generator.noise_dim, generator=self.random).to(self.device)

    def _descend(self, name: str, loss: Tensor, module: nn.Module) -> None:
        """Take a step of one optimiser; no gradient is left in any other module."""
        parameters = list(module.parameters())
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.grad = gradient
        self.optimisers[name].step()

    def _add(self, losses: Mapping[str, float]) -> None:
        for name, value in losses.items():
            self.progress.sums[name] = self.progress.sums.get(name, 0.0) + value
        self.progress.num_summed += 1

    def look(self) -> None:
        """Measure, close a line of metrics, and keep the weights if they are the best."""
        progress, started = self.progress, time.monotonic()
        if not progress.references:
            progress.references = self.watch.references()
        means = {name: round(total / progress.num_summed, 5) for name, total in progress.sums.items()}
        found = self.watch.measure(self.model)
        rounded = {name: round(value, 5) if isinstance(value, float) else value for name, value in found.items()}
        line = {"step": progress.step, **means, **rounded}
        progress.best_tokens = max(progress.best_tokens, line["tokens_free"])
        if is_better(line, progress.best, best_tokens=progress.best_tokens):
            progress.best = line
            self.best.load_state_dict(self.model.state_dict())
        progress.metrics.append(line)
        progress.sums, progress.num_summed = {}, 0
        progress.watch_seconds += time.monotonic() - started
        _LOGGER.info("%s", line)

    def save(self) -> None:
        """Write the state that ``resume`` reads, and ``metrics.jsonl``."""
        extra = {"settings": self.settings, "progress": asdict(self.progress), "recent": self.recent}
        save_training_state(self.folder, self._modules(), self.optimisers, {"run": self.random}, extra)
        write_metrics(self.folder, self.progress.metrics)

    def resume(self) -> None:
        """Put the saved state back.

        Raises:
            ValueError: If there is none, or it belongs to other settings or data; the difference is named.
        """
        generators = {"run": self.random}
        extra = load_training_state(self.folder, self._modules(), self.optimisers, generators, settings=self.settings)
        self.progress = _Progress(**extra["progress"])
        self.recent = [codes.to(self.device) for codes in extra["recent"]]

    def _modules(self) -> dict[str, nn.Module]:
        return {"model": self.model, "best": self.best}


def train_arae(
    run: ARAERun, *, is_resumed: bool = False, watch_every: int = 1000, max_minutes: float | None = None
) -> ARAE:
    """Run the schedule and return the best weights, in evaluation mode.

    Args:
        run: Model, data and settings.
        is_resumed: Go on from the state in the run's folder.
        watch_every: Batches between two watches, after each of which the state is saved.
        max_minutes: Stop after the batch that passes this time; the state is saved, then the present weights are
            watched and may be the best.  Resuming goes on from the saved state, exactly.

    Raises:
        ValueError: If ``watch_every`` is not positive, or there is no state of these settings to resume.
        FloatingPointError: If a loss is not finite.
    """
    if watch_every < 1:
        raise ValueError(f"expected watch_every of at least 1, got {watch_every}")
    if is_resumed:
        run.resume()
    if not run.train(watch_every=watch_every, max_minutes=max_minutes):
        _LOGGER.warning("time is up after %d of %d batches", run.progress.step, run.config.num_steps)
        if run.progress.metrics[-1]["step"] != run.progress.step:
            run.look()
    return run.best.eval()
