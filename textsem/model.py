"""TextAdversary: the one object that is trained, saved, loaded and shared."""

import json
import typing
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from textsem.latent.initialisation import draw_layers, materialise
from textsem.latent.particles import ParticleMLP
from textsem.latent.recognition import RecognitionConfig, RecognitionNetwork
from textsem.model_config import DECODERS, ENCODERS, TextAdversaryConfig
from textsem.model_files import (
    CONFIG_NAME,
    MODEL_TYPE,
    WEIGHTS_NAME,
    AdversaryParts,
    describe,
    read_parts,
    write_parts,
)
from textsem.protocols import Decoder, GenerationConfig
from textsem.runs.saved_model import read_weights, write_weights
from textsem.text.labels import LABEL_NAMES
from textsem.text.meaning import MeaningTable
from textsem.text.ngram import TrigramLanguageModel
from textsem.text.vocabulary import PAD_ID, Vocabulary

__all__ = ["TextAdversary"]

HUB_CLASS = "NliAttackModel"  # the class in `textsem.transformers_model` that carries an adversary
INITIAL_LOGIT_SCALE = 12.0  # cosines lie within 1; the scale makes a softmax over 11,000 words sharp enough to learn
GREEDY = GenerationConfig()
NEUTRAL = LABEL_NAMES.index("neutral")


class TextAdversary(nn.Module):
    """Embeddings, sentence encoder, recognition networks f_eta and f_eta', decoder, and a trigram of the corpus.

    Fig. 1: x -> features -> Theta ~ f_eta -> z -> Theta' ~ f_eta' -> z' -> p_phi -> x'.

    The constructor draws nothing: weights are zero until ``initialise`` or ``from_pretrained`` fills them.

    Args:
        config: Shapes.
        vocabulary: Words and ids.
        language_model: Trigram of the training sentences, for the fluency constraint; None leaves that out.
        meaning: A sentence encoder distilled into word vectors; None takes the embedding table in its place.

    Raises:
        ValueError: If the meaning table, or the decoder's table of subwords, has not one row a word.
    """

    bank_features: Tensor

    def __init__(
        self,
        config: TextAdversaryConfig,
        vocabulary: Vocabulary,
        language_model: TrigramLanguageModel | None = None,
        meaning: MeaningTable | None = None,
    ) -> None:
        super().__init__()
        known = getattr(config.decoder, "vocab_size", vocabulary.size)
        if known != vocabulary.size:
            raise ValueError(
                f"expected a vocabulary of {known} words, as the decoder's pieces have, got {vocabulary.size}"
            )
        if meaning is not None and len(meaning.vectors) != vocabulary.size:
            raise ValueError(f"expected a meaning table of {vocabulary.size} words, got {len(meaning.vectors)}")
        self.config = config
        self.vocabulary = vocabulary
        self.language_model = language_model
        self.meaning = meaning
        self.embedding = nn.Parameter(torch.zeros(vocabulary.size, config.encoder.embedding_dim))
        self.log_scale = nn.Parameter(torch.tensor(INITIAL_LOGIT_SCALE).log())
        with torch.device("meta"):
            encoder = ENCODERS[config.encoder_name][0](config.encoder)
            decoder = DECODERS[config.decoder_name][0](config.decoder)
        self.encoder, self.decoder = materialise(encoder), materialise(decoder)
        self.particle_mlp = ParticleMLP(config.particle)
        self.particle_mlp_adv = ParticleMLP(config.particle_adv)
        self.recognition = self._recognition(self.particle_mlp, config.spread)
        self.recognition_adv = self._recognition(self.particle_mlp_adv, config.spread_adv)
        if config.perturbation_condition == "label":
            self.label_shift = nn.Parameter(torch.zeros(len(LABEL_NAMES), config.particle_adv.in_dim))
        self.register_buffer("bank_features", torch.zeros(config.bank_size, config.encoder.feature_dim))

    def _recognition(self, mlp: ParticleMLP, spread: float) -> RecognitionNetwork:
        config = RecognitionConfig(mlp.num_parameters, self.config.noise_dim, self.config.recognition_hidden, spread)
        return RecognitionNetwork(config)

    def initialise(self, embeddings: Tensor, generator: torch.Generator) -> "TextAdversary":
        """Set the embedding table [vocab, embedding] and draw the start of all networks; return self."""
        with torch.no_grad():
            self.embedding.copy_(embeddings)
        for part in (self.encoder, self.decoder):
            draw_layers(part, generator)
        return self.initialise_particles(generator)

    def initialise_particles(self, generator: torch.Generator) -> "TextAdversary":
        """Start both recognition networks afresh around one weight vector each; return self."""
        self.recognition.initialise(self.particle_mlp.initial(generator), generator)
        self.recognition_adv.initialise(self.particle_mlp_adv.initial(generator), generator)
        return self

    @property
    def length(self) -> int:
        """Positions of a row of ids: the longest hypothesis and its end symbol."""
        return self.config.max_length + 1

    def embedding_table(self, word_ids: Tensor | None = None) -> Tensor:
        """Return unit-length word vectors [vocab or words, embedding]; the norm of Eq. 6 is taken between these."""
        rows = self.embedding if word_ids is None else nn.functional.embedding(word_ids, self.embedding)
        return nn.functional.normalize(rows, dim=-1)

    def embed(self, ids: Tensor) -> Tensor:
        """Return word vectors [..., length, embedding] of ``ids`` [..., length]; pads are zero vectors."""
        vectors = nn.functional.normalize(nn.functional.embedding(ids, self.embedding), dim=-1)
        return torch.where((ids != PAD_ID)[..., None], vectors, 0.0)

    def features(self, ids: Tensor) -> Tensor:
        """Return the sentence encoder's features [batch, feature] of ``ids`` [batch, length]."""
        features: Tensor = self.encoder(self.embed(ids), ids != PAD_ID)
        return features

    def draw_particles(self, num_particles: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw xi once and return Theta [particles, parameters] and Theta' [particles, parameters']."""
        xi = self.recognition.sample_noise(num_particles, generator)
        return self.recognition(xi), self.recognition_adv(xi)

    def codes(self, features: Tensor, theta: Tensor) -> Tensor:
        """Return Z [particles, batch, latent] of ``features`` [batch, feature] (E)."""
        return self.particle_mlp(theta, features)

    def perturb(self, codes: Tensor, features: Tensor, theta_adv: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return z' [particles, batch, latent]: E' on clean codes or on features (reading 12).

        Args:
            codes: Z, [particles, batch, latent].
            features: [batch, feature].
            theta_adv: Theta', [particles, parameters].
            labels: y, [batch]; not read unless E' is conditioned on it.
        """
        inputs = codes if self.config.perturbation_input == "code" else features
        return self.particle_mlp_adv(theta_adv, self.condition(inputs, labels))

    def condition(self, inputs: Tensor, labels: Tensor | None) -> Tensor:
        """Tell E' the class: its input [..., batch, in] shifted by that of each label [batch], of ``GOLD_NAMES``.

        E' knows three classes: ``not_entailment`` is told as neutral.

        Raises:
            ValueError: If E' is conditioned on labels and there are none.
        """
        if self.config.perturbation_condition == "none":
            return inputs
        if labels is None:
            raise ValueError("expected labels for an adversary whose E' is conditioned on them, got None")
        return inputs + self.label_shift[torch.where(labels < len(LABEL_NAMES), labels, NEUTRAL)]

    def word_logits(self, vectors: Tensor, word_ids: Tensor | None = None) -> Tensor:
        """Compare position vectors [..., embedding] with the table: scaled cosines [..., vocab or choices]."""
        return self.log_scale.exp() * vectors @ self.embedding_table(word_ids).T

    def position_vectors(self, codes: Tensor, ids: Tensor) -> Tensor:
        """Return the decoder's vectors [..., length, embedding] of ``codes`` [..., latent] along the words of ``ids``.

        A decoder that writes word by word takes each word from the code and from the words of ``ids`` [..., length]
        before it (teacher forcing); one that writes all at once does not read them.
        """
        vectors: Tensor = self.decoder(codes, ids, self.embedding_table())
        return vectors

    @torch.no_grad()
    def decode_ids(
        self, codes: Tensor, *, config: GenerationConfig = GREEDY, generator: torch.Generator | None = None
    ) -> Tensor:
        """Return the words of ``codes`` [..., latent], the decoder running free, to the end symbol, then pads.

        Args:
            codes: [..., latent].
            config: How words are chosen: greedily, drawn, or by beam search.
            generator: Of ``sampling``.

        Returns:
            Ids, [..., length].
        """
        scale, table = self.log_scale.exp().item(), self.embedding_table()
        decoder = typing.cast(Decoder, self.decoder)
        return decoder.generate(codes, table, scale=scale, config=config, generator=generator)

    @property
    def parts(self) -> AdversaryParts:
        """What this adversary is built from, beside its weights."""
        return AdversaryParts(self.config, self.vocabulary, self.language_model, self.meaning)

    def save_pretrained(self, folder: str | Path, *, dtype: torch.dtype = torch.float16) -> None:
        """Write a folder that ``from_pretrained`` reads, and transformers' ``AutoModel`` too."""
        path = Path(folder)
        write_parts(self.parts, path)
        config = {**describe(self.parts), "model_type": MODEL_TYPE, "architectures": [HUB_CLASS]}
        (path / CONFIG_NAME).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        write_weights(path / WEIGHTS_NAME, self.state_dict(), dtype=dtype)

    @classmethod
    def empty(cls, folder: str | Path) -> "TextAdversary":
        """Build the adversary of a folder without reading its weights.

        Raises:
            ValueError: If a file is missing, or does not fit the others.
        """
        parts = read_parts(Path(folder))
        return cls(parts.config, parts.vocabulary, parts.language_model, parts.meaning)

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> "TextAdversary":
        """Read what ``save_pretrained`` wrote, strictly, as float32, in evaluation mode.

        Raises:
            ValueError: If a file is missing, or does not fit the others.
        """
        path = Path(folder)
        model = cls.empty(path)
        try:
            model.load_state_dict(read_weights(path / WEIGHTS_NAME), strict=True)
        except RuntimeError as error:
            raise ValueError(f"expected the weights of this config in {path / WEIGHTS_NAME}: {error}") from None
        return model.eval()

    def tell_labels(self) -> "TextAdversary":
        """Condition E' on the label from now on, by shifts that start at zero and change nothing yet; return self."""
        self.config = replace(self.config, perturbation_condition="label")
        self.label_shift = nn.Parameter(self.embedding.new_zeros(len(LABEL_NAMES), self.config.particle_adv.in_dim))
        return self

    def resize_bank(self, bank_size: int) -> "TextAdversary":
        """Make room for another number of training codes, all zeros until training fills them; return self."""
        self.config = replace(self.config, bank_size=bank_size)
        self.bank_features = self.bank_features.new_zeros(bank_size, self.config.encoder.feature_dim)
        return self
