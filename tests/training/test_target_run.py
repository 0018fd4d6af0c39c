"""New rows in a target's training: joined, renewed against the present model, and exact after a kill."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.toys import PAIRS
from textsem.processes import Processes
from textsem.targets.attention import AttentionConfig
from textsem.targets.word_level import WordLevelTarget
from textsem.training.encoded_pairs import EncodedPairs
from textsem.training.labelled_pairs import accuracy, joined_pairs
from textsem.training.new_pairs import NewPairs, new_pairs_file
from textsem.training.target import TargetTrainingConfig, train_target
from textsem.training.target_steps import Position, TargetSteps

NETWORK = AttentionConfig(embedding_dim=8, hidden_dim=8, num_layers=1, classifier_dim=8)
# 36 pairs: five steps an epoch, and more with new rows.
CONFIG = TargetTrainingConfig(num_epochs=4, batch_size=8, learning_rate=0.01, unknown_rate=0.1, seed=3)
SIZES = {1: 20, 3: 12}  # epochs that begin with new rows: steps 5, 7, 7, 6


class Killed(BaseException):
    """What no code catches, as a signal would."""


def new_pairs(number: int, *, label: int = 2, premise: str = "a new sentence", **facts: Any) -> NewPairs:
    origins = tuple(("boundary", "adversarial")[i % 2] for i in range(number))
    columns = ((premise,) * number, PAIRS.hypotheses[:number], (label,) * number, origins, PAIRS.hypotheses[:number])
    return NewPairs(*columns, **facts)


class Renewer:
    """Gives the data's pairs with labels that depend on every weight of the model; rolls the global dice."""

    def __init__(self, sizes: dict[int, int] = SIZES, *, killed_in_call: int = 0) -> None:
        self.sizes, self.killed_in_call = sizes, killed_in_call
        self.settings: dict[str, Any] = {"sizes": list(sizes.values())}
        self.epochs: list[int] = []
        self.weights: list[torch.Tensor] = []
        self.modes: list[bool] = []

    def rows(self, target: WordLevelTarget, epoch: int) -> NewPairs | None:
        self.epochs.append(epoch)
        self.weights.append(flat(target))
        self.modes.append(target.training)
        torch.rand(17)
        if epoch not in self.sizes:
            return None
        if len(self.epochs) == self.killed_in_call:
            raise Killed
        pairs = new_pairs(self.sizes[epoch])
        total = int(flat(target).view(torch.int32).to(torch.int64).sum())
        return replace(pairs, labels=tuple((total + i) % 3 for i in range(len(pairs))))


def flat(target: WordLevelTarget) -> torch.Tensor:
    return torch.cat([value.detach().flatten() for value in target.parameters()]).clone()


def train(folder: Path, renewer: Renewer | None, config: TargetTrainingConfig = CONFIG, **options: Any) -> torch.Tensor:
    return flat(train_target(PAIRS, PAIRS, NETWORK, config, folder, renewer=renewer, checkpoint_every=2, **options))


def watch_steps(monkeypatch: pytest.MonkeyPatch, before: Callable[[TargetSteps, EncodedPairs, Position], None]) -> None:
    original = TargetSteps.step

    def watched(self: TargetSteps, pairs: EncodedPairs, rows: list[int], position: Position) -> float:
        loss = original(self, pairs, rows, position)
        before(self, pairs, position)
        return loss

    monkeypatch.setattr(TargetSteps, "step", watched)


def kill_after(num_steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Position] = []

    def count(_: TargetSteps, __: EncodedPairs, position: Position) -> None:
        taken.append(position)
        if len(taken) == num_steps:
            raise Killed

    watch_steps(monkeypatch, count)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Renewer]:
    folder, renewer = tmp_path_factory.mktemp("whole"), Renewer()
    train(folder, renewer)
    return folder, renewer


def assert_same_files(folder: Path, expected: Path) -> None:
    names = [
        "model.safetensors",
        "metrics.jsonl",
        "vocabulary.json",
        "new_rows/epoch_2.jsonl",
        "new_rows/epoch_4.jsonl",
    ]
    for name in names:
        assert (folder / name).read_bytes() == (expected / name).read_bytes(), name


# Steps 6 to 12 are the second epoch's, 20 to 25 the last one's.
@pytest.mark.parametrize(("killed_after", "epochs"), [(3, [0, 1, 2, 3]), (6, [2, 3]), (9, [2, 3]), (21, []), (24, [])])
def test_run_killed_in_an_augmented_epoch_resumes_exactly(
    killed_after: int, epochs: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: tuple[Path, Renewer]
) -> None:
    with monkeypatch.context() as patch:
        kill_after(killed_after, patch)
        with pytest.raises(Killed):
            train(tmp_path, Renewer())
    torch.manual_seed(12345)  # another process would start in another random state
    renewer = Renewer()
    train(tmp_path, renewer, is_resumed=True)
    assert_same_files(tmp_path, whole[0])
    assert renewer.epochs == [epoch for epoch in epochs if epoch]  # what is kept is not made again


@pytest.mark.parametrize("call", [2, 4])
def test_run_killed_while_rows_are_made_resumes_exactly(call: int, tmp_path: Path, whole: tuple[Path, Renewer]) -> None:
    with pytest.raises(Killed):
        train(tmp_path, Renewer(killed_in_call=call))
    train(tmp_path, Renewer(), is_resumed=True)
    assert_same_files(tmp_path, whole[0])


def test_model_that_is_attacked_is_the_present_one_in_evaluation_mode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends: list[torch.Tensor] = []

    def recorded(target: WordLevelTarget, pairs: Any, **options: Any) -> float:
        ends.append(flat(target))
        return accuracy(target, pairs, **options)

    monkeypatch.setattr("textsem.training.target_run.accuracy", recorded)
    modes: list[bool] = []
    watch_steps(monkeypatch, lambda steps, _, __: modes.append(steps.target.training))
    renewer = Renewer()
    train(tmp_path, renewer)
    assert renewer.epochs == [0, 1, 2, 3]
    assert not any(renewer.modes)
    assert all(modes)
    for seen, end in zip(renewer.weights[1:], ends, strict=False):
        assert torch.equal(seen, end)
    assert not torch.equal(renewer.weights[1], renewer.weights[2])


def test_renewer_that_gives_nothing_changes_nothing(tmp_path: Path) -> None:
    """Though it rolls the dice that dropout rolls."""
    plain = train(tmp_path / "plain", None)
    assert torch.equal(train(tmp_path / "asked", Renewer({})), plain)
    metrics = [
        [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("plain", "asked")
    ]
    assert [{**line, "new_rows": {}} for line in metrics[0]] == metrics[1]
    assert not (tmp_path / "plain" / "new_rows").exists()
    assert "augmentation" not in (tmp_path / "plain" / "README.md").read_text()


def test_rows_given_before_the_training_are_as_if_among_the_pairs(tmp_path: Path) -> None:
    new = new_pairs(20, premise="an unheard sentence")
    joined = train_target(joined_pairs([PAIRS, new]), PAIRS, NETWORK, CONFIG, tmp_path / "joined")
    assert torch.equal(train(tmp_path / "given", None, new_rows=new), flat(joined))
    assert "unheard" in joined.vocabulary.ids
    assert (tmp_path / "given" / "new_rows" / "epoch_1.jsonl").read_text() == new.text()


def test_renewed_rows_bring_no_words(tmp_path: Path) -> None:
    target = train_target(PAIRS, PAIRS, NETWORK, CONFIG, tmp_path, renewer=Renewer())
    assert "sentence" not in target.vocabulary.ids


def test_new_rows_are_learnt(tmp_path: Path) -> None:
    """Rows whose label the data contradict."""
    new = new_pairs(36)
    new = replace(new, premises=PAIRS.premises, labels=tuple((label + 1) % 3 for label in PAIRS.labels) * 1)
    config = replace(CONFIG, num_epochs=8, unknown_rate=0.0, word_vectors="random")

    class Same(Renewer):
        def rows(self, target: WordLevelTarget, epoch: int) -> NewPairs | None:
            return None if epoch != 1 else joined_four_times(new)

    def loss(target: WordLevelTarget) -> float:
        chances = target.predict(new.premises, new.hypotheses)
        return float(-chances[torch.arange(36), torch.tensor(new.labels)].log().mean())

    network = replace(NETWORK, dropout=0.0)
    scored: list[float] = []
    for name, renewer in (("plain", None), ("renewed", Same())):
        scored.append(loss(train_target(PAIRS, new, network, config, tmp_path / name, renewer=renewer)))
    assert scored[1] < scored[0] - 0.1


def joined_four_times(pairs: NewPairs) -> NewPairs:
    columns = (pairs.premises, pairs.hypotheses, pairs.labels, pairs.origins, pairs.originals)
    return NewPairs(*(column * 4 for column in columns))  # type: ignore[arg-type]


def test_later_rows_replace_earlier_ones_and_the_rate_falls_with_the_epochs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, Position, float]] = []
    watch_steps(
        monkeypatch,
        lambda steps, pairs, position: seen.append((len(pairs), position, steps.optimiser.param_groups[0]["lr"])),
    )
    train(tmp_path, Renewer())
    sizes: Sequence[int] = [36, 56, 56, 48]
    assert [(n, p.epoch, p.step) for n, p, _ in seen] == [
        (n, epoch, step) for epoch, n in enumerate(sizes) for step in range(-(-n // 8))
    ]
    rates = [rate for _, _, rate in seen]
    assert rates == sorted(rates, reverse=True)
    assert [rate for _, position, rate in seen if position.step == 0] == pytest.approx([0.01, 0.0075, 0.005, 0.0025])


def test_card_and_metrics_tell_of_the_rows(whole: tuple[Path, Renewer]) -> None:
    lines = [json.loads(line) for line in (whole[0] / "metrics.jsonl").read_text().splitlines()]
    first, second = {"adversarial": 10, "boundary": 10}, {"adversarial": 6, "boundary": 6}
    assert [line["new_rows"] for line in lines] == [{}, first, first, second]
    card = (whole[0] / "README.md").read_text()
    assert "| new rows from epoch 2 | 10 adversarial, 10 boundary |" in card
    assert "| new rows from epoch 4 | 6 adversarial, 6 boundary |" in card
    assert "| augmentation share | " in card


def test_time_that_rows_took_before_the_training_is_part_of_the_whole(tmp_path: Path) -> None:
    train(tmp_path, None, new_rows=new_pairs(4, seconds=9000.0))
    card = (tmp_path / "README.md").read_text()
    assert "| seconds | 90" in card
    assert "| seconds of augmentation | 9000 |" in card


def test_other_settings_or_rows_are_not_resumed(tmp_path: Path) -> None:
    train(tmp_path, Renewer(), max_minutes=0.0)
    other = Renewer({1: 8})
    with pytest.raises(ValueError, match=r"settings.*renewed_rows\.sizes of \[20, 12\], got \[8\]"):
        train(tmp_path, other, is_resumed=True)
    train(tmp_path, Renewer(), is_resumed=True)
    path = new_pairs_file(tmp_path, 3)
    path.write_text(path.read_text().replace("new", "old"))
    with pytest.raises(ValueError, match="expected new rows with sha256"):
        train(tmp_path, Renewer(), is_resumed=True)
    path.unlink()
    with pytest.raises(ValueError, match="expected the new rows of the training in"):
        train(tmp_path, Renewer(), is_resumed=True)


def test_training_begun_anew_leaves_no_old_rows(tmp_path: Path) -> None:
    train(tmp_path, Renewer())
    train(tmp_path, None)
    assert not (tmp_path / "new_rows").exists()


def test_several_processes_do_not_renew(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected one process for new rows against the model in training, got 2"):
        train(tmp_path, Renewer(), processes=Processes(0, 2))
