"""Ours and its controls: candidates from moves of the code, and a search inside that family that uses the answers.

Under label access the candidates are drawn, dropped, ranked once, and asked in that order.  Under score access the
first few are; then generation after generation is drawn around those whose label lost most of its lead, and what the
answers so far say about the new ones decides which of them are asked.  Under gradient access the new ones moreover
start along the target's own gradient in the code.  Sources differ in `MoveConfig.direction`, and in that E' has moves
of its own that are asked first (`MoveConfig.own_reach`) and can be asked again on the way (`SearchConfig.led_share`).
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from images_ext.attacks.candidates import Ball, image_seed
from images_ext.attacks.code_moves import CodeMoves
from images_ext.attacks.image_moves import ImageMoves
from images_ext.attacks.move_config import Moves
from images_ext.attacks.regression import predict_lead
from images_ext.attacks.search import Answers, ImageSearch, lead_of_answers
from images_ext.attacks.sieve import FilterModel, Sieve, Sifted

__all__ = ["Access", "ManifoldAttack", "ManifoldSearch", "SearchConfig"]

Access = Literal["score", "label", "gradient"]
# (rows sent so far below which it holds, rows of the next round), so that success at 1, 5 and 20 queries is told.
ROUND_SIZES = ((1, 1), (5, 4), (20, 5))
LAST_ROUND_SIZE = 10


@dataclass(frozen=True)
class SearchConfig:
    """How candidates are drawn and asked.

    Args:
        num_candidates: Moves drawn from scratch, before any is dropped.
        num_first: Of them, how many are asked before the answers are used; all of them under label access.
        num_drawn: Moves drawn in each later generation, before any is dropped.
        num_asked: Of them, how many are asked.
        num_parents: How many of the best asked so far a generation is drawn around.
        spread: Length of the noise in units of a parent's direction.
        scale_spread: Standard deviation of the log of a scale.
        caution: Standard deviations that are subtracted from a predicted lead: the more, the more is explored.
        led_share: Of each generation of E', how much is drawn around where E' itself would go on from the best, asked
            again at their images; the controls have nothing to ask.
    """

    num_candidates: int = 120
    num_first: int = 10
    num_drawn: int = 48
    num_asked: int = 6
    num_parents: int = 4
    spread: float = 0.5
    scale_spread: float = 0.2
    caution: float = 0.5
    led_share: float = 0.5

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("num_candidates", "num_first", "num_drawn", "num_asked", "num_parents"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} >= 1, got {getattr(self, name)}")
        for name in ("spread", "scale_spread", "caution"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"expected {name} >= 0, got {getattr(self, name)}")
        if not 0 <= self.led_share <= 1:
            raise ValueError(f"expected led_share from 0 to 1, got {self.led_share}")


@dataclass(frozen=True)
class _Candidates:
    """Candidates with the moves they came from."""

    moves: Moves
    codes: Tensor
    sifted: Sifted

    def __len__(self) -> int:
        return len(self.sifted)

    def pick(self, places: Tensor) -> "_Candidates":
        return _Candidates(self.moves.pick(places), self.codes[places], self.sifted.pick(places))


class ManifoldSearch:
    """The search for one image; implements ``ImageSearch``.

    Args:
        moves: Of the image.
        sieve: What is dropped before the target is asked.
        label: Class number.
        access: What the answers may be used for.
        config: How candidates are drawn and asked.
    """

    def __init__(self, moves: ImageMoves, sieve: Sieve, label: int, *, access: Access, config: SearchConfig) -> None:
        self._moves, self._sieve, self._label = moves, sieve, label
        self._access, self._config = access, config
        self._pool = self._first()
        self._budget = 0
        self._asked: list[_Candidates] = []
        self._leads: list[Tensor] = []
        self._gradients: list[Tensor] = []
        self._num_sent = 0
        self._is_done = False

    def _first(self) -> _Candidates:
        """Return the candidates drawn from scratch, in the order in which they are asked: the own ones of E' first."""
        moves, ball, num_left = self._moves, self._sieve.ball, self._config.num_candidates
        parts = []
        own = moves.own(ball)
        if own is not None:
            own = own.pick(torch.arange(len(own))[:num_left])
            parts.append(self._draw(own))
            num_left -= len(own)
        if num_left:
            drawn = self._draw(moves.first(num_left, ball))
            parts.append(drawn.pick(rank(drawn.sifted)))
        pool = _joined(parts)
        return pool.pick(_outside_last(pool.sifted))

    @property
    def _is_fixed(self) -> bool:
        """Whether all candidates are drawn from scratch."""
        return self._access == "label" or self._moves.stays

    def ask(self, limit: int) -> Tensor:
        """Return the next images to be asked; see ``ImageSearch``."""
        self._budget = self._budget or limit
        size = next((size for bound, size in ROUND_SIZES if self._num_sent < bound), LAST_ROUND_SIZE)
        # A filter may leave few first candidates: what is drawn around them is asked all the same.
        is_first_over = self._num_sent >= self._config.num_first or not len(self._pool)
        if self._asked and not self._is_fixed and is_first_over and not self._is_done:
            self._pool, size = self._next_generation(), self._config.num_asked
        places = self._sure_first()[: min(size, limit)] if not self._is_done else torch.arange(0)
        if len(places):
            self._asked.append(self._pool.pick(places))
        images = self._pool.sifted.images[places]
        is_left = torch.ones(len(self._pool), dtype=torch.bool)
        is_left[places] = False
        self._pool = self._pool.pick(is_left.nonzero().flatten())
        self._num_sent += len(places)
        return images

    def _sure_first(self) -> Tensor:
        """Return which of the pool may be asked now: those that the filter model is sure of, else the surest one."""
        sifted = self._pool.sifted
        sure = self._sieve.is_sure(sifted, self._num_sent / self._budget).nonzero().flatten()
        if len(sure) or sifted.lead is None or not len(sifted):
            return sure
        return sifted.lead.argmax(keepdim=True)

    def tell(self, answers: Answers) -> None:
        """Take the answers; a flip inside the ball ends the search."""
        self._is_done = bool(answers.is_success.any())
        self._leads.append(lead_of_answers(answers.probabilities, self._label))
        if answers.gradient is not None:
            self._gradients.append(self._in_codes(self._asked[-1], answers.gradient))

    @torch.no_grad()
    def _draw(self, moves: Moves) -> _Candidates:
        """Decode moves and keep what may be asked."""
        codes = self._moves.codes(moves)
        sifted = self._sieve.sift(self._moves.pixels(moves, codes))
        return _Candidates(moves.pick(sifted.place), codes[sifted.place], sifted)

    def _next_generation(self) -> _Candidates:
        """Draw around the best, and return what is new and what was left over, the most promising first."""
        config, asked, leads = self._config, _joined(self._asked), torch.cat(self._leads)
        best = best_first(asked.sifted, leads)[: config.num_parents]
        parents = asked.moves.pick(best)
        if self._gradients:
            parents = self._along_gradients(parents, asked.codes[best], torch.cat(self._gradients)[best])
        num_led = round(config.led_share * config.num_drawn) if self._moves.is_adversarial else 0
        moves = self._around(parents, config.num_drawn - num_led)
        if num_led:
            codes, images = asked.codes[best], asked.sifted.images[best]
            led = self._moves.led_on(asked.moves.pick(best), codes, images, step=config.spread)
            moves = moves.join(self._around(led, num_led))
        drawn = self._draw(moves)
        pool = _joined([drawn, self._pool])
        if not len(pool):
            return pool
        mean, deviation = predict_lead(_flat(asked.sifted.images), leads, _flat(pool.sifted.images))
        order = best_first(pool.sifted, mean - config.caution * deviation)
        return pool.pick(order[: config.num_candidates])

    def _around(self, parents: Moves, num_moves: int) -> Moves:
        spread, scale_spread = self._config.spread, self._config.scale_spread
        return self._moves.around(parents, num_moves, spread=spread, scale_spread=scale_spread)

    def _along_gradients(self, parents: Moves, codes: Tensor, gradients: Tensor) -> Moves:
        """Step from the parents' codes against the gradient of the lead, as far as the spread of a generation."""
        lengths = codes.norm(dim=-1, keepdim=True) * parents.scale[:, None] * self._config.spread
        stepped = codes - lengths * torch.nn.functional.normalize(gradients, dim=-1)
        return Moves(parents.particle, self._moves.directions_to(parents.particle, stepped), parents.scale)

    def _in_codes(self, asked: _Candidates, gradient: Tensor) -> Tensor:
        """Carry a gradient in the pixels back to the codes, [rows, latent]."""
        with torch.enable_grad():
            codes = asked.codes.clone().requires_grad_()
            pixels = self._moves.pixels(asked.moves, codes)
            (found,) = torch.autograd.grad((pixels * gradient).sum(), codes)
        return found


def rank(sifted: Sifted) -> Tensor:
    """Return the order in which candidates are asked before any answer is there, [kept].

    Those inside the ball first; among them those on which the filter model is least sure, without one the closest;
    outside the closest.
    """
    key = sifted.distance if sifted.lead is None else sifted.lead.double()
    return _inside_first(sifted, key)


def best_first(sifted: Sifted, lead: Tensor) -> Tensor:
    """Return the order of candidates by the label's lead, known or predicted; those outside the ball by distance."""
    return _inside_first(sifted, lead.double())


def _inside_first(sifted: Sifted, key: Tensor) -> Tensor:
    by_key = torch.where(sifted.is_inside, key, sifted.distance).argsort(stable=True)
    return by_key[_outside_last(sifted.pick(by_key))]


def _outside_last(sifted: Sifted) -> Tensor:
    return (~sifted.is_inside).to(torch.uint8).argsort(stable=True)


def _flat(images: Tensor) -> Tensor:
    return images.flatten(1).double() / 255


def _joined(parts: list[_Candidates]) -> _Candidates:
    def cat(tensors: list[Tensor]) -> Tensor:
        return torch.cat(tensors)

    sifted = [part.sifted for part in parts]
    leads = [s.lead for s in sifted if s.lead is not None]  # of all or of none
    moves = parts[0].moves
    for part in parts[1:]:
        moves = moves.join(part.moves)
    return _Candidates(
        moves,
        cat([part.codes for part in parts]),
        Sifted(
            cat([s.images for s in sifted]),
            cat([s.place for s in sifted]),
            cat([s.is_inside for s in sifted]),
            cat([s.distance for s in sifted]),
            cat(leads) if leads else None,
        ),
    )


class ManifoldAttack:
    """Begin a search for each image; implements ``SearchFactory``.

    Args:
        moves: Where codes may move.
        ball: Where a flip counts.
        access: What the target tells.
        config: How candidates are drawn and asked.
        seed: Of the run; each image derives its own from it.
        projects: Move candidates that are outside onto the ball.
        filter_model: Has to keep the label; None for no filter.
    """

    def __init__(
        self,
        moves: CodeMoves,
        ball: Ball,
        *,
        access: Access = "score",
        config: SearchConfig | None = None,
        seed: int = 0,
        projects: bool = False,
        filter_model: FilterModel | None = None,
    ) -> None:
        self._moves, self._ball, self._access = moves, ball, access
        self._config, self._seed = config or SearchConfig(), seed
        self._projects, self._filter_model = projects, filter_model

    def begin(self, image: Tensor, label: int) -> ImageSearch:
        """Return the search for one image, bytes [channels, height, width]."""
        moves = self._moves.of(image, label, image_seed(self._seed, image, label))
        sieve = Sieve(image, label, self._ball, projects=self._projects, filter_model=self._filter_model)
        return ManifoldSearch(moves, sieve, label, access=self._access, config=self._config)

    def reconstruct(self, images: Tensor) -> Tensor:
        """Return the clean reconstructions, bytes."""
        return self._moves.reconstruct(images)
