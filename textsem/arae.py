"""ARAE: an autoencoder of sentences with a generator of codes, trained, saved and loaded as one object."""

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from textsem.arae_networks import Critic, CriticConfig, Generator, GeneratorConfig, Inverter, InverterConfig
from textsem.decoders.arae import ARAEDecoder, ARAEDecoderConfig
from textsem.latent.initialisation import draw_layers, materialise
from textsem.model_config import ENCODERS, EncoderConfig
from textsem.protocols import GenerationConfig
from textsem.runs.saved_model import config_from_plain
from textsem.text.vocabulary import PAD_ID, SPECIAL_WORDS, Vocabulary

__all__ = ["ARAE", "ARAEConfig", "great_circle"]

FORMAT = "textsem-arae-1"
FILE_NAMES = ("config.json", "vocabulary.json", "model.safetensors")
INITIAL_LOGIT_SCALE = 12.0  # as in TextAdversary: sharp enough for a softmax over 11,000 words to learn

GREEDY = GenerationConfig()

Json = TypeVar("Json", dict[str, Any], list[Any])


@dataclass(frozen=True)
class ARAEConfig:
    """Everything that shapes an ``ARAE`` save its words.

    Args:
        max_length: Words and punctuation marks of the longest sentence.
        encoder: Shape of the encoder; its features, normalised, are the code.
        decoder: Shape of the decoder.
        encoder_name: Key of ``ENCODERS``.
        generator: Shape of the generator.
        critic: Shape of the critic.
        inverter: Shape of the inverter; None as long as there is none.
    """

    max_length: int
    encoder: EncoderConfig
    decoder: ARAEDecoderConfig
    encoder_name: Literal["cnn", "lstm"] = "cnn"
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    critic: CriticConfig = field(default_factory=CriticConfig)
    inverter: InverterConfig | None = None

    def __post_init__(self) -> None:
        """Check that the parts fit together."""
        if self.encoder_name not in ENCODERS:
            raise ValueError(f"expected encoder_name among {sorted(ENCODERS)}, got {self.encoder_name!r}")
        kind = ENCODERS[self.encoder_name][1]
        if not isinstance(self.encoder, kind):
            raise ValueError(f"expected a {kind.__name__} for the encoder, got {type(self.encoder).__name__}")
        length, width = self.max_length + 1, self.encoder.feature_dim
        sizes = [
            ("encoder.length", self.encoder.length, length),
            ("decoder.length", self.decoder.length, length),
            ("decoder.embedding_dim", self.decoder.embedding_dim, self.encoder.embedding_dim),
            ("decoder.latent_dim", self.decoder.latent_dim, width),
            ("generator.code_dim", self.generator.code_dim, width),
            ("critic.code_dim", self.critic.code_dim, width),
        ]
        if self.inverter is not None:
            sizes.append(("inverter.code_dim", self.inverter.code_dim, width))
            sizes.append(("inverter.noise_dim", self.inverter.noise_dim, self.generator.noise_dim))
        for name, size, expected in sizes:
            if size != expected:
                raise ValueError(f"expected {name} of {expected}, as the other parts say, got {size}")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "ARAEConfig":
        """Rebuild a config from JSON types.

        Raises:
            ValueError: If a key is missing or unknown.
        """
        try:
            kinds: dict[str, type] = {"encoder": ENCODERS[values["encoder_name"]][1], "decoder": ARAEDecoderConfig}
            kinds |= {"generator": GeneratorConfig, "critic": CriticConfig}
            if values["inverter"] is not None:
                kinds["inverter"] = InverterConfig
            return config_from_plain(cls, values, kinds)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"expected the keys and types of ARAEConfig, got others: {error}") from None


class ARAE(nn.Module):
    """Embeddings, encoder, decoder, generator and critic, and an inverter once one is trained.

        x -> c = enc(x) / |enc(x)| -> dec(c) -> x~        s ~ N(0, 1) -> g(s) -> dec(g(s))

    Zhao, Kim, Zhang, Rush & LeCun 2018 (arXiv:1706.04223), Sec. 3.

    The constructor draws nothing: weights are zero until ``initialise`` or ``from_pretrained`` fills them.

    Args:
        config: Shapes.
        vocabulary: Words and ids.
    """

    def __init__(self, config: ARAEConfig, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.config = config
        self.vocabulary = vocabulary
        self.embedding = nn.Parameter(torch.zeros(vocabulary.size, config.encoder.embedding_dim))
        self.log_scale = nn.Parameter(torch.tensor(INITIAL_LOGIT_SCALE).log())
        with torch.device("meta"):
            encoder = ENCODERS[config.encoder_name][0](config.encoder)
            decoder = ARAEDecoder(config.decoder)
        self.encoder, self.decoder = materialise(encoder), materialise(decoder)
        self.generator, self.critic = Generator(config.generator), Critic(config.critic)
        self.inverter = None if config.inverter is None else Inverter(config.inverter)

    def initialise(self, embeddings: Tensor, generator: torch.Generator) -> "ARAE":
        """Set the embedding table [vocab, embedding] and draw the start of all networks; return self."""
        with torch.no_grad():
            self.embedding.copy_(embeddings)
        for part in (self.encoder, self.decoder, self.generator, self.critic):
            draw_layers(part, generator)
        return self

    @property
    def length(self) -> int:
        """Positions of a row of ids: the longest sentence and its end symbol."""
        return self.config.max_length + 1

    def embedding_table(self, word_ids: Tensor | None = None) -> Tensor:
        """Return unit-length word vectors [vocab or words, embedding]."""
        rows = self.embedding if word_ids is None else F.embedding(word_ids, self.embedding)
        return F.normalize(rows, dim=-1)

    def embed(self, ids: Tensor) -> Tensor:
        """Return word vectors [..., length, embedding] of ``ids`` [..., length]; pads are zero vectors."""
        vectors = F.normalize(F.embedding(ids, self.embedding), dim=-1)
        return torch.where((ids != PAD_ID)[..., None], vectors, 0.0)

    def encode(self, ids: Tensor) -> Tensor:
        """Return unit-length codes [batch, code] of ``ids`` [batch, length]."""
        return F.normalize(self.encoder(self.embed(ids), ids != PAD_ID).float(), dim=-1)

    def position_vectors(self, codes: Tensor, ids: Tensor) -> Tensor:
        """Return unit-length vectors [..., length, embedding] of codes [..., code], given the words before each."""
        vectors: Tensor = self.decoder(codes, ids, self.embedding_table())
        return vectors

    def word_logits(self, vectors: Tensor, word_ids: Tensor | None = None) -> Tensor:
        """Compare position vectors [..., embedding] with the table: scaled cosines [..., vocab or choices]."""
        return self.log_scale.exp() * vectors @ self.embedding_table(word_ids).T

    @torch.no_grad()
    def decode_ids(
        self, codes: Tensor, *, config: GenerationConfig = GREEDY, generator: torch.Generator | None = None
    ) -> Tensor:
        """Return the words of ``codes`` [..., code], written freely: up to the end symbol, then pads, [..., length]."""
        scale = float(self.log_scale.exp())
        return self.decoder.generate(codes, self.embedding_table(), scale=scale, config=config, generator=generator)

    @torch.no_grad()
    def sample(self, num: int, generator: torch.Generator, *, config: GenerationConfig = GREEDY) -> Tensor:
        """Draw noise and return the sentences that generator and decoder make of it, ids [num, length]."""
        noise = torch.randn(num, self.config.generator.noise_dim, generator=generator)
        codes = self.generator(noise.to(self.embedding))
        return self.decode_ids(codes, config=config, generator=generator)

    @torch.no_grad()
    def interpolate(self, ids_a: Tensor, ids_b: Tensor, num_steps: int) -> Tensor:
        """Return sentences on the great circle from one code to another, both ends included, ids [..., steps, length].

        Args:
            ids_a: Sentences to begin with, [batch, length].
            ids_b: Sentences to end with, same shape.
            num_steps: Codes on the way, at least 2.
        """
        return self.decode_ids(great_circle(self.encode(ids_a), self.encode(ids_b), num_steps=num_steps))

    def add_inverter(self, inverter: Inverter) -> "ARAE":
        """Take a trained inverter in, to be saved with the rest; return self."""
        self.config = replace(self.config, inverter=inverter.config)
        self.inverter = inverter
        return self

    def save_pretrained(self, folder: str | Path, *, dtype: torch.dtype = torch.float16) -> None:
        """Write ``config.json``, ``vocabulary.json`` and ``model.safetensors`` into ``folder``."""
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        config = {"format": FORMAT, **asdict(self.config)}
        (path / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        words = list(self.vocabulary.words[len(SPECIAL_WORDS) :])
        (path / "vocabulary.json").write_text(json.dumps(words, ensure_ascii=False) + "\n", encoding="utf-8")
        tensors = {name: value.detach().to(dtype).contiguous() for name, value in self.state_dict().items()}
        save_file(tensors, path / "model.safetensors")

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> "ARAE":
        """Read what ``save_pretrained`` wrote, strictly, as float32, in evaluation mode.

        Raises:
            ValueError: If a file is missing, is of another kind of model, or does not fit the others.
        """
        path = Path(folder)
        for name in FILE_NAMES:
            if not (path / name).is_file():
                raise ValueError(f"expected an ARAE's folder with {name}, found none in {path}")
        values = _read_json(path / "config.json", dict)
        if (form := values.pop("format", None)) != FORMAT:
            raise ValueError(f"expected a config.json of format {FORMAT} in {path}, got {form}")
        vocabulary = Vocabulary(_read_json(path / "vocabulary.json", list))
        model = cls(ARAEConfig.from_dict(values), vocabulary)
        try:
            tensors = {name: value.float() for name, value in load_file(path / "model.safetensors").items()}
        except SafetensorError as error:
            raise ValueError(f"expected whole weights in {path / 'model.safetensors'}: {error}") from None
        if "embedding" in tensors and len(tensors["embedding"]) != vocabulary.size:
            raise ValueError(
                f"expected a vocabulary.json of {len(tensors['embedding'])} words, special ones included, as the"
                f" weights in {path} have, got {vocabulary.size}"
            )
        try:
            model.load_state_dict(tensors, strict=True)
        except RuntimeError as error:
            found = " ".join(str(error).split())  # torch names one key a line
            raise ValueError(f"expected the weights of this config in {path / 'model.safetensors'}: {found}") from None
        return model.eval()


def great_circle(start: Tensor, end: Tensor, *, num_steps: int) -> Tensor:
    """Return codes on the shorter great circle between unit-length codes, both ends included.

        c(t) = cos(t a) start + sin(t a) u,   u = (end - cos(a) start) / |end - cos(a) start|,   t from 0 to 1

    Args:
        start: [..., code].
        end: Same shape.
        num_steps: At least 2.

    Returns:
        [..., steps, code], at equal angles.

    Raises:
        ValueError: If there are fewer than two steps.
    """
    if num_steps < 2:
        raise ValueError(f"expected num_steps of at least 2, got {num_steps}")
    cosine = (start * end).sum(dim=-1, keepdim=True)
    rest = end - cosine * start
    angle = torch.atan2(rest.norm(dim=-1, keepdim=True), cosine)
    t = torch.linspace(0, 1, num_steps, dtype=start.dtype, device=start.device)[:, None] * angle[..., None, :]
    return t.cos() * start[..., None, :] + t.sin() * F.normalize(rest, dim=-1)[..., None, :]


def _read_json(path: Path, kind: type[Json]) -> Json:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"expected JSON in {path}: {error}") from None
    if not isinstance(value, kind):
        raise ValueError(f"expected a {kind.__name__} in {path}, got {type(value).__name__}")
    return value
