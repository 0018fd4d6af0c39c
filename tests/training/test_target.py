import json
import random
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from textsem.runs.checkpoint import TRAINING_STATE_FILE
from textsem.targets.attention import AttentionConfig
from textsem.targets.loading import build_word_level_target, load_target
from textsem.targets.paper_mlp import PaperMLPConfig
from textsem.targets.word_level import WordLevelTarget
from textsem.text.vocabulary import UNKNOWN_ID
from textsem.training.encoded_pairs import EncodedPairs
from textsem.training.labelled_pairs import accuracy, build_vocabulary
from textsem.training.target import TargetTrainingConfig, start_from_co_occurrence, train_target
from textsem.training.target_report import RunDescription
from textsem.training.target_steps import Position, TargetSteps

NETWORK = AttentionConfig(embedding_dim=8, hidden_dim=8, num_layers=1, classifier_dim=8)
CONFIG = TargetTrainingConfig(num_epochs=3, batch_size=8, learning_rate=0.01, unknown_rate=0.1, seed=3)


@dataclass(frozen=True)
class Pairs:
    premises: tuple[str, ...]
    hypotheses: tuple[str, ...]
    labels: tuple[int, ...]


def toy_pairs(num_pairs: int, *, seed: int) -> Pairs:
    """The same animal entails, "no" contradicts, another animal is neutral."""
    rng = random.Random(seed)
    rows = []
    for _ in range(num_pairs):
        animal, other = rng.sample(("dog", "cat", "horse", "bird", "fish"), 2)
        place, label = rng.choice(("in the park", "at home", "outside")), rng.randrange(3)
        hypothesis = (f"there is a {animal}", f"there is a {other}", f"there is no {animal}")[label]
        rows.append((f"a {animal} sleeps {place}", hypothesis, label))
    return Pairs(*(tuple(column) for column in zip(*rows, strict=True)))


TRAIN, DEV = toy_pairs(60, seed=0), toy_pairs(30, seed=1)


class Killed(BaseException):
    """What no code catches, as a signal would."""


def kill_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    original, calls = TargetSteps.step, [0]

    def counted(self: TargetSteps, pairs: EncodedPairs, rows: list[int], position: Position) -> float:
        calls[0] += 1
        if calls[0] > step:
            raise Killed
        return original(self, pairs, rows, position)

    monkeypatch.setattr(TargetSteps, "step", counted)


def weights(target: WordLevelTarget) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in target.state_dict().items()}


@pytest.mark.parametrize("killed_at", [1, 5, 11, 17, 23])
def test_killed_and_resumed_run_ends_with_the_same_weights(
    killed_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train_target(TRAIN, DEV, NETWORK, CONFIG, tmp_path / "whole", checkpoint_every=3)
    folder = tmp_path / "killed"
    with monkeypatch.context() as patch:
        kill_at(killed_at, patch)
        with pytest.raises(Killed):
            train_target(TRAIN, DEV, NETWORK, CONFIG, folder, checkpoint_every=3)
    torch.manual_seed(12345)  # another process would start in another random state
    is_resumed = (folder / TRAINING_STATE_FILE).exists()
    assert is_resumed == (killed_at >= 3)
    resumed = train_target(TRAIN, DEV, NETWORK, CONFIG, folder, is_resumed=is_resumed, checkpoint_every=3)
    for name, value in weights(whole).items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    for name in ("metrics.jsonl", "config.json", "vocabulary.json"):
        assert (folder / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_run_stopped_by_the_clock_is_resumed_exactly(tmp_path: Path) -> None:
    whole = train_target(TRAIN, DEV, NETWORK, CONFIG, tmp_path / "whole")
    stopped = train_target(TRAIN, DEV, NETWORK, CONFIG, tmp_path / "stopped", max_minutes=0.0)
    assert not torch.equal(stopped.embedding.weight, whole.embedding.weight)
    resumed = train_target(TRAIN, DEV, NETWORK, CONFIG, tmp_path / "stopped", is_resumed=True)
    for name, value in weights(whole).items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_checkpoints_do_not_change_the_outcome(tmp_path: Path) -> None:
    often = train_target(TRAIN, DEV, NETWORK, CONFIG, tmp_path / "often", checkpoint_every=1)
    never = train_target(TRAIN, DEV, NETWORK, CONFIG, tmp_path / "never", checkpoint_every=10**6)
    assert torch.equal(often.embedding.weight, never.embedding.weight)


def test_attention_learns_a_toy_language(tmp_path: Path) -> None:
    network = AttentionConfig(embedding_dim=16, hidden_dim=16, num_layers=1, classifier_dim=16, dropout=0.0)
    # Animals are used alike: vectors from co-occurrence would start out all but equal.
    config = replace(CONFIG, num_epochs=8, unknown_rate=0.0, word_vectors="random")
    target = train_target(toy_pairs(240, seed=0), DEV, network, config, tmp_path)
    # "no" alone gives two thirds; which animal is which needs both sentences.
    assert accuracy(target, DEV) > 0.9


def test_paper_classifier_learns_a_toy_language_in_part(tmp_path: Path) -> None:
    network = PaperMLPConfig(embedding_dim=8, code_dim=8, hidden_dims=(8,), dropout=0.0)
    config = replace(CONFIG, num_epochs=8, unknown_rate=0.0)
    assert accuracy(train_target(toy_pairs(240, seed=0), DEV, network, config, tmp_path), DEV) > 0.6


def test_best_epoch_on_dev_is_kept_not_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = iter([0.5, 0.9, 0.9, 0.0, 0.0])
    seen: list[torch.Tensor] = []

    def scripted(target: WordLevelTarget, pairs: object, **_: object) -> float:
        seen.append(target.embedding.weight.detach().clone())
        return next(figures)

    for module in ("target", "target_run"):
        monkeypatch.setattr(f"textsem.training.{module}.accuracy", scripted)
    saved = train_target(TRAIN, DEV, NETWORK, CONFIG, tmp_path)
    assert torch.equal(saved.embedding.weight, seen[1])
    assert not torch.equal(seen[1], seen[2])


def test_folder_has_model_card_metrics_and_curve(tmp_path: Path) -> None:
    description = RunDescription(train_data="toy, 60 pairs", command="python train.py --seed 3", machine="a toy")
    target = train_target(
        TRAIN, DEV, NETWORK, CONFIG, tmp_path, test=toy_pairs(30, seed=2), description=description, half_precision=True
    )
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert max(line["dev_accuracy"] for line in lines) == pytest.approx(accuracy(target, DEV), abs=0.05)
    card = (tmp_path / "README.md").read_text()
    shown = ("toy, 60 pairs", "python train.py --seed 3", "Seed: 3", "a toy", f"{100 * accuracy(target, DEV):.2f}%")
    assert all(text in card for text in (*shown, "test accuracy"))
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    loaded = load_target(str(tmp_path))
    assert torch.equal(loaded.predict(DEV.premises, DEV.hypotheses), target.predict(DEV.premises, DEV.hypotheses))


def test_word_vectors_from_co_occurrence_spread_as_random_ones_and_make_like_words_alike() -> None:
    target = build_word_level_target(NETWORK, build_vocabulary(TRAIN, max_words=100))
    spread = target.embedding.weight.std()
    start_from_co_occurrence(target, TRAIN, seed=3)
    vectors = target.embedding.weight.detach()
    assert torch.equal(vectors[:UNKNOWN_ID], torch.zeros(UNKNOWN_ID, 8))
    torch.testing.assert_close(vectors.std(), spread.detach())
    dog, cat, is_ = (vectors[target.vocabulary.ids[word]] for word in ("dog", "cat", "is"))
    assert torch.cosine_similarity(dog, cat, dim=0) > 0.9
    assert torch.cosine_similarity(dog, is_, dim=0) < 0.5


def test_callers_random_state_is_left_alone(tmp_path: Path) -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    train_target(TRAIN, DEV, NETWORK, replace(CONFIG, num_epochs=1), tmp_path)
    assert torch.equal(torch.get_rng_state(), before)


def test_resuming_with_other_settings_or_without_a_state_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected a training state"):
        train_target(TRAIN, DEV, NETWORK, CONFIG, tmp_path, is_resumed=True)
    train_target(TRAIN, DEV, NETWORK, replace(CONFIG, num_epochs=1), tmp_path)
    with pytest.raises(ValueError, match="settings"):
        train_target(TRAIN, DEV, NETWORK, CONFIG, tmp_path, is_resumed=True)


def test_empty_data_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="got 60 and 0"):
        train_target(TRAIN, Pairs((), (), ()), NETWORK, CONFIG, tmp_path)
