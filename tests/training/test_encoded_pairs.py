import torch

from tests.training.toys import NETWORK, PAIRS
from textsem.targets.loading import build_word_level_target
from textsem.training.encoded_pairs import encode_pairs
from textsem.training.labelled_pairs import build_vocabulary, joined_pairs


def test_sum_of_encoded_pairs_is_the_joined_pairs_encoded() -> None:
    target = build_word_level_target(NETWORK, build_vocabulary(PAIRS, max_words=100))
    one, two = encode_pairs(target, PAIRS), encode_pairs(target, joined_pairs([PAIRS, PAIRS]))
    both = one + one
    assert (both.premises, both.hypotheses, both.lengths) == (two.premises, two.hypotheses, two.lengths)
    assert torch.equal(both.labels, two.labels)
    assert len(both) == 2 * len(one) == 2 * len(PAIRS.labels)


def test_no_pairs_change_nothing() -> None:
    target = build_word_level_target(NETWORK, build_vocabulary(PAIRS, max_words=100))
    one = encode_pairs(target, PAIRS)
    both = one + encode_pairs(target, joined_pairs([]))
    assert both.lengths == one.lengths
    assert torch.equal(both.labels, one.labels)
