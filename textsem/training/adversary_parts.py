"""Where the parts of a new adversary come from: fresh, from an ARAE, or around a pretrained language model."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from textsem.arae import ARAE
from textsem.decoders.arae import ARAEDecoderConfig
from textsem.decoders.pretrained import PretrainedDecoder
from textsem.model import TextAdversary
from textsem.model_config import TextAdversaryConfig
from textsem.text.embeddings import cooccurrence_embeddings, random_embeddings
from textsem.text.ngram import TrigramLanguageModel
from textsem.text.tokenization import tokenize
from textsem.text.vocabulary import Vocabulary
from textsem.training.adversary_config import AdversaryTrainingConfig, with_decoder

__all__ = ["Parts", "build_adversary"]


@dataclass(frozen=True)
class Parts:
    """Which parts an adversary starts with.

    Args:
        decoder: Key of ``DECODERS``; None for the preset's.
        arae: Folder of a trained ARAE, where embeddings, encoder or decoder are its own.
        has_arae_encoder: Whether the ARAE's encoder is the feature extractor (the 300 of Table 10).
        language_model: Folder or hub id for the decoder ``pretrained``.
        tunes_language_model: Whether that model learns too, and not its prefix and output layer alone.
    """

    decoder: str | None = None
    arae: str | None = None
    has_arae_encoder: bool = False
    language_model: str | None = None
    tunes_language_model: bool = False

    def check(self, embeddings: str) -> None:
        """Raise a ValueError where a part is wanted and its source is not named, or the other way round."""
        wants_arae = self.decoder == "arae" or self.has_arae_encoder or embeddings == "arae"
        if wants_arae and self.arae is None:
            raise ValueError("expected the folder of a trained ARAE (--arae) for its embeddings, encoder or decoder")
        if self.arae is not None and not wants_arae:
            raise ValueError("expected embeddings, encoder or decoder to be the ARAE's where its folder is given")
        if wants_arae and embeddings != "arae":
            raise ValueError(
                "expected the ARAE's embeddings (--embeddings arae) beside its encoder or decoder, which read them, "
                f"got {embeddings}"
            )
        if (self.decoder == "pretrained") != (self.language_model is not None):
            raise ValueError(
                "expected decoder pretrained and the folder or hub id of a language model together, "
                f"got {self.decoder!r} and {self.language_model!r}"
            )
        if self.tunes_language_model and self.language_model is None:
            raise ValueError("expected a language model to tune, got none")


FRESH = Parts()


def build_adversary(
    sentences: Sequence[str], shape: TextAdversaryConfig, config: AdversaryTrainingConfig, parts: Parts = FRESH
) -> TextAdversary:
    """Make vocabulary, trigram and first weights from unlabelled sentences.

    Args:
        sentences: Of the corpus.
        shape: Of the adversary, a preset's; it gives way to the parts.
        config: Settings; embeddings, vocabulary size and seed are read.
        parts: Where decoder, encoder and word vectors come from.

    Raises:
        ValueError: If a part is missing or does not fit the others.
    """
    parts.check(config.embeddings)
    words = [tokenize(sentence).words for sentence in sentences]
    generator = torch.Generator().manual_seed(config.seed)
    arae = None if parts.arae is None else ARAE.from_pretrained(parts.arae)
    if arae is None:
        vocabulary = Vocabulary.from_counts(Counter(word for row in words for word in row), config.max_words)
    else:
        vocabulary = arae.vocabulary
        shape = _shape_of_arae(shape, arae, parts)
    if parts.decoder not in (None, "arae", "pretrained"):
        shape = with_decoder(shape, parts.decoder)
    table = _embeddings(words, vocabulary, shape.encoder.embedding_dim, config, arae, generator)
    language_model = TrigramLanguageModel.fit(words, vocabulary=vocabulary)
    pretrained = None
    if parts.language_model is not None:
        old = shape.decoder
        pretrained = PretrainedDecoder.from_language_model(
            parts.language_model,
            vocabulary.words,
            latent_dim=old.latent_dim,
            length=old.length,
            embedding_dim=old.embedding_dim,
            is_frozen=not parts.tunes_language_model,
            generator=generator,
        )
        shape = replace(shape, decoder_name="pretrained", decoder=pretrained.config)
    model = TextAdversary(shape, vocabulary, language_model).initialise(table, generator)
    if pretrained is not None:
        model.decoder.load_state_dict(pretrained.state_dict())
    if arae is not None:
        _take_over(model, arae, parts)
    return model


def _embeddings(
    words: Sequence[Sequence[str]],
    vocabulary: Vocabulary,
    dim: int,
    config: AdversaryTrainingConfig,
    arae: ARAE | None,
    generator: torch.Generator,
) -> torch.Tensor:
    if config.embeddings == "arae" and arae is not None:
        return arae.embedding_table().detach()
    if config.embeddings == "random":
        return random_embeddings(vocabulary.size, dim, generator=generator)
    return cooccurrence_embeddings(words, vocabulary=vocabulary, dim=dim, generator=generator)


def _shape_of_arae(shape: TextAdversaryConfig, arae: ARAE, parts: Parts) -> TextAdversaryConfig:
    """Return the adversary's shape with the ARAE's encoder and decoder in it.

    With the ARAE's encoder the code is as wide as its features, in preset ``paper`` too: Eq. 4 sets Theta' beside
    Theta, so that both need equally many weights, which the 300 and 100 of Table 10 do not give.
    """
    theirs = arae.config
    for name, ours, other in (
        ("max_length", shape.max_length, theirs.max_length),
        ("embedding_dim", shape.encoder.embedding_dim, theirs.encoder.embedding_dim),
    ):
        if ours != other:
            raise ValueError(f"expected an ARAE of {name} {ours}, as this preset has, got {other} in {parts.arae}")
    if parts.has_arae_encoder:
        width = theirs.encoder.feature_dim
        shape = replace(
            shape,
            encoder_name=theirs.encoder_name,
            encoder=theirs.encoder,
            particle=replace(shape.particle, in_dim=width, out_dim=width),
            particle_adv=replace(shape.particle_adv, in_dim=width, out_dim=width),
            decoder=replace(shape.decoder, latent_dim=width),
        )
    if parts.decoder == "arae":
        decoder: ARAEDecoderConfig = replace(theirs.decoder, latent_dim=shape.particle.out_dim)
        shape = replace(shape, decoder_name="arae", decoder=decoder)
    return shape


def _take_over(model: TextAdversary, arae: ARAE, parts: Parts) -> None:
    """Copy the ARAE's weights; a map from codes of another width to its own stays as it was drawn."""
    if parts.has_arae_encoder:
        model.encoder.load_state_dict(arae.encoder.state_dict())
    if parts.decoder == "arae":
        known = model.decoder.state_dict()
        model.decoder.load_state_dict({**known, **arae.decoder.state_dict()})
        with torch.no_grad():
            model.log_scale.copy_(arae.log_scale)
