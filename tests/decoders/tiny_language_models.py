"""Tiny language models with random weights: in folders with a tokenizer, as transformers saves them, or bare."""

from pathlib import Path
from typing import Any

import torch

from textsem.decoders.pretrained import PretrainedDecoder, PretrainedDecoderConfig
from textsem.text.vocabulary import END_ID, PAD_ID, SPECIAL_WORDS, START_ID

SENTENCES = [
    "a man is sleeping in the park.",
    "two dogs run near a house, and a woman sits.",
    "the children aren't playing outside with a red ball.",
    "a woman is running near the park.",
]
ORDINARY = ["a", "man", "woman", "is", "sleeping", "in", "the", "park", ".", ",", "dogs", "aren't", "outside", "zebra"]
WORDS = [*SPECIAL_WORDS, *ORDINARY]
POSITIONS = 96

_SIZES: dict[str, dict[str, Any]] = {
    "gpt2": {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": POSITIONS, "initializer_range": 0.3},
    "llama": {
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": POSITIONS,
        "initializer_range": 0.3,
    },
    "opt": {
        "hidden_size": 16,
        "word_embed_proj_dim": 12,
        "ffn_dim": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": POSITIONS,
        "init_std": 0.3,
    },
    "t5": {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2},
    "bart": {
        "d_model": 16,
        "encoder_layers": 1,
        "decoder_layers": 2,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 24,
        "decoder_ffn_dim": 24,
        "max_position_embeddings": POSITIONS,
        "init_std": 0.3,
        "scale_embedding": True,
    },
}
FAMILIES = {"gpt2": "causal", "llama": "causal", "opt": "causal", "t5": "seq2seq", "bart": "seq2seq"}


def tiny_config(model_type: str, *, vocab_size: int, **special: int | None) -> Any:
    """Return a configuration of transformers for a tiny model of this type."""
    from transformers import AutoConfig

    ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 1, **special}
    if FAMILIES[model_type] == "seq2seq":
        ids["decoder_start_token_id"] = ids["pad_token_id"] if model_type == "t5" else ids["eos_token_id"]
    return AutoConfig.for_model(model_type, vocab_size=vocab_size, **_SIZES[model_type], **ids)


def build_tiny_decoder(
    model_type: str, *, latent_dim: int, length: int, embedding_dim: int, vocab_size: int, seed: int = 0
) -> PretrainedDecoder:
    """Return a decoder with weights from the seed, without a tokenizer: words have one to three made-up pieces."""
    config = PretrainedDecoderConfig(
        latent_dim,
        length,
        embedding_dim,
        family=FAMILIES[model_type],  # type: ignore[arg-type]
        model_config=tiny_config(model_type, vocab_size=40).to_dict(),
        vocab_size=vocab_size,
        max_pieces=3,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        decoder = PretrainedDecoder(config)
    pieces = torch.randint(2, 40, (vocab_size, 3), generator=torch.Generator().manual_seed(5))
    pieces[::3, 1:] = -1
    pieces[1::3, 2:] = -1
    for word, piece in ((PAD_ID, 0), (START_ID, 0 if model_type == "t5" else 1), (END_ID, 1)):
        pieces[word] = torch.tensor([piece, -1, -1])
    decoder.pieces.copy_(pieces)
    return decoder.eval()


def save_tiny_language_model(folder: Path, model_type: str, tokenizer: Any = None) -> Path:
    """Write a model with random weights and its tokenizer, or the tokenizer of its family trained on ``SENTENCES``."""
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    tokenizer = tokenizer or TOKENIZERS[model_type]()
    special = {name: getattr(tokenizer, name) for name in ("pad_token_id", "bos_token_id", "eos_token_id")}
    config = tiny_config(model_type, vocab_size=len(tokenizer) + 3, **special)
    torch.manual_seed(2)
    auto = AutoModelForSeq2SeqLM if FAMILIES[model_type] == "seq2seq" else AutoModelForCausalLM
    auto.from_config(config).save_pretrained(folder)  # type: ignore[no-untyped-call]
    tokenizer.save_pretrained(folder)
    return folder


def byte_level_tokenizer() -> Any:
    """Return byte pairs, as GPT-2's and BART's: a blank is part of the word behind it."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=340,
        special_tokens=["<|endoftext|>", "<pad>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES * 3, trainer)
    return _wrap(tokenizer, bos_token="<|endoftext|>", eos_token="<|endoftext|>", pad_token="<pad>")


def unigram_tokenizer() -> Any:
    """Return a unigram model over text with visible blanks, as sentencepiece's of T5; no bos token."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=60, special_tokens=special, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(SENTENCES * 3, trainer)
    return _wrap(tokenizer, eos_token="</s>", pad_token="<pad>", unk_token="<unk>")


def byte_fallback_tokenizer() -> Any:
    """Return byte pairs over visible blanks, rare letters as bytes, as sentencepiece's of LLaMA."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation()])
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    tokenizer.train_from_iterator(
        SENTENCES * 3, trainers.BpeTrainer(vocab_size=320, special_tokens=special, show_progress=False)
    )
    return _wrap(tokenizer, bos_token="<s>", eos_token="</s>", pad_token="</s>", unk_token="<unk>")


def word_piece_tokenizer(*, is_bert: bool = False) -> Any:
    """Return WordPiece, which drops blanks and marks the later pieces of a word; as BERT's it has no end token."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=60, special_tokens=["[PAD]", "[UNK]", "[EOS]", "[CLS]"], show_progress=False
    )
    tokenizer.train_from_iterator(SENTENCES * 3, trainer)
    end = {} if is_bert else {"eos_token": "[EOS]"}
    return _wrap(tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", **end)


TOKENIZERS = {
    "gpt2": byte_level_tokenizer,
    "llama": byte_fallback_tokenizer,
    "opt": word_piece_tokenizer,
    "t5": unigram_tokenizer,
    "bart": byte_level_tokenizer,
}


def _wrap(tokenizer: Any, **special: str) -> Any:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)  # type: ignore[no-untyped-call]


LATENT, LENGTH, EMBEDDING = 6, 7, 5


def load(folder: Path | str, *, length: int = LENGTH, max_pieces: int = 4, seed: int = 0) -> PretrainedDecoder:
    generator = torch.Generator().manual_seed(seed)
    return PretrainedDecoder.from_language_model(
        str(folder),
        WORDS,
        latent_dim=LATENT,
        length=length,
        embedding_dim=EMBEDDING,
        max_pieces=max_pieces,
        generator=generator,
    )
