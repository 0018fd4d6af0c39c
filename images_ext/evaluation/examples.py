"""Which images the report shows, drawn by the seed: successes as in Tables 5 to 7, and what failed."""

from collections.abc import Sequence
from dataclasses import dataclass

from images_ext.evaluation.finished_run import is_flip, was_attacked
from images_ext.evaluation.grids import difference_image, draw_places, png_uri
from images_ext.evaluation.judged_folders import JudgedRun
from images_ext.outputs import ImageAttackResult
from textsem.runs.formats import percent

__all__ = ["Example", "ExampleGroup", "example_groups"]

NUM_SUCCESSES, NUM_OTHERS = 24, 12
STRIP_WIDTH = 880  # pixels of the page that a strip of images may take
SPACE = 18  # pixels beside an image: its frame, and the gap to the next one
LEAST_SIDE = 80  # pixels of the page


@dataclass(frozen=True)
class Example:
    """One column of a grid.

    Args:
        index: Of the result.
        pictures: Row name to a data URI.
        notes: Row name to what the target, or the judge, says.
    """

    index: int
    pictures: dict[str, str]
    notes: dict[str, str]


@dataclass(frozen=True)
class ExampleGroup:
    """Some images that came out alike.

    Args:
        title: What they have in common.
        explanation: One sentence more.
        total: How many there are.
        strips: Those that are shown, one strip of columns below the other.
        side: Width of an image on the page, in pixels.
    """

    title: str
    explanation: str
    total: int
    strips: list[list[Example]]
    side: int

    @property
    def shown(self) -> int:
        """How many are shown."""
        return sum(map(len, self.strips))


def example_groups(run: JudgedRun) -> list[ExampleGroup]:
    """Return the grids of the page: successes first, then everything that is none, each if there is any."""
    results, joint = run.run.results, run.joint
    flips = [r.index for r in results if is_flip(r)]
    inside = [i for i in flips if results[i].status == "success"]
    seen = {j.index: j.adversarial for j in run.judgements or () if j.adversarial is not None}
    groups: list[tuple[str, str, list[int], int]]
    if joint is not None:
        lost = [i for i in inside if i not in joint]
        groups = [
            ("joint successes", "The target flips, the judge keeps the label.", sorted(joint), NUM_SUCCESSES),
            (
                "flips that the judge rejects",
                "It reads another class, or had the input wrong.",
                lost,
                NUM_OTHERS,
            ),
        ]
    else:
        groups = [("successes", "The target flips inside the ball; nobody judged the label.", inside, NUM_SUCCESSES)]
    outside = [i for i in flips if results[i].status != "success"]
    resisting = [r.index for r in results if was_attacked(r) and not is_flip(r)]
    groups += [
        ("flips outside the ball", "The closest flip that was seen is too far from the input.", outside, NUM_OTHERS),
        ("images that resisted", "Nothing that was asked flipped.", resisting, NUM_OTHERS),
    ]
    return [_group(run, *group, seen) for group in groups if group[2]]


def _group(
    run: JudgedRun, title: str, explanation: str, places: Sequence[int], most: int, seen: dict[int, str]
) -> ExampleGroup:
    chosen = draw_places(places, most=most, seed=int(run.run.settings.get("seed") or 0))
    side = _side(run.run.inputs.shape[-1])
    per_strip = max(1, STRIP_WIDTH // (side + SPACE))
    examples = [_example(run, run.run.results[i], seen.get(i)) for i in chosen]
    strips = [examples[i : i + per_strip] for i in range(0, len(examples), per_strip)]
    return ExampleGroup(title, explanation, len(places), strips, side)


def _side(width: int) -> int:
    """Return the smallest whole multiple of an image's width that can be seen well, so that pixels stay square."""
    return width * -(-LEAST_SIDE // width)


def _example(run: JudgedRun, result: ImageAttackResult, seen: str | None) -> Example:
    i, scores = result.index, result.scores or {}
    x, x_adv = run.run.inputs[i], run.run.adversarials[i]
    pictures = {"input": png_uri(x), "clean reconstruction": png_uri(run.run.reconstructions[i])}
    notes = {"input": result.label, "clean reconstruction": ""}
    if result.is_reconstruction_flipped is not None:
        notes["clean reconstruction"] = "flips" if result.is_reconstruction_flipped else result.label
    if is_flip(result):
        changed = str(result.adversarial_prediction)
        share = scores.get("adversarial", {}).get(changed)
        pictures |= {"adversarial": png_uri(x_adv), "difference": png_uri(difference_image(x, x_adv))}
        notes["adversarial"] = changed if share is None else f"{changed} {percent(share, digits=0)}"
        notes["difference"] = "" if seen is None else f"judge: {seen}"
    return Example(i, pictures, notes)
