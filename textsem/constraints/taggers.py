"""Part-of-speech taggers of English: nltk's or spaCy's, whichever the user has."""

from collections.abc import Sequence
from typing import Any, Literal, Protocol

__all__ = ["NltkTagger", "SpacyTagger", "Tagger", "load_tagger"]

_NLTK_MODEL = "averaged_perceptron_tagger_eng"
_NLTK_MEND = f"`python -m nltk.downloader {_NLTK_MODEL}`, or NLTK_DATA set to a folder that has taggers/{_NLTK_MODEL}"
_SPACY_MEND = "`pip install spacy` and `python -m spacy download en_core_web_sm`"


class Tagger(Protocol):
    """Gives words their parts of speech."""

    name: str

    def tag(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        """Return the Penn Treebank tag of each word of each sentence; a sentence's tags depend on its words alone."""
        ...


class NltkTagger:
    """Tag with nltk's averaged perceptron, found on nltk's own data path; implements ``Tagger``.

    Raises:
        ValueError: If nltk does not find the model.
    """

    def __init__(self) -> None:
        from nltk.tag.perceptron import PerceptronTagger

        try:
            self._tagger: Any = PerceptronTagger(lang="eng")
        except LookupError as error:
            raise ValueError(f"expected nltk to find {_NLTK_MODEL}: {_NLTK_MEND}") from error
        self.name = f"nltk {_NLTK_MODEL}"

    def tag(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        """Return the Penn Treebank tag of each word of each sentence."""
        return [[tag for _, tag in self._tagger.tag(list(words))] for words in sentences]


class SpacyTagger:
    """Tag with the first of spaCy's English models that is installed, in order of their names; implements ``Tagger``.

    Raises:
        ValueError: If there is no spaCy or no English model.
    """

    def __init__(self) -> None:
        try:
            import spacy
        except ImportError as error:
            raise ValueError(f"expected spaCy with an English model: {_SPACY_MEND}") from error
        models = sorted(name for name in spacy.util.get_installed_models() if name.startswith("en_"))
        if not models:
            raise ValueError(f"expected an English model of spaCy, found none: {_SPACY_MEND}")
        self._pipeline: Any = spacy.load(models[0], exclude=["parser", "ner", "lemmatizer"])
        self.name = f"spacy {models[0]}"

    def tag(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        """Return the Penn Treebank tag of each word of each sentence."""
        from spacy.tokens import Doc

        documents = [Doc(self._pipeline.vocab, words=list(words)) for words in sentences]
        return [[token.tag_ for token in document] for document in self._pipeline.pipe(documents)]


def load_tagger(kind: Literal["auto", "nltk", "spacy"] = "auto") -> Tagger:
    """Load a tagger; ``auto`` takes nltk's where its model is there, else spaCy's.

    Raises:
        ValueError: If there is none, with what mends it; or if the kind is unknown.
    """
    if kind == "nltk":
        return NltkTagger()
    if kind == "spacy":
        return SpacyTagger()
    if kind != "auto":
        raise ValueError(f"expected a kind of auto, nltk or spacy, got {kind!r}")
    reasons = []
    for tagger in (NltkTagger, SpacyTagger):
        try:
            return tagger()
        except ValueError as error:
            reasons.append(str(error))
    raise ValueError(f"expected a part-of-speech tagger, found none; {'; or '.join(reasons)}")
