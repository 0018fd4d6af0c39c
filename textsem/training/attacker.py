"""The target's side of training: who is asked, what is learnt from the answers, where Eq. 6's gradient comes from."""

from typing import Any

import torch
from torch import Tensor, nn

from textsem.latent.black_box import Evolution, flips
from textsem.latent.posterior import sample_mixture
from textsem.model import TextAdversary
from textsem.processes import Processes
from textsem.protocols import Target
from textsem.runs.checkpoint import TrainingParts
from textsem.targets.metering import MeteredTarget
from textsem.targets.word_level import WordLevelTarget
from textsem.training.adversary_config import AdversaryTrainingConfig
from textsem.training.labelled_pairs import LabelledPairs
from textsem.training.surrogate import AnswerBuffer, EvolutionTerm, GradientTerm, Surrogate, decoded_texts, gold_labels
from textsem.training.text_problem import AdversarialTerm, DecodedText, TextBatch, TextProblem

__all__ = ["Attacker"]

ALONE = Processes()


class Attacker:
    """Ask the target about x', distil the answers, and supply the adversarial term (METHOD section 3).

    Args:
        target: Counts every query, all of them in phase ``training``.
        model: The adversary whose words are asked.
        network: The surrogate, untrained or trained before on other answers; not used with other gradients.
        config: Settings.
        keeper: A classifier other than the target that has to keep the label: where it follows x', the surrogate learns
            that nothing was gained, so that E' looks for what changes the target's mind alone.  None for any flip.
        processes: Those that train; each asks about its own rows, and all learn from all answers.

    Raises:
        ValueError: If the target's own gradient is wanted without gradient access.
    """

    def __init__(
        self,
        target: MeteredTarget,
        model: TextAdversary,
        network: WordLevelTarget,
        config: AdversaryTrainingConfig,
        keeper: Target | None = None,
        *,
        processes: Processes = ALONE,
    ) -> None:
        if keeper is not None and config.adversarial_gradient != "surrogate":
            raise ValueError(f"expected a surrogate beside a keeper, got gradient {config.adversarial_gradient!r}")
        if config.adversarial_gradient == "target" and target.access != "gradient":
            raise ValueError(
                "expected gradient access, which is for word-level targets in the same process, "
                f"got {target.access} access to {type(target.target).__name__}"
            )
        self.target, self.config, self.keeper, self.processes = target, config, keeper, processes
        self.generator = torch.Generator().manual_seed(config.seed + 2)
        self.surrogate = Surrogate(
            network,
            AnswerBuffer(config.answers_kept),
            learning_rate=config.surrogate_rate,
            batch_size=config.pair_batch_size,
            generator=self.generator,
            processes=processes,
        )
        self.is_warm = False
        self._term = self._make_term(model, network)

    def term(self, outputs: DecodedText, batch: TextBatch, problem: TextProblem) -> Tensor:
        """Return the second term of Eq. 6, [batch]; what it asks of the target counts as training."""
        with self.target.counting("training"):
            return self._term(outputs, batch, problem)

    def _make_term(self, model: TextAdversary, network: WordLevelTarget) -> AdversarialTerm:
        config, loss = self.config, self.config.fooling_loss
        if config.adversarial_gradient == "surrogate":
            return GradientTerm(network, model.vocabulary.words, loss=loss)
        if config.adversarial_gradient == "target":
            return GradientTerm(self.target, model.vocabulary.words, loss=loss)
        evolution = Evolution(loss, config.evolution_pairs, config.evolution_sigma, self.generator)
        return EvolutionTerm(model, self.target, evolution)

    def before_batch(self, pairs: LabelledPairs) -> None:
        """Warm the surrogate up on gold labels, once; no query is spent on that."""
        if self.is_warm or self.config.adversarial_gradient != "surrogate":
            return
        for _ in range(self.config.surrogate_warmup_steps):
            rows = torch.randint(len(pairs.labels), (self.config.pair_batch_size,), generator=self.generator).tolist()
            gold = nn.functional.one_hot(torch.tensor([pairs.labels[i] for i in rows]), 3).float()
            self.surrogate.fit([pairs.premises[i] for i in rows], [pairs.hypotheses[i] for i in rows], gold)
        self.is_warm = True

    def after_batch(
        self, model: TextAdversary, batch: TextBatch, problem: TextProblem, generator: torch.Generator
    ) -> dict[str, float]:
        """Ask the target about x and x' of this batch and take distillation steps; return what was seen.

        Args:
            model: The adversary.
            batch: All rows; of several processes, each asks about its own.
            problem: What the batch was trained with.
            generator: Draws particles.
        """
        share, own, B = problem.share, batch.own(problem.share), len(batch.ids)
        x_adv = share.all_rows(self._perturbed(model, own, problem, generator), B)
        hypotheses, clean = decoded_texts(model, x_adv), decoded_texts(model, batch.ids)
        own_clean, own_adv = ([texts[i] for i in share.own_rows(torch.arange(B))] for texts in (clean, hypotheses))
        with self.target.counting("training"):
            asked = self.target.predict([*own.premises, *own.premises], [*own_clean, *own_adv])
        answers = torch.cat([share.all_rows(part, B) for part in torch.split(asked, len(own.ids))])
        labels = gold_labels(batch).cpu()
        is_flipped, num_right = flips(answers, labels)
        values = {
            "flip_rate": is_flipped.sum().item() / num_right,
            "changed": sum(a != b for a, b in zip(clean, hypotheses, strict=True)) / len(clean),
        }
        if self.keeper is not None:
            kept = share.all_rows(self.keeper.predict(own.premises, own_adv).argmax(dim=-1), B) == labels
            is_gained = torch.cat([torch.ones_like(kept), kept])
            gold = nn.functional.one_hot(torch.cat([labels, labels]), answers.shape[1]).to(answers)
            answers = torch.where(is_gained[:, None], answers, gold)
            values["flip_rate_kept"] = (is_flipped & kept).sum().item() / num_right
        if self.config.adversarial_gradient == "surrogate":
            self.surrogate.buffer.add([*batch.premises, *batch.premises], [*clean, *hypotheses], answers)
            steps = [self.surrogate.step() for _ in range(self.config.surrogate_steps)]
            values["surrogate"] = sum(steps) / max(len(steps), 1)
        return values

    @torch.no_grad()
    def _perturbed(
        self, model: TextAdversary, batch: TextBatch, problem: TextProblem, generator: torch.Generator
    ) -> Tensor:
        """Return words of x' for own rows, [own rows, length]; the particles of Eq. 3 are drawn for the whole batch."""
        theta, theta_adv = model.draw_particles(self.config.learner.num_particles, generator)
        features = problem.features(batch)
        own = model.perturb(model.codes(features, theta), features, theta_adv, batch.labels)
        codes = problem.share.all_rows(own, problem.share.num_rows(len(batch.ids)), dim=1)
        z_adv = sample_mixture(codes, generator=generator)[0]
        return problem.hard_words(problem.decode(problem.share.own_rows(z_adv)))

    def state(self, parts: TrainingParts) -> dict[str, Any]:
        """Add what has a state to ``parts``, and return the rest as plain types; every process has to ask."""
        parts.modules["surrogate"] = self.surrogate.network
        parts.optimisers["surrogate"] = self.surrogate.optimizer
        parts.generators["attacker"] = self.generator
        return {"buffer": self.surrogate.buffer.state(), "is_warm": self.is_warm, "counts": self.counts()}

    def counts(self) -> dict[str, dict[str, int]]:
        """Return what all processes asked of the target, by phase; every process has to ask.

        A row that several of them sent counts for each: it is a query wherever it comes from.
        """
        return {phase: self._added_up(count.to_dict()) for phase, count in self.target.counts.items()}

    def _added_up(self, counts: dict[str, int]) -> dict[str, int]:
        totals = self.processes.sum(torch.tensor(list(counts.values())))
        return dict(zip(counts, totals.tolist(), strict=True))

    def restore(self, state: dict[str, Any]) -> None:
        """Take over the plain types from ``state``; the rest was restored in place."""
        self.surrogate.buffer.restore(state["buffer"])
        self.is_warm = state["is_warm"]
        if self.processes.is_main:  # sums, which the other processes add to from nought
            self.target.restore_counts(state["counts"])
