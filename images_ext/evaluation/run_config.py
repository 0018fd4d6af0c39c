"""Every option of the attack on images, checked once; its fields are the command line's names."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

from images_ext.attacks.candidates import Ball
from images_ext.attacks.manifold import Access, SearchConfig
from images_ext.attacks.move_config import MoveConfig, Output
from images_ext.attacks.pgd import PgdNorm
from images_ext.data.loading import DataName
from textsem.latent.moves import DIRECTIONS
from textsem.latent.objective import Norm

__all__ = ["ATTACKS", "NOT_BINDING", "AttackImagesConfig", "AttackName"]

AttackName = Literal["ours", "pgd", "stochastic", "shrinking"]
ATTACKS: tuple[AttackName, ...] = get_args(AttackName)

# What a line does not depend on: a run may be resumed with another value.
NOT_BINDING = ("data", "output", "resume", "device", "chunk_size", "judge", "controls")


@dataclass(frozen=True)
class AttackImagesConfig:
    """Every option of the attack on images.

    Args:
        dataset: ``mnist``, ``svhn``, ``celeba`` or ``drawn-digits``.
        data: Folder, file or hub id of it; None for where the environment says, and without MNIST the drawn digits.
        split: Which split.
        limit: Number of images from the start; 0 for all.
        target: ``bundled``, or the folder of a classifier.
        adversary: ``bundled``, or the folder of an adversary.
        attack: ``ours``; ``pgd``; ``stochastic`` or ``shrinking``, the searches of Zhao et al. 2018b.
        source: Where ours moves codes: ``adversarial`` for E', or one of the controls of METHOD section 6.
        access: ``score``, ``label`` or ``gradient``: what the target tells.
        norm: Of the ball in which a flip counts, pixels in [0, 1].
        eps: Its radius; infinite, or None, for any distance.
        max_queries: Most rows sent to the target for the candidates of one image; PGD has its
            steps and restarts instead.
        project: Move candidates that are outside onto the ball, if it has a radius; the projected image is asked.
        filter_model: Folders of classifiers, neither target nor judge, that have to keep the label; ``auto`` for the
            bundled one where the target is bundled too, ``none`` for no filter.
        filter_lead: Nats by which each must put the label ahead, at the end of the budget.
        first_filter_lead: Nats at its beginning, see ``FilterModel``.
        judge: Folder of the independent classifier that the report asks afterwards, ``auto`` or ``none`` likewise.
        controls: Folders of finished runs on the same images and target that the report sets this one against.
        decoding: ``decoded`` or ``residual``, see ``MoveConfig.output``.
        num_candidates: Candidates drawn before any is dropped, and before any answer.
        min_reach: How far from x the first candidates are at least, as a share of ``eps``.
        max_reach: How far at most; beyond 1 they are projected.
        min_scale: Shortest move without ``eps``, as a share of the code's length.
        max_scale: Longest move then.
        num_particles: M; None for the adversary's own number.
        num_steps: Of PGD.
        num_restarts: Of PGD; each costs its steps.
        output: Folder for the results.
        resume: Continue the run in that folder; otherwise it is begun anew.
        seed: Seed of the run.
        device: Where the target runs; None for a GPU if there is one.
        chunk_size: Images that are attacked together.
    """

    dataset: DataName = "mnist"
    data: str | None = None
    split: str = "test"
    limit: int = 1000
    target: str = "bundled"
    adversary: str = "bundled"
    attack: AttackName = "ours"
    source: str = "adversarial"
    access: Access = "score"
    norm: Norm = "l2"
    eps: float | None = 4.0
    max_queries: int = 100
    project: bool = True
    filter_model: tuple[str, ...] = ("auto",)
    filter_lead: float = 1.5
    first_filter_lead: float = 3.0
    judge: str = "auto"
    controls: tuple[str, ...] = ()
    decoding: Output = "residual"
    num_candidates: int = 120
    min_reach: float = 0.6
    max_reach: float = 1.1
    min_scale: float = 0.1
    max_scale: float = 1.0
    num_particles: int | None = None
    num_steps: int = 40
    num_restarts: int = 1
    output: str = "runs/attack_images"
    resume: bool = False
    seed: int = 0
    device: str | None = None
    chunk_size: int = 64

    def __post_init__(self) -> None:
        """Check what no part checks that is built from these options; lists become tuples, infinity None."""
        for name in ("controls", "filter_model"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        choices = {
            "dataset": (self.dataset, get_args(DataName)),
            "split": (self.split, ("train", "dev", "test")),
            "attack": (self.attack, ATTACKS),
            "access": (self.access, get_args(Access)),
            "source": (self.source, tuple(sorted(DIRECTIONS))),
        }
        for name, (value, known) in choices.items():
            if value not in known:
                raise ValueError(f"expected {name} to be one of {', '.join(known)}, got {value!r}")
        if self.limit < 0:
            raise ValueError(f"expected limit >= 0, got {self.limit}")
        for name in ("max_queries", "chunk_size", "num_steps", "num_restarts"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} >= 1, got {getattr(self, name)}")
        if self.num_particles is not None and self.num_particles < 1:
            raise ValueError(f"expected num_particles >= 1, got {self.num_particles}")
        if self.eps is not None and math.isinf(self.eps):
            object.__setattr__(self, "eps", None)
        if self.attack == "pgd" and (self.eps is None or self.access != "gradient"):
            raise ValueError(f"expected eps and access gradient for pgd, got {self.eps} and {self.access}")
        if self.attack == "pgd" and self.norm not in get_args(PgdNorm):
            raise ValueError(f"expected norm {' or '.join(get_args(PgdNorm))} for pgd, got {self.norm}")
        self.ball()
        self.search_config()
        self.move_config(num_particles=1)

    def ball(self) -> Ball:
        """Return where a flip counts."""
        return Ball(self.norm, math.inf if self.eps is None else self.eps)

    def search_config(self) -> SearchConfig:
        """Return how ours draws and asks."""
        return SearchConfig(num_candidates=self.num_candidates)

    def move_config(self, *, num_particles: int) -> MoveConfig:
        """Return how codes are moved.

        Args:
            num_particles: The adversary's own number, for where no other was asked for.
        """
        return MoveConfig(
            direction=self.source,
            num_particles=self.num_particles or num_particles,
            seed=self.seed,
            min_reach=self.min_reach,
            max_reach=self.max_reach,
            min_scale=self.min_scale,
            max_scale=self.max_scale,
            output=self.decoding,
        )
