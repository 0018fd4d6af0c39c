"""The steps of ARAE's Algorithm 1: autoencoder, critic, generator."""

import math
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from textsem.arae import ARAE
from textsem.processes import Processes
from textsem.text.batches import drop_words
from textsem.text.vocabulary import PAD_ID, START_ID
from textsem.training.arae_config import ARAETrainingConfig
from textsem.training.arae_losses import add_noise, critic_loss, noise_std
from textsem.training.parallel import batch_share
from textsem.training.text_problem import CandidateWords, all_words, sample_words

__all__ = ["ARAESteps"]

NEGATIVE_POWER = 0.5  # flattens word frequencies for the sampled softmax, as in the adversary's training
ALONE = Processes()
FINAL_RATE = 0.05  # share of the learning rate that the cosine ends on


class ARAESteps:
    """Model, optimisers and random state, and what one batch does to them.

    Zhao et al. 2018, Algorithm 1, with three deviations.  Two save time: the critic's five steps draw their real codes
    from those of the last five batches, which the autoencoder steps made anyway; and the critic's gradient in the
    encoder (step 3) is added to that of the reconstruction, in one Adam step.  And a gradient penalty stands for the
    clipping.

    Args:
        model: Changed in place.
        ids: Training sentences, whose words the sampled softmax draws by their frequency, [sentences, length].
        config: Settings.
        processes: Those that train: each encodes and decodes its own sentences of a batch.  Codes of all are brought
            together, and noise, critic and generator, which are small, are every process's alike.

    Attributes:
        optimisers: One of Adam for ``autoencoder``, ``critic`` and ``generator`` each.
        random: Draws words, noise and the critic's batches.
        recent: Codes of the last batches, the critic's real ones.
    """

    def __init__(self, model: ARAE, ids: Tensor, config: ARAETrainingConfig, processes: Processes = ALONE) -> None:
        self.model, self.config, self.share = model, config, batch_share(processes)
        self.device = model.embedding.device
        self.random = torch.Generator().manual_seed(config.seed + 1)
        counts = torch.bincount(ids.flatten(), minlength=model.vocabulary.size).float() ** NEGATIVE_POWER
        counts[[PAD_ID, START_ID]] = 0.0
        self.frequencies = counts / counts.sum()
        self.exact = all_words(model.vocabulary.size).to(self.device)
        self.autoencoder = [*model.encoder.parameters(), *model.decoder.parameters(), model.embedding, model.log_scale]
        betas = (config.gan_beta, config.gan_second_beta)
        self.optimisers: dict[str, torch.optim.Optimizer] = {
            "autoencoder": torch.optim.Adam(self.autoencoder, lr=config.learning_rate, fused=True),
            "generator": torch.optim.Adam(model.generator.parameters(), lr=config.generator_rate, betas=betas),
            "critic": torch.optim.Adam(model.critic.parameters(), lr=config.critic_rate, betas=betas),
        }
        self.recent: list[Tensor] = []

    def take(self, ids: Tensor, step: int) -> dict[str, float]:
        """Train on one batch [batch, length], of all processes: autoencoder once, critic several times, generator once.

        Returns:
            Losses by name; ``distance`` is the critic's estimate of the Wasserstein distance of the codes.

        Raises:
            FloatingPointError: If a loss is not finite.
        """
        losses = self.autoencoder_step(ids.to(self.device), step)
        for _ in range(self.config.critic_steps):
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
        share, own = self.share, self.share.own_rows(ids)
        inputs = share.own_rows(drop_words(ids, rate=config.word_dropout, generator=self.random))
        is_mixed = config.precision == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=is_mixed):
            codes = share.all_rows(model.encode(own), len(ids))
            noisy = add_noise(codes, std=std, generator=self.random)
            vectors = model.position_vectors(share.own_rows(noisy), inputs)
        reconstruction = self._cross_entropy(vectors.float(), own, ids)
        real_score = model.critic(codes).mean()
        loss = reconstruction + config.encoder_weight * real_score
        _set_gradients(loss, self.autoencoder, share.summed)
        nn.utils.clip_grad_norm_(self.autoencoder, config.max_gradient_norm)
        self.optimisers["autoencoder"].step()
        self.recent = [*self.recent, codes.detach()][-config.critic_steps :]
        return {"reconstruction": share.summed([reconstruction.detach()])[0]}

    def _cross_entropy(self, vectors: Tensor, own: Tensor, ids: Tensor) -> Tensor:
        """Return nats a token, own rows' part of the mean over all words and end symbols of the batch ``ids``."""
        words = self._words(ids)
        mask = own != PAD_ID
        logits = self.model.word_logits(vectors[mask], words.ids) + words.correction
        share_of_tokens = mask.sum() / (ids != PAD_ID).sum()
        return F.cross_entropy(logits, words.position[own[mask]]) * share_of_tokens

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
        _set_gradients(loss, model.critic.parameters(), self.share.averaged)
        self.optimisers["critic"].step()
        return {"critic": loss.detach(), "distance": distance.detach()}

    def generator_step(self) -> dict[str, Tensor]:
        """Take one Adam step of the generator: its codes shall look real (Algorithm 1, step 3)."""
        loss = -self.model.critic(self.model.generator(self._noise(self.config.batch_size))).mean()
        _set_gradients(loss, self.model.generator.parameters(), self.share.averaged)
        self.optimisers["generator"].step()
        return {"generator": loss.detach()}

    def _noise(self, rows: int) -> Tensor:
        return torch.randn(rows, self.model.config.generator.noise_dim, generator=self.random).to(self.device)


def _set_gradients(
    loss: Tensor, parameters: Iterable[nn.Parameter], merge: Callable[[Sequence[Tensor]], list[Tensor]]
) -> None:
    """Give parameters the gradients of all processes; unlike ``backward``, leave none in any other module."""
    parameters = list(parameters)
    gradients = merge(torch.autograd.grad(loss, parameters))
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
