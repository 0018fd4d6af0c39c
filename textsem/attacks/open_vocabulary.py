"""Candidates with words that the adversary's vocabulary lacks, beside those of another source.

A classifier that splits sentences into words reads every word that it never saw alike.  The manifold cannot teach it
such words, since its decoder knows them as little; a lexicon can.
"""

import random
from collections.abc import Sequence

from torch import Tensor

from textsem.attacks.candidates import Candidate, CandidateSource
from textsem.attacks.proposals import reason_against
from textsem.constraints.taggers import Tagger
from textsem.text.batches import encode_sentences
from textsem.text.similarity import embedding_distance, mean_vector_similarity
from textsem.text.substitutes import Substitutes
from textsem.text.tokenization import TokenizedText, render, tokenize, word_edits
from textsem.text.vocabulary import Vocabulary

__all__ = ["OpenVocabularySource"]


class OpenVocabularySource:
    """Add swaps of one or more words with those of lexicons to another source; implements ``CandidateSource``.

    Half of the candidates come from the other source; the rest in equal parts from each lexicon.

    Args:
        source: The other source.
        lexicons: Substitutes of a word, by kind.
        tagger: Gives words their Penn tags.
        vocabulary: Words and ids, to compare candidates in meaning.
        table: Unit-length word vectors, [vocab, embedding].
        max_length: Most words and punctuation marks of a hypothesis.
        max_swaps: Most words swapped in a candidate; each draws its own number, uniform from 1.
    """

    name = "open vocabulary"

    def __init__(
        self,
        source: CandidateSource,
        lexicons: Sequence[Substitutes],
        *,
        tagger: Tagger,
        vocabulary: Vocabulary,
        table: Tensor,
        max_length: int,
        max_swaps: int = 2,
    ) -> None:
        self.source, self.lexicons, self.tagger = source, lexicons, tagger
        self._vocabulary, self._table = vocabulary, table
        self._max_length, self._max_swaps = max_length, max_swaps

    def supports(self, hypothesis: str) -> str | None:
        """Return None, or why this hypothesis is not taken: as the other source says."""
        return self.source.supports(hypothesis) or reason_against(hypothesis, max_length=self._max_length)

    def propose(
        self, hypotheses: Sequence[str], labels: Sequence[int], seeds: Sequence[int], num_candidates: int
    ) -> list[list[Candidate]]:
        """Return at most ``num_candidates`` different candidates of each hypothesis."""
        num_swapped = num_candidates // 2 // len(self.lexicons)
        proposed = self.source.propose(hypotheses, labels, seeds, num_candidates - num_swapped * len(self.lexicons))
        texts = [tokenize(hypothesis) for hypothesis in hypotheses]
        tags = self.tagger.tag([text.words for text in texts])
        found = []
        for own, text, own_tags, seed in zip(proposed, texts, tags, seeds, strict=True):
            rng, seen = random.Random(seed), {candidate.words for candidate in own} | {tuple(text.words)}
            rows = []
            for lexicon in self.lexicons:
                places = [(i, lexicon(word, own_tags[i])) for i, word in enumerate(text.words)]
                rows += self._swapped(text, [(i, words) for i, words in places if words], num_swapped, rng)
            found.append(own + self._candidates(text, [row for row in dict.fromkeys(rows) if row not in seen]))
        return found

    def _swapped(
        self, text: TokenizedText, places: Sequence[tuple[int, Sequence[str]]], number: int, rng: random.Random
    ) -> list[tuple[str, ...]]:
        """Return the words of so many draws: some of the places, each with one of its substitutes."""
        rows = []
        for _ in range(number if places else 0):
            words = list(text.words)
            for i, substitutes in rng.sample(places, rng.randint(1, min(self._max_swaps, len(places)))):
                words[i] = rng.choice(substitutes)
            rows.append(tuple(words))
        return rows

    def _candidates(self, text: TokenizedText, rows: Sequence[tuple[str, ...]]) -> list[Candidate]:
        if not rows:
            return []
        ids = encode_sentences([text.words, *rows], vocabulary=self._vocabulary, max_length=self._max_length)
        distances = embedding_distance(self._table, ids[0], ids[1:]).tolist()
        similarities = mean_vector_similarity(self._table, ids[0], ids[1:]).tolist()
        return [
            Candidate(render(text, list(words)), words, distance, word_edits(text.words, words), similarity)
            for words, distance, similarity in zip(rows, distances, similarities, strict=True)
        ]
