from pathlib import Path

import pytest
import torch
from torch import Tensor

from images_ext.data.glyphs import CELL_HEIGHTS, Glyphs, render_glyphs
from images_ext.data.svhn import STAND_IN_NAME, load_svhn
from images_ext.data.svhn_stand_in import draw_house_numbers, make_svhn_stand_in


@pytest.fixture(scope="module")
def glyphs() -> Glyphs:
    return render_glyphs()


def drawn(num: int, glyphs: Glyphs, seed: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    images = draw_house_numbers(num, split="test", glyphs=glyphs, generator=generator)
    return images.images, images.labels


def test_same_seed_same_bytes_and_other_seed_other_bytes(glyphs: Glyphs) -> None:
    images, labels = drawn(6, glyphs)
    again, labels_again = drawn(6, glyphs)
    torch.testing.assert_close(again, images, rtol=0, atol=0)
    assert labels_again.tolist() == labels.tolist()
    assert not torch.equal(drawn(6, glyphs, seed=4)[0], images)


def test_the_label_is_the_digit_in_the_middle(glyphs: Glyphs) -> None:
    # A font in which only the seven has ink: the middle changes where the label is 7, and nowhere else.
    masks = torch.zeros(1, 10, 96, 96)
    masks[:, 7] = 1.0
    only_sevens = Glyphs(masks, torch.ones(1, 10))
    images, labels = drawn(150, only_sevens)
    blank, _ = drawn(150, Glyphs(torch.zeros(1, 10, 96, 96), torch.ones(1, 10)))
    change = (images.int() - blank.int()).abs().float()[:, :, 14:18, 14:18].mean(dim=(1, 2, 3))
    assert 0 < int((labels == 7).sum()) < 150
    assert bool((change[labels == 7] > 2).float().mean() > 0.9)
    # A bar or a shadow of a neighbour may reach the middle, but seldom.
    assert bool((change[labels != 7] > 2).float().mean() < 0.1)


def test_classes_have_the_shares_of_svhn(glyphs: Glyphs) -> None:
    labels = drawn(600, Glyphs(glyphs.masks[:1, :, ::12, ::12], glyphs.widths[:1]))[1]
    shares = labels.bincount(minlength=10) / 600
    # Three binomial deviations of the largest share: 3 sqrt(0.189 * 0.811 / 600) = 0.048.
    expected = torch.tensor([0.068, 0.189, 0.144, 0.116, 0.102, 0.094, 0.078, 0.076, 0.069, 0.064])
    torch.testing.assert_close(shares, expected, rtol=0, atol=0.048)


def test_images_are_in_colour_and_not_flat(glyphs: Glyphs) -> None:
    images = drawn(40, glyphs)[0].float()
    assert bool((images.flatten(1).std(dim=1) > 4).all())
    assert bool(((images.amax(1) - images.amin(1)).flatten(1).mean(1) > 3).float().mean() > 0.8)


def test_glyphs_fill_their_height_and_stay_in_their_cell(glyphs: Glyphs) -> None:
    rows = (glyphs.masks > 0.5).any(-1).sum(-1).float() / glyphs.masks.shape[-2]
    torch.testing.assert_close(rows, torch.full_like(rows, 1 / CELL_HEIGHTS), rtol=0, atol=0.03)
    columns = (glyphs.masks > 0.5).any(-2).sum(-1).float() / glyphs.masks.shape[-1]
    torch.testing.assert_close(columns, glyphs.widths / CELL_HEIGHTS, rtol=0, atol=0.03)
    border = torch.cat([glyphs.masks[..., [0, -1], :].flatten(), glyphs.masks[..., [0, -1]].flatten()])
    assert border.max() == 0


def test_no_two_digits_of_a_font_look_the_same(glyphs: Glyphs) -> None:
    for font in glyphs.masks.flatten(2):
        assert torch.pdist(font).min() > 5


def test_files_are_what_the_real_loader_reads(tmp_path: Path) -> None:
    make_svhn_stand_in(tmp_path / "new", num_train=3, num_test=2, seed=1)
    train, test = load_svhn(tmp_path / "new", "train"), load_svhn(tmp_path / "new", "test")
    assert (len(train), len(test)) == (3, 2)
    assert train.name == test.name == STAND_IN_NAME == "svhn stand-in"
    assert not torch.equal(train.images[:2], test.images)


def test_number_below_one_is_refused(glyphs: Glyphs) -> None:
    with pytest.raises(ValueError, match="expected at least 1 image, got 0"):
        drawn(0, glyphs)
