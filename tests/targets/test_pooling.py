import torch

from textsem.targets.pooling import WordDropout, masked_max, masked_mean

VALUES = torch.tensor([[[1.0, -5.0], [3.0, -7.0], [99.0, 99.0]]])
MASK = torch.tensor([[True, True, False]])


def test_mean_and_maximum_leave_padding_out() -> None:
    assert masked_mean(VALUES, MASK).tolist() == [[2.0, -6.0]]
    assert masked_max(VALUES, MASK).tolist() == [[3.0, -5.0]]


def test_row_without_words_gives_zeros() -> None:
    nothing = torch.zeros(1, 3, dtype=torch.bool)
    assert masked_mean(VALUES, nothing).tolist() == masked_max(VALUES, nothing).tolist() == [[0.0, 0.0]]


def test_infinite_padding_does_not_leak() -> None:
    values = VALUES.clone()
    values[0, 2] = float("nan")
    assert masked_mean(values, MASK).tolist() == [[2.0, -6.0]]
    assert masked_max(values, MASK).tolist() == [[3.0, -5.0]]


def test_dropout_treats_all_words_of_a_sentence_alike_and_keeps_the_mean() -> None:
    dropped = WordDropout(0.25)(torch.ones(50, 7, 400))
    assert (dropped == dropped[:, :1]).all()
    assert set(dropped.unique().tolist()) == {0.0, torch.tensor(1 / 0.75).item()}
    # 20,000 independent draws: standard error 0.004
    torch.testing.assert_close(dropped.mean(), torch.tensor(1.0), atol=0.02, rtol=0.0)


def test_dropout_is_off_in_evaluation() -> None:
    assert torch.equal(WordDropout(0.9).eval()(VALUES), VALUES)
