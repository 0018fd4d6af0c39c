"""A decoder in figures: its size, how much of a sentence comes back, and what it costs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch

from textsem.attacks.candidates import pair_seed
from textsem.attacks.manifold import ManifoldConfig, ManifoldSource
from textsem.evaluation.code_use import measure_code_use
from textsem.evaluation.decoder_free_text import Words, sentence_features
from textsem.evaluation.reconstruction import measure_reconstruction, measured_ids, sampled_codes
from textsem.model import TextAdversary
from textsem.runs.timing import TICK, time_calls, use_threads
from textsem.text.tokenization import tokenize

__all__ = ["bleu", "measure_decoder", "num_parameters", "reconstructed_words", "time_decoders"]

TIMED_SENTENCES = 64  # codes decoded in one call
TIMED_PAIRS = 4  # hypotheses that candidates are proposed for in one call


def measure_decoder(
    model: TextAdversary, hypotheses: Sequence[str], *, num_particles: int, seed: int
) -> dict[str, Any]:
    """Return what depends on the model alone, as plain JSON types.

    Args:
        model: The adversary, in evaluation mode.
        hypotheses: Sentences that it takes.
        num_particles: M.
        seed: Draws and picks the particles, and shuffles the codes.

    Returns:
        ``parameters`` (see ``num_parameters``), ``reconstruction`` (see ``Reconstruction``), ``bleu``, and
        ``code_use`` (see ``CodeUse``).
    """
    draw = {"num_particles": num_particles, "seed": seed}
    originals = [tokenize(text).words for text in hypotheses]
    return {
        "parameters": num_parameters(model),
        "reconstruction": asdict(measure_reconstruction(model, hypotheses, **draw)),
        "bleu": bleu(originals, reconstructed_words(model, hypotheses, **draw)),
        "code_use": asdict(measure_code_use(model, hypotheses, **draw)),
    }


def num_parameters(model: TextAdversary) -> dict[str, int]:
    """Count parameters, trained or frozen: ``all`` of the adversary, and those of its ``decoder`` alone."""
    return {
        "all": sum(p.numel() for p in model.parameters()),
        "decoder": sum(p.numel() for p in model.decoder.parameters()),
    }


@torch.no_grad()
def reconstructed_words(
    model: TextAdversary, hypotheses: Sequence[str], *, num_particles: int, seed: int
) -> list[Words]:
    """Decode one draw of the mixture for each hypothesis, the very draw of ``measure_reconstruction``.

    Args:
        model: The adversary, in evaluation mode.
        hypotheses: Sentences that it takes.
        num_particles: M.
        seed: Draws the particles, and picks one for each sentence.

    Returns:
        The decoded words; a word outside the vocabulary is the unknown symbol.
    """
    ids = model.decode_ids(
        sampled_codes(model, measured_ids(model, hypotheses)[0], num_particles=num_particles, seed=seed)
    )
    return [tuple(model.vocabulary.decode(row)) for row in ids.tolist()]


def bleu(originals: Sequence[Words], decoded: Sequence[Words]) -> float:
    """Return corpus BLEU of decoded against original words, in [0, 1].

    Papineni et al. 2002, n-grams of 1 to 4 words, by nltk; an order without any match counts 0.1 matches (Chen & Cherry
    2014, smoothing 1).  nltk counts a missing n-gram for a sentence of fewer than n words.

    Raises:
        ValueError: If there are not as many of both.
    """
    if len(originals) != len(decoded):
        raise ValueError(f"expected as many originals as decoded sentences, got {len(originals)} and {len(decoded)}")
    from nltk.translate.bleu_score import SmoothingFunction, corpus_bleu

    smoothing = SmoothingFunction().method1
    return float(corpus_bleu([[words] for words in originals], decoded, smoothing_function=smoothing))


def time_decoders(
    models: Mapping[str, TextAdversary],
    hypotheses: Sequence[str],
    labels: Sequence[int],
    *,
    configs: Mapping[str, ManifoldConfig],
    num_candidates: int,
    repeats: int = 5,
) -> dict[str, dict[str, float]]:
    """Return each model's processor time as a multiple of the first one's, one thread, all models in turn.

    Args:
        models: By name, at least one.
        hypotheses: Sentences that all take.
        labels: y of each.
        configs: How each model's attack moves and decodes codes.
        num_candidates: Drawn for each hypothesis.
        repeats: Calls of each kind; medians count.

    Returns:
        By name: ``decode``, sentences decoded freely and greedily from their codes; ``candidates``, an attack's
        candidates for a hypothesis, from the encoder to the finished sentence.
    """
    few, few_labels = list(hypotheses[:TIMED_PAIRS]), list(labels[:TIMED_PAIRS])
    decode, propose = {}, {}
    for name, model in models.items():
        seed = configs[name].seed
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            theta, _ = model.draw_particles(1, generator)
            codes = model.codes(sentence_features(model, hypotheses[:TIMED_SENTENCES]), theta)[0]
        source = ManifoldSource(model, configs[name])
        seeds = [pair_seed(seed, "", text, "") for text in few]
        decode[name] = lambda model=model, codes=codes: model.decode_ids(codes)
        propose[name] = lambda source=source, seeds=seeds: source.propose(few, few_labels, seeds, num_candidates)
    found: dict[str, dict[str, float]] = {name: {} for name in models}
    for kind, calls in (("decode", decode), ("candidates", propose)):
        with use_threads(1):
            timed = time_calls(calls, repeats=repeats)
        first = max(timed[next(iter(models))].cpu, TICK)
        for name in models:
            found[name][kind] = timed[name].cpu / first
    return found
