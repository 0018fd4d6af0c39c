"""The attack as a callable: every form of input, one bad image among many, plain JSON."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from images_ext import pipelines
from images_ext.evaluation.assembly import LoadedImageAttack, assemble
from images_ext.evaluation.run_config import AttackImagesConfig
from images_ext.pipelines import ImageAttackPipeline, pipeline
from images_ext.targets.callable_target import CallableTarget
from tests.images.test_model import SHAPE, tiny_model
from textsem.protocols import TargetError

NAMES = ("cat", "dog", "owl")


def brightness(pixels: Tensor) -> Tensor:
    """Read dark, middle and bright images as class 0, 1 and 2."""
    mean = pixels.mean(dim=(1, 2, 3))
    return (-60 * (mean[:, None] - torch.tensor([0.25, 0.5, 0.75])).square()).softmax(dim=-1)


def images(num: int) -> Tensor:
    return torch.randint(0, 256, (num, *SHAPE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def attack() -> ImageAttackPipeline:
    return pipeline("image-attack", tiny_model(), target=CallableTarget(brightness, NAMES), max_queries=12)


def test_result_is_plain_json_whatever_the_form(attack: ImageAttackPipeline, tmp_path: Path) -> None:
    bytes_ = images(1)[0]
    Image.fromarray(bytes_[0].numpy()).save(tmp_path / "x.png")
    found = attack(bytes_)
    assert json.loads(json.dumps(found)) == found
    assert found["index"] == 0
    assert found["label"] == found["prediction"] == NAMES[int(brightness(bytes_[None] / 255).argmax())]
    forms: list[Any] = [bytes_.numpy(), bytes_ / 255, Image.fromarray(bytes_[0].numpy()), tmp_path / "x.png"]
    for form in [*forms, str(tmp_path / "x.png"), {"image": bytes_}, {"image": bytes_, "label": found["label"]}]:
        assert attack(form) == found


def test_many_forms_give_the_results_of_one_by_one(attack: ImageAttackPipeline) -> None:
    given = images(5)
    alone = [{**attack(image), "index": i} for i, image in enumerate(given)]
    assert attack(list(given)) == attack(tuple(given)) == attack(given) == attack(given.numpy()) == alone
    assert list(attack(image for image in given)) == alone


def test_generator_is_taken_batch_by_batch() -> None:
    attack = pipeline("image-attack", tiny_model(), target=brightness, label_names=NAMES, batch_size=2, max_queries=1)
    taken = []

    def stream() -> Iterator[Tensor]:
        for i, image in enumerate(images(6)):
            taken.append(i)
            yield image

    next(attack(stream()))
    assert taken == [0, 1]


def test_label_decides_what_is_attacked(attack: ImageAttackPipeline) -> None:
    image = torch.zeros(SHAPE, dtype=torch.uint8)
    assert attack({"image": image, "label": "owl"})["status"] == "skipped"
    assert attack({"image": image, "label": 2}) == attack({"image": image, "label": "owl"})
    assert attack(image)["status"] in ("success", "failed")


def test_one_bad_image_among_many_is_a_result_and_alone_an_error(attack: ImageAttackPipeline) -> None:
    good = images(2)
    found = attack([good[0], torch.full(SHAPE, 7.0), {"image": good[1], "label": "newt"}, good[1], "no/such.png"])
    assert [result["index"] for result in found] == [0, 1, 2, 3, 4]
    assert [result["status"] == "error" for result in found] == [False, True, True, False, True]
    assert found[1]["message"] == "expected image 1 with floats in [0, 1], got 7 to 7"
    assert found[2]["message"].startswith("expected the label of image 2 among cat, dog, owl")
    assert found[4]["message"].startswith("expected an image file at no/such.png")
    assert found[3] == {**attack(good[1]), "index": 3}
    json.dumps(found)
    with pytest.raises(ValueError, match="expected image 0 with floats in"):
        attack(torch.full(SHAPE, 7.0))
    with pytest.raises(ValueError, match="expected an image, or an iterable of images, got int"):
        attack(3)


def test_returned_images_are_the_very_ones_that_were_asked() -> None:
    asked: list[Tensor] = []

    def remembering(pixels: Tensor) -> Tensor:
        asked.extend((pixels * 255).round().to(torch.uint8))
        return brightness(pixels)

    options: dict[str, Any] = {"label_names": NAMES, "eps": None, "decoding": "decoded", "max_queries": 40}
    attack = pipeline("image-attack", tiny_model(), target=remembering, **options)
    flips = [result for result in attack(images(4), return_image="array") if result["status"] == "success"]
    assert flips
    for result in flips:
        image = result["adversarial_image"]
        assert image.dtype == np.uint8
        assert any(np.array_equal(row[0].numpy(), image) for row in asked)
        assert (
            NAMES[int(brightness(torch.tensor(image)[None, None] / 255).argmax())] == result["adversarial_prediction"]
        )
    picture = attack(images(4), return_image="pil")[flips[0]["index"]]["adversarial_image"]
    assert np.array_equal(np.asarray(picture), flips[0]["adversarial_image"])


def test_image_without_a_flip_has_no_adversarial_image() -> None:
    linear = nn.Linear(64, 3)
    nn.init.zeros_(linear.weight)
    steady = nn.Sequential(nn.Flatten(), linear)
    attack = pipeline("image-attack", tiny_model(), target=steady, max_queries=2)
    found = attack(images(1)[0], return_image="pil")
    assert found["status"] == "failed"
    assert found["adversarial_image"] is None
    assert found["reconstruction_image"].size == SHAPE[1:]


def test_eps_zero_gives_no_success() -> None:
    attack = pipeline("image-attack", tiny_model(), target=brightness, label_names=NAMES, eps=0.0, max_queries=12)
    assert {result["status"] for result in attack(images(4))} == {"failed"}


def test_folders_are_loaded_by_name(tmp_path: Path, attack: ImageAttackPipeline) -> None:
    model = tiny_model()
    model.save_pretrained(tmp_path, dtype=torch.float32)
    loaded = pipeline("image-attack", tmp_path, target=CallableTarget(brightness, NAMES), max_queries=12)
    assert loaded(images(3)) == attack(images(3))
    with pytest.raises(ValueError, match="expected the folder of an adversary"):
        pipeline("image-attack", tmp_path / "none", target=brightness)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="expected the task image-attack, got 'nli-attack'"):
        pipeline("nli-attack")
    with pytest.raises(ValueError, match="expected a target with the adversary's 3 classes, got 2"):
        pipeline("image-attack", tiny_model(), target=CallableTarget(brightness, NAMES[:2]))
    with pytest.raises(ValueError, match="expected a target with logits for gradient access, got CallableTarget"):
        pipeline("image-attack", tiny_model(), target=CallableTarget(brightness, NAMES), access="gradient")
    with pytest.raises(ValueError, match="expected max_queries >= 1"):
        pipeline("image-attack", tiny_model(), target=brightness, max_queries=0)
    attack = pipeline("image-attack", tiny_model(), target=brightness)
    with pytest.raises(ValueError, match="expected return_image pil or array, got 'jpeg'"):
        attack(images(1)[0], return_image="jpeg")  # type: ignore[arg-type]


def test_image_without_a_label_that_the_target_refuses_is_a_result() -> None:
    given = images(4)

    def refusing(pixels: Tensor) -> Tensor:
        if any(torch.equal(row, given[1] / 255) for row in pixels):
            raise RuntimeError("no answer about this one")
        return brightness(pixels)

    attack = pipeline("image-attack", tiny_model(), target=refusing, label_names=NAMES, max_queries=3)
    found = attack([given[0], given[1], {"image": given[1], "label": "cat"}, given[2], torch.full(SHAPE, 7.0)])
    assert [result["status"] == "error" for result in found] == [False, True, True, False, True]
    assert (found[1]["index"], found[1]["label"], found[1]["prediction"]) == (1, "", None)
    assert found[1]["message"] == found[2]["message"] == "RuntimeError: no answer about this one"
    assert [found[0], found[3]] == [{**attack(given[0]), "index": 0}, {**attack(given[2]), "index": 3}]
    alone = attack(given[1], return_image="array")
    assert (alone["status"], alone["message"]) == ("error", "RuntimeError: no answer about this one")
    assert alone["adversarial_image"] is None


def test_target_that_ails_itself_is_no_bad_image() -> None:
    narrow = CallableTarget(lambda pixels: torch.full((len(pixels), 2), 0.5), NAMES)
    attack = pipeline("image-attack", tiny_model(), target=narrow)
    with pytest.raises(TargetError, match="for the classes cat, dog, owl"):
        attack(list(images(2)))


def test_options_reach_the_attack(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[AttackImagesConfig] = []

    def remember(config: AttackImagesConfig, **given: Any) -> LoadedImageAttack:
        seen.append(config)
        return assemble(config, **given)

    monkeypatch.setattr(pipelines, "assemble", remember)
    options: dict[str, Any] = {
        "access": "label", "source": "cone", "norm": "rms", "eps": 0.2, "max_queries": 7, "project": False,
        "decoding": "decoded", "seed": 5, "device": "cpu",
    }  # fmt: skip
    pipeline("image-attack", tiny_model(), target=brightness, label_names=NAMES, batch_size=3, **options)
    (config,) = seen
    assert {name: getattr(config, name) for name in options} == options
    assert config.chunk_size == 3
