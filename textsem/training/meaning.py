"""Distil a sentence encoder into an adversary's meaning table, and say on held-out sentences how close it comes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from tqdm import tqdm

from textsem.model import TextAdversary
from textsem.processes import Processes
from textsem.text.batches import encode_sentences
from textsem.text.meaning import MeaningTable, main_directions
from textsem.text.similarity import nearest_neighbours, word_mask
from textsem.text.tokenization import TokenizedText, render, tokenize
from textsem.text.vocabulary import SPECIAL_WORDS, Vocabulary

__all__ = ["DistilledMeaning", "MeaningConfig", "TextEncoder", "distil_meaning"]

SIMILARITY_LIMIT = 0.8  # where precision and recall are taken: the limit that a report asks of the encoder's cosine
ENCODED_TEXTS = 2048  # handed to the encoder at a time, between two steps of the progress bar


class TextEncoder(Protocol):
    """What is distilled; `textsem.constraints.sentence_encoder.SentenceEncoder` is one."""

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Return a vector of unit length for each text, [texts, embedding]."""
        ...


@dataclass(frozen=True)
class MeaningConfig:
    """Settings of one distillation; with the encoder, the adversary's words and the sentences they fix the outcome.

    Args:
        num_sentences: Most sentences that the word vectors are fitted to, beside the vocabulary's single words.
        num_held_out: Most sentences kept apart for the figures, a tenth of all at most.
        dim: Meaning dimensions.
        ridge: Weight of the penalty on the word vectors.
        num_swapped: Held-out sentences whose swaps are compared.
        num_swaps: Swaps of each, of one word and of two in turn.
        num_neighbours: Nearest words, by the adversary's embeddings, that a swap draws from.
        seed: Of the sample and the swaps.
    """

    num_sentences: int = 35_000
    num_held_out: int = 1_000
    dim: int = 128
    ridge: float = 0.02
    num_swapped: int = 200
    num_swaps: int = 10
    num_neighbours: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("num_sentences", "num_held_out", "dim", "num_swapped", "num_swaps", "num_neighbours"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} >= 1, got {getattr(self, name)}")
        if self.ridge < 0:
            raise ValueError(f"expected ridge >= 0, got {self.ridge}")


@dataclass(frozen=True)
class DistilledMeaning:
    """What ``distil_meaning`` made.

    Args:
        table: The word vectors.
        figures: What was measured on held-out sentences, by name; None where it is not defined.
    """

    table: MeaningTable
    figures: dict[str, float | int | None]


def distil_meaning(
    encoder: TextEncoder, model: TextAdversary, texts: Sequence[str], config: MeaningConfig
) -> DistilledMeaning:
    """Fit word vectors to the encoder's vectors of single words and sentences, and measure them on other sentences.

    Args:
        encoder: What is distilled.
        model: Its vocabulary gets the vectors; its embeddings say which words a swap brings.
        texts: Sentences; of those with the same words the first is taken.
        config: Everything else that shapes the outcome.

    Raises:
        ValueError: If there are several processes, there are fewer than two different sentences, ``dim`` is larger
            than the encoder's, or no held-out sentence has a word to swap.
    """
    Processes.current().expect_alone("distilling a sentence encoder")
    generator = torch.Generator().manual_seed(config.seed)
    sentences, held_out = _sample(texts, config, generator)
    own = _encode(encoder, [sentence.text for sentence in held_out])
    if config.dim > own.shape[1]:  # found out before the long part
        raise ValueError(f"expected dim of at most the encoder's {own.shape[1]}, got {config.dim}")
    words = [tokenize(word) for word in model.vocabulary.words[len(SPECIAL_WORDS) :]]
    fitted = [*words, *sentences]
    vectors = _encode(encoder, [sentence.text for sentence in fitted])
    exact = MeaningTable.fit(
        [sentence.words for sentence in fitted],
        vectors,
        vocabulary=model.vocabulary,
        dim=config.dim,
        ridge=config.ridge,
    )
    table = MeaningTable(exact.vectors.half())  # the figures are those of the file
    own_sums = table.sums(_ids(held_out, model.vocabulary))
    figures: dict[str, float | int | None] = {
        "sentences": len(sentences),
        "single_words": len(words),
        "held_out_sentences": len(held_out),
        "held_out_cosine": float(
            torch.cosine_similarity(own_sums, own @ main_directions(vectors, config.dim), dim=-1).mean()
        ),
    }
    return DistilledMeaning(table, figures | _swap_figures(table, encoder, model, held_out, config, generator))


def _sample(
    texts: Sequence[str], config: MeaningConfig, generator: torch.Generator
) -> tuple[list[TokenizedText], list[TokenizedText]]:
    """Return the sentences to fit and those held out, all of different words."""
    different: dict[tuple[str, ...], TokenizedText] = {}
    for text in dict.fromkeys(texts):
        sentence = tokenize(text)
        different.setdefault(sentence.words, sentence)
    different.pop((), None)
    if len(different) < 2:
        raise ValueError(f"expected two different sentences or more, got {len(different)}")
    every = list(different.values())
    order = [every[i] for i in torch.randperm(len(every), generator=generator).tolist()]
    num_held_out = min(config.num_held_out, max(1, len(every) // 10))
    return order[num_held_out : num_held_out + config.num_sentences], order[:num_held_out]


def _encode(encoder: TextEncoder, texts: Sequence[str]) -> Tensor:
    starts = tqdm(range(0, len(texts), ENCODED_TEXTS), desc="encoder", unit="chunk", disable=len(texts) < ENCODED_TEXTS)
    return torch.cat([encoder.encode(texts[start : start + ENCODED_TEXTS]) for start in starts])


def _ids(sentences: Sequence[TokenizedText], vocabulary: Vocabulary) -> Tensor:
    words = [sentence.words for sentence in sentences]
    return encode_sentences(words, vocabulary=vocabulary, max_length=max(map(len, words)))


def _swap_figures(
    table: MeaningTable,
    encoder: TextEncoder,
    model: TextAdversary,
    held_out: Sequence[TokenizedText],
    config: MeaningConfig,
    generator: torch.Generator,
) -> dict[str, float | int | None]:
    """Compare the table's cosine with the encoder's on swaps of held-out sentences."""
    from scipy.stats import spearmanr

    is_word = word_mask(model.vocabulary)
    originals, swapped = [], []
    for sentence in held_out[: config.num_swapped]:
        found = _swaps(sentence, model, is_word, config, generator)
        originals += [sentence] * len(found)
        swapped += found
    if not swapped:
        raise ValueError("expected a held-out sentence with a word of the vocabulary that has neighbours, got none")
    old, new = (_encode(encoder, [sentence.text for sentence in side]) for side in (originals, swapped))
    real = torch.cosine_similarity(old, new, dim=-1)
    old_sums, new_sums = (table.sums(_ids(side, model.vocabulary)) for side in (originals, swapped))
    found_similarity = torch.cosine_similarity(old_sums, new_sums, dim=-1)
    is_close, is_found = real >= SIMILARITY_LIMIT, found_similarity >= SIMILARITY_LIMIT
    has_spread = bool(real.min() < real.max()) and bool(found_similarity.min() < found_similarity.max())
    return {
        "swaps": len(swapped),
        "pearson": float(torch.corrcoef(torch.stack([real, found_similarity]))[0, 1]) if has_spread else None,
        "spearman": float(spearmanr(real.numpy(), found_similarity.numpy())[0]) if has_spread else None,
        "share_at_least_0.8": float(is_close.float().mean()),
        "precision_at_0.8": float(is_close[is_found].float().mean()) if is_found.any() else None,
        "recall_at_0.8": float(is_found[is_close].float().mean()) if is_close.any() else None,
    }


def _swaps(
    sentence: TokenizedText, model: TextAdversary, is_word: Tensor, config: MeaningConfig, generator: torch.Generator
) -> list[TokenizedText]:
    """Return the sentence with one word, and with two, replaced by embedding neighbours, over and over."""
    vocabulary = model.vocabulary
    ids = torch.tensor(vocabulary.encode(sentence.words))
    places = is_word[ids].nonzero()[:, 0]
    num_neighbours = min(config.num_neighbours, int(is_word.sum()) - 1)
    if not len(places) or num_neighbours < 1:
        return []
    neighbours = nearest_neighbours(
        model.embedding_table().detach(), ids[places], is_allowed=is_word, num_neighbours=num_neighbours
    )
    found = []
    for number in range(config.num_swaps):
        words = list(sentence.words)
        for row in torch.randperm(len(places), generator=generator)[: 1 + number % 2].tolist():
            choice = int(torch.randint(num_neighbours, (1,), generator=generator))
            words[int(places[row])] = vocabulary.words[int(neighbours[row, choice])]
        found.append(TokenizedText(render(sentence, words), tuple(words), ()))
    return found
