import torch
from torch import nn

from textsem.targets.paper_mlp import PaperMLP, PaperMLPConfig


def test_sizes_are_those_of_table_10() -> None:
    network = PaperMLP(PaperMLPConfig())
    linear = [layer for layer in network.classifier if isinstance(layer, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in linear] == [
        (200, 100),
        (100, 100),
        (100, 100),
        (100, 3),
    ]
    assert network.code.out_features == 100


def test_code_reads_mean_and_maximum_of_the_words() -> None:
    network = PaperMLP(PaperMLPConfig(embedding_dim=2, code_dim=4)).eval()
    words, mask = torch.tensor([[[1.0, 6.0], [3.0, 2.0], [50.0, 50.0]]]), torch.tensor([[True, True, False]])
    code = network.code(torch.tensor([[2.0, 4.0, 3.0, 6.0]]))
    torch.testing.assert_close(network(words, mask, words, mask), network.classifier(torch.cat([code, code], dim=1)))


def test_premise_and_hypothesis_are_told_apart() -> None:
    network = PaperMLP(PaperMLPConfig(embedding_dim=2)).eval()
    a, b, mask = torch.randn(1, 3, 2), torch.randn(1, 3, 2), torch.ones(1, 3, dtype=torch.bool)
    assert not torch.allclose(network(a, mask, b, mask), network(b, mask, a, mask))
