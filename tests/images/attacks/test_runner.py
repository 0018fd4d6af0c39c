from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from images_ext.attacks.candidates import to_pixels
from images_ext.attacks.runner import attack_chunks
from images_ext.attacks.search import Outcome, SearchAttack, SearchFactory
from images_ext.data.images import ImageSet
from images_ext.outputs import ImageAttackResult
from images_ext.targets.metering import MeteredImageTarget
from tests.images.attacks.toys import NAMES, WIDE, LinearTarget, ScriptedSearch, some_images
from textsem.protocols import TargetError

IMAGES = some_images(6)
FLIPS = 255 - IMAGES


class Scripted(SearchFactory):
    """Ask about the negative of every image; its own bytes turned by one stand for the reconstruction."""

    def begin(self, image: Tensor, label: int) -> ScriptedSearch:
        return ScriptedSearch([255 - image[None]])

    def reconstruct(self, images: Tensor) -> Tensor:
        return images ^ 1


class Refusing(LinearTarget):
    """Raises when it sees one of some images."""

    def __init__(self, images: Sequence[Tensor]) -> None:
        super().__init__(centre=torch.full((1, 8, 8), 128, dtype=torch.uint8))
        self.refused = [to_pixels(image) for image in images]

    def predict(self, pixels: Tensor) -> Tensor:
        for row, refused in ((row, refused) for row in pixels for refused in self.refused):
            if torch.equal(row, refused):
                raise RuntimeError("no answer about this one")
        return super().predict(pixels)


def data(labels: Sequence[int]) -> ImageSet:
    return ImageSet(IMAGES, torch.tensor(labels), NAMES, "mine", "test")


def run(
    target: LinearTarget, labels: Sequence[int], chunk_size: int = 4
) -> tuple[list[ImageAttackResult], Tensor, Tensor, MeteredImageTarget]:
    metered = MeteredImageTarget(target)
    attack = SearchAttack(Scripted(), WIDE)
    chunks = list(attack_chunks(data(labels), metered, attack, chunk_size=chunk_size))
    results = [result for chunk in chunks for result in chunk.results]
    shown = torch.cat([chunk.reconstructions for chunk in chunks])
    return results, shown, torch.cat([chunk.adversarials for chunk in chunks]), metered


def right(target: LinearTarget) -> list[int]:
    labels: list[int] = target.predict(to_pixels(IMAGES)).argmax(dim=-1).tolist()
    return labels


def test_images_that_were_wrong_before_are_skipped_and_rows_are_counted_by_phase() -> None:
    target = Refusing([])
    labels = right(target)
    labels[1] = (labels[1] + 1) % 3
    results, reconstructions, adversarials, metered = run(target, labels)
    assert [result.index for result in results] == list(range(6))
    assert [result.status == "skipped" for result in results] == [i == 1 for i in range(6)]
    counts = {phase: count.rows_sent for phase, count in metered.counts.items()}
    assert counts == {"training": 0, "check": 6, "reconstruction": 5, "attack": 5}
    for i, result in enumerate(results):
        if i == 1:
            assert result.queries == 0
            assert torch.equal(reconstructions[i], IMAGES[i])
            continue
        assert result.queries == 1
        assert torch.equal(reconstructions[i], IMAGES[i] ^ 1)
        assert result.is_reconstruction_flipped is False
        is_flipped = int(target.predict(to_pixels(FLIPS[i : i + 1])).argmax()) != labels[i]
        assert (result.status == "success") == is_flipped
        assert torch.equal(adversarials[i], FLIPS[i] if is_flipped else IMAGES[i])
        assert ("adversarial" in (result.scores or {})) == is_flipped
    assert {result.status for result in results} >= {"success"}


@pytest.mark.parametrize("chunk_size", [1, 4, 6])
def test_one_bad_row_costs_no_other_its_result(chunk_size: int) -> None:
    target = Refusing([])
    labels = right(target)
    whole, *_ = run(target, labels)
    # Image 2 cannot be asked about at all, and of image 4 not the candidate.
    results, *_ = run(Refusing([IMAGES[2], FLIPS[4]]), labels, chunk_size)
    assert [result.status for result in results].count("error") == 2
    assert results[2].prediction is None
    assert results[4].prediction == NAMES[labels[4]]
    assert all("RuntimeError: no answer about this one" in (results[i].message or "") for i in (2, 4))
    assert [results[i] for i in (0, 1, 3, 5)] == [whole[i] for i in (0, 1, 3, 5)]


@pytest.mark.parametrize("chunk_size", [1, 4])
def test_first_images_may_be_bad_ones(chunk_size: int) -> None:
    labels = right(Refusing([]))
    results, *_ = run(Refusing(list(IMAGES[:4])), labels, chunk_size)
    assert [result.status == "error" for result in results] == [True] * 4 + [False] * 2


def test_last_image_may_be_a_bad_one_though_the_run_was_resumed_there() -> None:
    target = Refusing([IMAGES[5]])
    chunks = attack_chunks(data([0] * 6), MeteredImageTarget(target), SearchAttack(Scripted(), WIDE), start=5)
    assert [result.status for chunk in chunks for result in chunk.results] == ["error"]


def test_target_that_never_answers_ends_the_run() -> None:
    images = some_images(9)
    many = ImageSet(images, torch.zeros(9, dtype=torch.int64), NAMES, "mine", "test")
    chunks = attack_chunks(
        many, MeteredImageTarget(Refusing(list(images))), SearchAttack(Scripted(), WIDE), chunk_size=8
    )
    with pytest.raises(ValueError, match="error on each of the first 8 images, such as: RuntimeError: no answer"):
        next(chunks)


def test_target_of_other_classes_ends_the_run() -> None:
    class Other(LinearTarget):
        label_names = ("a", "b", "d")

    with pytest.raises(ValueError, match="target with the classes"):
        run(Other(), [0] * 6)


def test_what_ails_the_target_itself_is_no_bad_row() -> None:
    class Narrow(LinearTarget):
        def predict(self, pixels: Tensor) -> Tensor:
            return super().predict(pixels)[:, :2]

    with pytest.raises(TargetError):
        run(Narrow(), [0] * 6)


def test_interruptions_are_no_bad_rows() -> None:
    class Interrupted(SearchAttack):
        def attack(self, *_: object, **__: object) -> list[Outcome]:
            raise KeyboardInterrupt

    target = Refusing([])
    with pytest.raises(KeyboardInterrupt):
        list(attack_chunks(data(right(target)), MeteredImageTarget(target), Interrupted(Scripted(), WIDE)))
