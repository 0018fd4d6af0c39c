"""What an inner update of Algorithm 2 costs at full size, and how far the sampled vocabulary bends its gradient."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import torch
from torch import Tensor

from textsem.latent.learner import Learner, train_batch
from textsem.latent.posterior import sample_mixture
from textsem.model import TextAdversary
from textsem.runs.timing import TICK, time_calls
from textsem.text.batches import encode_sentences
from textsem.text.embeddings import random_embeddings
from textsem.text.tokenization import tokenize
from textsem.text.vocabulary import END_ID, PAD_ID, SPECIAL_WORDS, START_ID, Vocabulary
from textsem.training.adversary import NEGATIVE_POWER
from textsem.training.adversary_config import Preset, preset
from textsem.training.text_problem import (
    DecodedText,
    TextBatch,
    TextProblem,
    all_words,
    sample_words,
)

__all__ = ["MODES", "free_term", "gradient_bias", "snli_like_ids", "time_updates", "zipf_frequencies"]

MODES = ("exact", "sampled")
# Words and punctuation marks of SNLI's hypotheses: mean and standard deviation, test split.
MEAN_LENGTH, LENGTH_DEVIATION, SHORTEST = 8.3, 3.2, 3


def zipf_frequencies(vocab_size: int) -> Tensor:
    """Return how often each word is drawn as a negative where words follow Zipf's law, [vocab]; pad and start never."""
    frequencies = torch.arange(1, vocab_size + 1, dtype=torch.float32) ** -NEGATIVE_POWER
    frequencies[[PAD_ID, START_ID]] = 0.0
    return frequencies / frequencies.sum()


def snli_like_ids(batch_size: int, *, max_length: int, vocab_size: int, generator: torch.Generator) -> Tensor:
    """Draw rows of ids, [batch, max_length + 1]: lengths like SNLI's, words by Zipf's law, end symbol, pads."""
    first = len(SPECIAL_WORDS)
    lengths = MEAN_LENGTH + LENGTH_DEVIATION * torch.randn(batch_size, 1, generator=generator)
    lengths = lengths.round().clamp(min(SHORTEST, max_length), max_length)
    frequencies = 1 / torch.arange(1, vocab_size - first + 1)
    words = first + torch.multinomial(
        frequencies.expand(batch_size, -1), max_length + 1, replacement=True, generator=generator
    )
    position = torch.arange(max_length + 1)
    return torch.where(position < lengths, words, torch.where(position == lengths, END_ID, PAD_ID))


def free_term(outputs: DecodedText, batch: TextBatch, problem: TextProblem) -> Tensor:
    """Stand in for a target that costs nothing: the weight of each position's first choice, [batch]."""
    _, weights, mask = problem.straight_through_words(outputs, batch)
    return torch.where(mask, weights[..., 0], 0.0).sum(dim=-1)


def time_updates(
    presets: Sequence[str],
    particles: Sequence[int],
    *,
    batch_size: int,
    max_words: int,
    repeats: int,
    seed: int,
) -> list[dict[str, Any]]:
    """Time an inner update (lines 8 to 16, target excluded) in phase ``adversarial``, all cases of a preset in turn.

    Random weights and ids.  A call is one batch, T inner updates and the draw of its negatives; its T-th part is
    reported.  The gate is held open, since a shut one skips the adversarial term, and rates are zero: steps cost what
    they cost, and every repeat does the same work.

    Args:
        presets: Names.
        particles: Numbers of particles M.
        batch_size: Sentences.
        max_words: Vocabulary, special symbols apart.
        repeats: Batches timed a case.
        seed: Of weights, ids and draws.

    Returns:
        One row a preset, mode and M: seconds, and the ratio of wall and processor time to M = 5 where that is there.
    """
    rows: list[dict[str, Any]] = []
    for name in presets:
        settings = preset(name)
        cases = {f"{mode}/{M}": (mode, M) for mode, M in product(MODES, particles)}
        calls = {
            key: _batch_call(settings, *case, batch_size=batch_size, max_words=max_words, seed=seed)
            for key, case in cases.items()
        }
        timed = time_calls(calls, repeats=repeats)
        for key, (mode, M) in cases.items():
            timing = timed[key].per(settings.training.learner.num_inner_updates)
            row = {"preset": name, "vocabulary": mode, "particles": M, "wall_ms": 1e3 * timing.wall}
            row |= {"cpu_ms": 1e3 * timing.cpu, "wall_to_5": None, "cpu_to_5": None}
            if five := timed.get(f"{mode}/5"):
                row |= {"wall_to_5": timed[key].wall / five.wall, "cpu_to_5": timed[key].cpu / max(five.cpu, TICK)}
            rows.append(row)
    return rows


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _batch_call(
    settings: Preset, mode: str, num_particles: int, *, batch_size: int, max_words: int, seed: int
) -> Callable[[], object]:
    """Return a call that trains a fresh model of these sizes on one batch."""
    training, generator = settings.training, _generator(seed)
    learner_config = replace(
        training.learner,
        num_particles=num_particles,
        epsilon=float("inf"),
        inner_rate=0.0,
        inner_rate_adv=0.0,
        recognition_rate=0.0,
        recognition_rate_adv=0.0,
        decoder_rate=0.0,
        extractor_rate=0.0,
    )
    model = TextAdversary(replace(settings.model, bank_size=1), Vocabulary([f"word{i}" for i in range(max_words)]))
    vocab_size = model.vocabulary.size
    model.initialise(
        random_embeddings(vocab_size, settings.model.encoder.embedding_dim, generator=generator), generator
    )
    learner = Learner(
        learner_config, model.particle_mlp, model.recognition, model.particle_mlp_adv, model.recognition_adv
    )
    ids = snli_like_ids(batch_size, max_length=model.config.max_length, vocab_size=vocab_size, generator=generator)
    labels = torch.randint(3, (batch_size,), generator=generator)
    batch = TextBatch(ids, [""] * batch_size, labels)
    frequencies, exact = zipf_frequencies(vocab_size), all_words(vocab_size)
    num_negatives = training.num_negatives or vocab_size
    optimizer = learner.make_optimizer(TextProblem(model, exact).parameter_groups())
    state = learner.initial_state(generator)

    def call() -> None:
        nonlocal state
        chosen = exact
        if mode == "sampled":
            chosen = sample_words(ids, frequencies, num_negatives=num_negatives, generator=generator)
        problem = TextProblem(model, chosen, free_term, precision=training.precision)
        state, _ = train_batch(learner, problem, optimizer, state, batch, phase="adversarial", generator=generator)

    return call


def gradient_bias(
    model: TextAdversary,
    hypotheses: Sequence[str],
    *,
    batch_size: int,
    num_negatives: int,
    num_draws: int,
    seed: int,
) -> dict[str, dict[str, float]]:
    """Compare the sampled gradient of L_x, mean over draws of the negatives, with the exact one.

        difference = |mean_s g_s - g| / |g|,   noise = |g_s - g| of one draw / |g| (root mean square)

    The mean over n unbiased draws would still differ by noise / sqrt(n), ``expected``: what goes beyond that is bias.

    Args:
        model: Where its weights stand; nothing of it changes.
        hypotheses: Those short enough are used, ``batch_size`` at most.
        batch_size: Sentences.
        num_negatives: Words drawn.
        num_draws: Draws of the negatives.
        seed: Of particles, of Eq. 3 and of the draws.

    Returns:
        For ``decoder`` (logit scale included), ``embedding`` and ``both``: cosine, difference, expected, noise, and the
        ratio of the norms.

    Raises:
        ValueError: If no hypothesis is short enough.
    """
    rows = [words for words in (tokenize(text).words for text in hypotheses) if len(words) <= model.config.max_length]
    if not rows:
        raise ValueError(f"expected a hypothesis of at most {model.config.max_length} words, got none")
    ids = encode_sentences(rows[:batch_size], vocabulary=model.vocabulary, max_length=model.config.max_length)
    generator = _generator(seed)
    batch, frequencies = TextBatch(ids), _frequencies(model, ids)
    with torch.no_grad():
        theta, _ = model.draw_particles(model.config.num_particles, generator)
        z = sample_mixture(model.codes(model.features(ids), theta), generator=generator)[0]
    decoder = [*model.decoder.parameters(), model.log_scale]

    def gradient(problem: TextProblem) -> Tensor:
        loss = problem.reconstruction(problem.decode(z), batch).mean()
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, [*decoder, model.embedding])])

    exact = gradient(TextProblem(model, all_words(model.vocabulary.size)))
    total, squares = torch.zeros_like(exact), torch.zeros_like(exact)
    for _ in range(num_draws):
        words = sample_words(ids, frequencies, num_negatives=num_negatives, generator=generator)
        sampled = gradient(TextProblem(model, words))
        total += sampled
        squares += (sampled - exact).square()
    mean, squares = total / num_draws, squares / num_draws
    end = sum(p.numel() for p in decoder)
    parts = {"decoder": slice(0, end), "embedding": slice(end, None), "both": slice(None)}
    return {name: _compare(mean[part], exact[part], squares[part], num_draws) for name, part in parts.items()}


def _compare(mean: Tensor, exact: Tensor, squares: Tensor, num_draws: int) -> dict[str, float]:
    norm = torch.linalg.vector_norm(exact)
    noise = squares.sum().sqrt() / norm
    figures = {
        "cosine": torch.nn.functional.cosine_similarity(mean, exact, dim=0),
        "difference": torch.linalg.vector_norm(mean - exact) / norm,
        "expected": noise / num_draws**0.5,
        "noise": noise,
        "norm_ratio": torch.linalg.vector_norm(mean) / norm,
    }
    return {name: value.item() for name, value in figures.items()}


def _frequencies(model: TextAdversary, ids: Tensor) -> Tensor:
    """Return the probabilities of the negatives as training has them, from the trigram's words, else by Zipf's law."""
    if model.language_model is None:
        return zipf_frequencies(model.vocabulary.size)
    frequencies: Tensor = model.language_model.tables.unigram_log_probs.exp() ** NEGATIVE_POWER
    return frequencies / frequencies.sum()
