"""The frozen result of an attack on one image.  Floor 0: plain Python, no tensors; the pixels are kept beside it."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["STATUSES", "ImageAttackResult", "ImageStatus"]

ImageStatus = Literal["success", "failed", "skipped", "error"]
STATUSES: tuple[ImageStatus, ...] = ("success", "failed", "skipped", "error")


@dataclass(frozen=True)
class ImageAttackResult:
    """One line of ``results.jsonl``: what became of one image.

    Args:
        index: Position of the image in the input, from 0; its row in ``images.safetensors``.
        label: Its class, by name.
        prediction: The target's class for the unchanged image; None if it was never asked.
        status: ``success`` (a flip strictly inside the run's ball); ``failed``; ``skipped`` (the target was wrong
            before); ``error`` (see ``message``).
        adversarial_prediction: The target's class for the image that is returned: a flip in the ball where there is
            one, else the closest flip outside it, else None.
        scores: Probabilities of the unchanged image ("original") and of the returned one ("adversarial"), class to
            probability; under label access 1.0 for the predicted class and 0.0 for the others.
        queries: Rows sent to the target for candidates of this image, every row of the last round included (those for
            the unchanged image and its clean reconstruction apart); 0 where an error cut the attack short.
        distance: Norm name to size of x' - x, pixels in [0, 1]; None where no image is returned.
        flip_distance: Norm name to the smallest size among all flips that were seen, in the ball or out of it, and
            None where nothing flipped; None where nothing was asked.
        is_reconstruction_flipped: Whether the target misreads the clean reconstruction; None where it was not asked.
        message: What went wrong, for ``error``.
    """

    index: int
    label: str
    prediction: str | None
    status: ImageStatus
    adversarial_prediction: str | None = None
    scores: dict[str, dict[str, float]] | None = None
    queries: int = 0
    distance: dict[str, float] | None = None
    flip_distance: dict[str, float | None] | None = None
    is_reconstruction_flipped: bool | None = None
    message: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON types, in the order above."""
        return asdict(self)
