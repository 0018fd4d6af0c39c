"""Small targets of every kind, built from nothing but a seed."""

from pathlib import Path

import torch

from textsem.targets.attention import AttentionConfig
from textsem.targets.callable import CallableTarget
from textsem.targets.loading import NetworkConfig, build_word_level_target
from textsem.targets.paper_mlp import PaperMLPConfig
from textsem.targets.word_level import WordLevelTarget
from textsem.text.vocabulary import Vocabulary

WORDS = ("a", "man", "woman", "dog", "is", "sleeping", "running", "in", "the", "park", "outside", ".", "two", "people")
SMALL_CONFIGS: dict[str, NetworkConfig] = {
    "attention": AttentionConfig(embedding_dim=6, hidden_dim=8, num_layers=2, classifier_dim=8),
    "paper": PaperMLPConfig(embedding_dim=6, code_dim=4, hidden_dims=(8, 8)),
}


def build_word_level(architecture: str, *, seed: int = 0) -> WordLevelTarget:
    torch.manual_seed(seed)
    return build_word_level_target(SMALL_CONFIGS[architecture], Vocabulary(WORDS), batch_size=16).eval()


def save_tiny_bert(folder: Path, *, names: tuple[str, ...], max_tokens: int = 64) -> Path:
    """Write a randomly initialised BERT classifier with its tokenizer: what a user would bring."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    ids = {word: i for i, word in enumerate(("[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS))}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])],
    )
    PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]"
    ).save_pretrained(folder)
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(ids),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=max_tokens,
        initializer_range=0.5,
        id2label=dict(enumerate(names)),
        label2id={name: i for i, name in enumerate(names)},
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def build_callable() -> CallableTarget:
    """Classify by the share of the hypothesis's letters that are e, n or c."""

    def score(pairs: list[tuple[str, str]]) -> list[list[float]]:
        counts = [[1.0 + hypothesis.count(letter) for letter in "enc"] for _, hypothesis in pairs]
        return [[count / sum(row) for count in row] for row in counts]

    return CallableTarget(score)


def build_two_class_callable() -> CallableTarget:
    """Classify by the share of the hypothesis's letters that are e, by name."""

    def score(pairs: list[tuple[str, str]]) -> list[dict[str, float]]:
        shares = [(1.0 + hypothesis.count("e")) / (2.0 + len(hypothesis)) for _, hypothesis in pairs]
        return [{"not_entailment": 1 - share, "entailment": share} for share in shares]

    return CallableTarget(score, label_order=("not_entailment", "entailment"))
