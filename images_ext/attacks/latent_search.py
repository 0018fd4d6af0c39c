"""The searches of Zhao et al. 2018b in the codes of our decoder: shells around the code of the input."""

import torch
from torch import Tensor

from images_ext.attacks.candidates import Ball, image_seed
from images_ext.attacks.code_moves import CodeMoves
from images_ext.attacks.image_moves import decode_codes
from images_ext.attacks.search import Answers, ImageSearch
from images_ext.attacks.sieve import FilterModel, Sieve, Sifted
from textsem.latent.shells import Shell, ShellSearch, draw_in_shell

__all__ = ["LatentSearchAttack", "ShellWalk"]


class ShellWalk:
    """The search for one image; implements ``ImageSearch``.

    A shell that has more draws than the budget has rows left is asked from its closest codes on.  Images that were
    asked before, or are the input again, cost no query; a shell in which nothing is left counts as one without a flip.

    Args:
        moves: Whose model decodes.
        code: z, [latent].
        sieve: What is dropped before the target is asked.
        search: The order of shells.
        seed: Of the image.
    """

    def __init__(self, moves: CodeMoves, code: Tensor, sieve: Sieve, search: ShellSearch, seed: int) -> None:
        self._moves, self._code, self._sieve, self._search = moves, code, sieve, search
        self._generator = torch.Generator().manual_seed(seed)
        self._shells = search.shells()
        self._shell: Shell | None = next(self._shells)
        self._radii = torch.zeros(0, dtype=torch.float64)

    def ask(self, limit: int) -> Tensor:
        """Return what is new in the next shell that holds anything new, closest first."""
        while self._shell is not None:
            sifted = self._draw(self._shell)
            if len(sifted):
                self._radii = self._radii[sifted.place][:limit]
                return sifted.images[:limit]
            self._advance(None)
        return torch.zeros(0, *self._sieve.shape, dtype=torch.uint8)

    def tell(self, answers: Answers) -> None:
        """Take the closest flip inside the ball, and go on to the next shell."""
        flipped = self._radii[answers.is_success]
        self._advance(float(flipped.min()) if len(flipped) else None)

    @torch.no_grad()
    def _draw(self, shell: Shell) -> Sifted:
        codes, self._radii = draw_in_shell(
            self._code, shell, num_draws=self._search.num_draws, generator=self._generator
        )
        return self._sieve.sift(decode_codes(self._moves.model, codes))

    def _advance(self, closest: float | None) -> None:
        try:
            self._shell = self._shells.send(closest)
        except StopIteration:
            self._shell = None


class LatentSearchAttack:
    """Begin a walk through shells for each image; implements ``SearchFactory``.

    The code of an image is the mean over E's particles.  E' takes no part.

    Args:
        moves: Gives codes.
        search: ``IterativeStochasticSearch`` or ``HybridShrinkingSearch``.
        ball: Where a flip counts.
        seed: Of the run; each image derives its own from it.
        projects: Move candidates that are outside onto the ball.
        filter_model: Has to keep the label; None for the search as published.
    """

    def __init__(
        self,
        moves: CodeMoves,
        search: ShellSearch,
        ball: Ball,
        *,
        seed: int = 0,
        projects: bool = False,
        filter_model: FilterModel | None = None,
    ) -> None:
        self._moves, self._search, self._ball, self._seed = moves, search, ball, seed
        self._projects, self._filter_model = projects, filter_model

    def begin(self, image: Tensor, label: int) -> ImageSearch:
        """Return the search for one image, bytes [channels, height, width]."""
        code = self._moves.clean_codes(image).mean(dim=0)
        sieve = Sieve(image, label, self._ball, projects=self._projects, filter_model=self._filter_model)
        return ShellWalk(self._moves, code, sieve, self._search, image_seed(self._seed, image, label))

    def reconstruct(self, images: Tensor) -> Tensor:
        """Return the clean reconstructions, bytes."""
        return self._moves.reconstruct(images)
