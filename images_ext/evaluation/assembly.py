"""An attack on images from its options: data, target, adversary, filter; and which model is which."""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from images_ext.attacks.code_moves import CodeMoves
from images_ext.attacks.constant_rows import ConstantRows
from images_ext.attacks.latent_search import LatentSearchAttack
from images_ext.attacks.manifold import ManifoldAttack
from images_ext.attacks.pgd_attack import PgdAttack
from images_ext.attacks.search import ImageAttack, SearchAttack
from images_ext.attacks.sieve import FilterModel
from images_ext.data.images import ImageSet
from images_ext.data.loading import DataUnavailableError, load_images
from images_ext.evaluation.run_config import AttackImagesConfig
from images_ext.model import ImageAdversary
from images_ext.protocols import GradientImageTarget, ImageTarget
from images_ext.targets.loading import load_image_target, read_image_shape
from images_ext.targets.metering import MeteredImageTarget
from textsem.latent.shells import HybridShrinkingSearch, IterativeStochasticSearch, ShellSearch

__all__ = [
    "BUNDLED_ADVERSARY",
    "BUNDLED_FILTER",
    "BUNDLED_JUDGE",
    "BUNDLED_TARGET",
    "LoadedImageAttack",
    "assemble",
    "check_image_shapes",
    "filter_folders",
    "identify_data",
    "identify_folder",
    "judge_folder_of",
    "load_attacked_images",
    "model_folders",
]

ASSETS = Path(__file__).parent.parent / "assets"
BUNDLED_ADVERSARY, BUNDLED_TARGET = ASSETS / "mnist_adversary", ASSETS / "mnist_target"
BUNDLED_FILTER, BUNDLED_JUDGE = ASSETS / "mnist_filter", ASSETS / "mnist_judge"

DRAWN_DIGITS_NOTICE = "these are drawn digits, on which no figure says anything about MNIST"
NO_MNIST_NOTICE = f"MNIST is not at hand: {DRAWN_DIGITS_NOTICE}; name a folder with --data, or set IMAGES_EXT_DATA"


@dataclass(frozen=True)
class LoadedImageAttack:
    """What a run works with.

    Args:
        target: The classifier under attack, metered.
        attack: What is done to the images that it has right.
        identity: Name and digest of every model that took part, by role.
        moves: How codes are moved; None for PGD.
        image_shape: Channels, height, width of the adversary's images; None for PGD.
    """

    target: MeteredImageTarget
    attack: ImageAttack
    identity: dict[str, dict[str, str | None]]
    moves: dict[str, Any] | None
    image_shape: tuple[int, int, int] | None = None


def load_attacked_images(config: AttackImagesConfig) -> tuple[ImageSet, str | None]:
    """Return the images, and what a reader must know of them first.

    Raises:
        ValueError: If they are not there or cannot be read.
    """
    limit = config.limit or None
    notice = DRAWN_DIGITS_NOTICE if config.dataset == "drawn-digits" else None
    try:
        return load_images(config.dataset, config.data, config.split, limit=limit), notice  # type: ignore[arg-type]
    except DataUnavailableError:
        if config.dataset != "mnist" or config.target != "bundled":
            raise
    return load_images("drawn-digits", None, "test", limit=limit), NO_MNIST_NOTICE


def assemble(
    config: AttackImagesConfig,
    *,
    given_target: ImageTarget | None = None,
    given_adversary: ImageAdversary | None = None,
) -> LoadedImageAttack:
    """Load the models and put the attack together.

    Args:
        config: The options.
        given_target: What a program hands over in the place of the target that the options name.
        given_adversary: Likewise; what is handed over has no identity.

    Raises:
        ValueError: If a folder is missing or does not fit, the target has no logits where gradients are asked for, or
            the judge took part.
    """
    folders = model_folders(config)
    for role, given in (("target", given_target), ("adversary", given_adversary)):
        if given is not None:
            folders.pop(role, None)
    identity = {role: identify_folder(folder) for role, folder in folders.items()}
    _check_independent(judge_folder_of(config), identity)
    device = config.device or _default_device()
    asked = load_image_target(folders["target"], device=device) if given_target is None else given_target
    if config.access == "gradient" and not isinstance(asked, GradientImageTarget):
        raise ValueError(f"expected a target with logits for gradient access, got {type(asked).__name__}")
    target = MeteredImageTarget(ConstantRows(asked), access=config.access)
    if config.attack == "pgd":
        attack: ImageAttack = PgdAttack(
            config.ball(),
            num_steps=config.num_steps,
            num_restarts=config.num_restarts,
            seed=config.seed,
        )
        return LoadedImageAttack(target, attack, identity, None)
    filter_model = _filter_model(config, target.label_names)
    adversary = given_adversary or ImageAdversary.from_pretrained(folders["adversary"])
    shapes = adversary.config
    if len(target.label_names) != shapes.num_classes:
        raise ValueError(
            f"expected a target with the adversary's {shapes.num_classes} classes, got {len(target.label_names)}"
        )
    moves = CodeMoves(adversary, config.move_config(num_particles=shapes.num_particles))
    search = _search(config, moves, filter_model)
    return LoadedImageAttack(target, search, identity, asdict(moves.config), shapes.image_shape)


def _search(config: AttackImagesConfig, moves: CodeMoves, filter_model: FilterModel | None) -> SearchAttack:
    ball = config.ball()
    factory: ManifoldAttack | LatentSearchAttack
    search: ShellSearch
    if config.attack == "ours":
        factory = ManifoldAttack(
            moves,
            ball,
            access=config.access,
            config=config.search_config(),
            seed=config.seed,
            projects=config.project,
            filter_model=filter_model,
        )
    else:
        search = IterativeStochasticSearch() if config.attack == "stochastic" else HybridShrinkingSearch()
        factory = LatentSearchAttack(
            moves, search, ball, seed=config.seed, projects=config.project, filter_model=filter_model
        )
    needs_gradient = config.attack == "ours" and config.access == "gradient"
    return SearchAttack(factory, ball, config.max_queries, needs_gradient)


def _filter_model(config: AttackImagesConfig, label_names: tuple[str, ...]) -> FilterModel | None:
    folders = filter_folders(config)
    if not folders:
        return None
    classifiers = tuple(load_image_target(folder, device="cpu") for folder in folders)
    for folder, classifier in zip(folders, classifiers, strict=True):
        if classifier.label_names != label_names:
            raise ValueError(f"expected a filter model with the target's classes {label_names}, got others in {folder}")
    return FilterModel(classifiers, config.filter_lead, config.first_filter_lead)


def model_folders(config: AttackImagesConfig) -> dict[str, Path]:
    """Return the folders of the models that take part in an attack, by role."""
    folders = {"target": _folder(config.target, BUNDLED_TARGET)}
    if config.attack != "pgd":
        folders["adversary"] = _folder(config.adversary, BUNDLED_ADVERSARY)
        folders |= {f"filter_model_{i}": folder for i, folder in enumerate(filter_folders(config))}
    return folders


def filter_folders(config: AttackImagesConfig) -> list[Path]:
    """Return the folders of the classifiers that have to keep the label."""
    named = [_optional(name, config, BUNDLED_FILTER) for name in config.filter_model]
    return [folder for folder in named if folder is not None]


def check_image_shapes(config: AttackImagesConfig, data: ImageSet) -> None:
    """Check that target, filter models and judge read images of the data's shape, before anything is asked.

    Raises:
        ValueError: If one of them reads others; names its folder.
    """
    folders = model_folders(config) | {"judge": judge_folder_of(config)}
    folders.pop("adversary", None)
    for role, folder in folders.items():
        shape = None if folder is None else read_image_shape(folder)
        if shape not in (None, data.shape):
            raise ValueError(f"expected {role} for images {data.shape} of {data.name}, got one for {shape} in {folder}")


def judge_folder_of(config: AttackImagesConfig) -> Path | None:
    """Return the folder of the judge, or None."""
    return _optional(config.judge, config, BUNDLED_JUDGE)


def _optional(name: str, config: AttackImagesConfig, bundled: Path) -> Path | None:
    """Return the folder of a model that may be missing: ``none``, ``auto``, ``bundled`` or a path."""
    if name == "none" or (name == "auto" and config.target != "bundled"):
        return None
    return bundled if name == "auto" else _folder(name, bundled)


def identify_folder(folder: Path) -> dict[str, str | None]:
    """Return the name of a model's folder and the digest of its configs and weights."""
    digest = hashlib.sha256()
    for file in sorted([*folder.glob("*.json"), *folder.glob("*.safetensors")]):
        digest.update(file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return {"name": folder.name, "sha256": digest.hexdigest()}


def identify_data(data: ImageSet) -> dict[str, Any]:
    """Return name, split, number and digest of images and labels."""
    digest = hashlib.sha256(data.images.contiguous().numpy().tobytes())
    digest.update(data.labels.numpy().tobytes())
    return {"name": data.name, "split": data.split, "images": len(data), "sha256": digest.hexdigest()}


def _default_device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _folder(name: str, bundled: Path) -> Path:
    return bundled if name == "bundled" else Path(name).expanduser()


def _check_independent(judge: Path | None, others: dict[str, dict[str, str | None]]) -> None:
    if judge is None:
        return
    if not judge.is_dir():
        raise ValueError(f"expected the folder of a judge, got {judge}")
    digest = identify_folder(judge)["sha256"]
    for role, identity in others.items():
        if identity["sha256"] == digest:
            raise ValueError(f"expected an independent judge, got {judge}, which is the {role} of the attack")
