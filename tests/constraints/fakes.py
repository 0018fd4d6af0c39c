"""Small parts for the tests of constraints: a sentence encoder from nothing but a seed, a tagger, rows."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch

from textsem.protocols import CandidateRows

WORDS = ("a", "man", "woman", "dog", "is", "sleeping", "running", "in", "the", "park", "outside", ".", "two", "people")
MODULE = "sentence_transformers.models."


def as_rows(
    originals: Sequence[str], candidates: Sequence[str], *, premise: str = "p", label: int = 0
) -> CandidateRows:
    return CandidateRows([premise] * len(originals), originals, candidates, [label] * len(originals))


class FakeTagger:
    """Looks each word up; counts the sentences it was asked about."""

    name = "fake"

    def __init__(self, **words_of_tags: str) -> None:
        self.tags = {word: tag for tag, words in words_of_tags.items() for word in words.split()}
        self.asked: list[tuple[str, ...]] = []

    def tag(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        self.asked += [tuple(words) for words in sentences]
        return [[self.tags.get(word, ".") for word in words] for words in sentences]


def save_tiny_encoder(folder: Path, *, max_positions: int = 64) -> Path:
    """Write a randomly initialised BERT with its tokenizer, as transformers does: a plain encoder."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    ids = {word: i for i, word in enumerate(("[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS))}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = [("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=special)
    PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]"
    ).save_pretrained(folder)
    torch.manual_seed(2)
    config = BertConfig(
        vocab_size=len(ids),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=max_positions,
        initializer_range=0.5,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


def add_sentence_files(
    folder: Path, kinds: Sequence[str] = ("Transformer", "Pooling", "Normalize"), **files: object
) -> Path:
    """Write ``modules.json``, and other files by name: ``pooling``, ``limits``, ``settings``."""
    paths = ["", *(f"{i}_{kind}" for i, kind in enumerate(kinds) if i)]
    modules = [
        {"idx": i, "path": path, "type": MODULE + kind} for i, (path, kind) in enumerate(zip(paths, kinds, strict=True))
    ]
    names = {
        "pooling": "1_Pooling/config.json",
        "limits": "sentence_bert_config.json",
        "settings": "config_sentence_transformers.json",
    }
    for name, content in {"modules.json": modules, **{names[key]: value for key, value in files.items()}}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(content))
    return folder
