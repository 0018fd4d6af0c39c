import json
from pathlib import Path

import pytest
import torch

from images_ext.targets.loading import (
    ImageNetwork,
    TargetFacts,
    load_image_target,
    read_image_shape,
    read_target_facts,
    save_image_target,
)
from images_ext.targets.reference import ReferenceNetwork
from images_ext.targets.residual import ResidualNetwork
from tests.images.targets.networks import TINY_REFERENCE, TINY_RESIDUAL

FACTS = TargetFacts(("a", "b", "c"), "mnist, 10 images of split train", "linf", 0.3)


def residual() -> ResidualNetwork:
    return ResidualNetwork(TINY_RESIDUAL).initialise(torch.Generator().manual_seed(0))


def reference() -> ReferenceNetwork:
    return ReferenceNetwork(TINY_REFERENCE).initialise(torch.Generator().manual_seed(0))


@pytest.mark.parametrize("network", [residual(), reference()], ids=["residual", "reference"])
def test_loaded_target_answers_as_the_saved_network(network: ImageNetwork, tmp_path: Path) -> None:
    pixels = torch.rand(3, *network.config.image_shape)
    network(pixels)  # running means, which must be saved too, move
    save_image_target(tmp_path, network, FACTS)
    target = load_image_target(tmp_path)
    assert target.label_names == FACTS.label_names
    assert torch.equal(target.logits(pixels), network.eval()(pixels))
    assert not any(parameter.requires_grad for parameter in target.parameters())


def test_pixel_scale_norm_and_radius_are_in_the_checkpoint(tmp_path: Path) -> None:
    save_image_target(tmp_path, residual(), FACTS)
    config = json.loads((tmp_path / "config.json").read_text())
    assert (config["pixel_scale"], config["training_norm"], config["training_epsilon"]) == ([0.0, 1.0], "linf", 0.3)
    assert read_target_facts(tmp_path) == FACTS


def test_names_must_be_as_many_as_classes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected 3 label names, got 2"):
        save_image_target(tmp_path, residual(), TargetFacts(("a", "b"), "mnist"))


def test_folder_without_a_target_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"expected a target's folder with config.json, got {tmp_path}"):
        load_image_target(tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("kind", "transformer", "to describe a target of kind residual or reference"),
        ("pixel_scale", [0, 255], r"expected format 1 and pixels in \[0.0, 1.0\]"),
        ("network", {"sizes": 3}, "expected the sizes of a residual network"),
        ("network", [3], "to describe a target of kind residual or reference"),
    ],
)
def test_config_of_another_kind_is_one_clear_error(tmp_path: Path, name: str, value: object, message: str) -> None:
    save_image_target(tmp_path, residual(), FACTS)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
    with pytest.raises(ValueError, match=message):
        load_image_target(tmp_path)


def test_the_shape_of_the_images_is_told_without_loading_the_network(tmp_path: Path) -> None:
    save_image_target(tmp_path, residual(), FACTS)
    (tmp_path / "model.safetensors").unlink()
    assert read_image_shape(tmp_path) == residual().config.image_shape
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "network": [3]}))
    with pytest.raises(ValueError, match="to describe a target of kind residual or reference"):
        read_image_shape(tmp_path)


def test_config_that_is_no_json_is_named(tmp_path: Path) -> None:
    save_image_target(tmp_path, residual(), FACTS)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"expected JSON in .*config.json"):
        load_image_target(tmp_path)


def test_truncated_or_missing_weights_are_named(tmp_path: Path) -> None:
    save_image_target(tmp_path, residual(), FACTS)
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"expected weights in .*model.safetensors that fit"):
        load_image_target(tmp_path)
    path.unlink()
    with pytest.raises(ValueError, match=r"expected weights at .*model.safetensors, found none"):
        load_image_target(tmp_path)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_image_target(tmp_path / "one", residual(), FACTS)
    save_image_target(tmp_path / "two", reference(), FACTS)
    (tmp_path / "two" / "model.safetensors").replace(tmp_path / "one" / "model.safetensors")
    with pytest.raises(ValueError, match=r"that fit config.json beside it"):
        load_image_target(tmp_path / "one")
