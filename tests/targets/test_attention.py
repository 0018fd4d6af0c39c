import torch
from torch import Tensor

from textsem.targets.attention import AttentionConfig, AttentionNetwork

CONFIG = AttentionConfig(embedding_dim=5, hidden_dim=4, num_layers=2, classifier_dim=8)


def naive_logits(network: AttentionNetwork, premise: Tensor, hypothesis: Tensor) -> Tensor:
    """Follow the class's formulas word by word for one pair without padding."""
    gelu = torch.nn.functional.gelu
    zero = torch.zeros(CONFIG.hidden_dim)

    def read(words: list[Tensor], layer: torch.nn.Module) -> list[Tensor]:
        framed = [zero, *words, zero]
        return [words[i] + gelu(layer(torch.cat(framed[i : i + 3]))) for i in range(len(words))]

    def encode(sentence: Tensor) -> list[Tensor]:
        words = [network.projection(word) for word in sentence]
        for layer in network.context:
            words = read(words, layer)
        return words

    def align(own: list[Tensor], other: list[Tensor]) -> list[Tensor]:
        keys = [gelu(network.attend(word)) for word in other]
        rows = []
        for word in own:
            query = gelu(network.attend(word))
            scores = torch.stack([query @ key for key in keys]) / CONFIG.hidden_dim**0.5
            rows.append(sum(p * word for p, word in zip(scores.exp() / scores.exp().sum(), other, strict=True)))
        return rows

    pooled = []
    a, b = encode(premise), encode(hypothesis)
    for own, aligned in ((a, align(a, b)), (b, align(b, a))):
        compared = [gelu(network.compare(torch.cat([u, v, u - v, u * v]))) for u, v in zip(own, aligned, strict=True)]
        stacked = torch.stack(read(compared, network.compare_context))
        pooled += [stacked.mean(dim=0), stacked.amax(dim=0)]
    logits: Tensor = network.classifier(torch.cat(pooled))
    return logits


def test_agrees_with_the_formulas_word_by_word_whatever_the_padding() -> None:
    network = AttentionNetwork(CONFIG).eval().double()
    torch.set_default_dtype(torch.float64)
    try:
        for premise_length, hypothesis_length in ((1, 1), (4, 2), (3, 6)):
            premise, hypothesis = torch.randn(1, 9, 5), torch.randn(1, 7, 5)
            masks = (torch.arange(9)[None] < premise_length, torch.arange(7)[None] < hypothesis_length)
            logits = network(premise, masks[0], hypothesis, masks[1])[0]
            expected = naive_logits(network, premise[0, :premise_length], hypothesis[0, :hypothesis_length])
            torch.testing.assert_close(logits, expected)
    finally:
        torch.set_default_dtype(torch.float32)


def test_dropout_acts_in_training_alone() -> None:
    network = AttentionNetwork(CONFIG)
    words, mask = torch.randn(2, 3, 5), torch.ones(2, 3, dtype=torch.bool)
    assert not torch.equal(network(words, mask, words, mask), network(words, mask, words, mask))
    network.eval()
    assert torch.equal(network(words, mask, words, mask), network(words, mask, words, mask))
