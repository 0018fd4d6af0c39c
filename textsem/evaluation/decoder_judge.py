"""The trigram that judges texts of adversaries with different vocabularies."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from textsem.data.sentences import load_sentences
from textsem.evaluation.run import BUNDLED_MODEL
from textsem.model import TextAdversary
from textsem.text.ngram import TrigramLanguageModel
from textsem.text.tokenization import tokenize
from textsem.text.vocabulary import Vocabulary

__all__ = ["JUDGE_NAME", "load_trigram"]

JUDGE_NAME = "lm_data"  # folder of the trigram, beside those of the models
MAX_WORDS = 11_000


def load_trigram(lm_data: Sequence[str], folder: Path) -> tuple[TrigramLanguageModel, Path, dict[str, Any]]:
    """Return the trigram that judges: the bundled adversary's, or one fitted on a corpus.

    The vocabulary of a fitted one are the corpus' 11,000 most frequent words, whatever words the adversaries have: all
    are judged by the same words.  It is saved and read back, so that what judges is what its digest stands for.

    Args:
        lm_data: Files, folders or hub ids; none for the bundled adversary's.
        folder: Of the comparison.

    Returns:
        The trigram, the folder in which ``trigram`` lies, and what it was fitted on.
    """
    if not lm_data:
        bundled = TextAdversary.from_pretrained(BUNDLED_MODEL).language_model
        assert bundled is not None
        return bundled, BUNDLED_MODEL, {"fitted_on": ["the bundled adversary's training sentences"]}
    data = load_sentences(lm_data, split="train")
    sentences = [tokenize(sentence).words for sentence in data.sentences]
    vocabulary = Vocabulary.from_counts(Counter(word for words in sentences for word in words), MAX_WORDS)
    own = folder / JUDGE_NAME
    TrigramLanguageModel.fit(sentences, vocabulary=vocabulary).save(own / "trigram")
    return TrigramLanguageModel.load(own / "trigram"), own, {"fitted_on": list(data.sources), "sentences": len(data)}
