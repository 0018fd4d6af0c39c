import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from images_ext.attacks.candidates import to_pixels
from images_ext.attacks.runner import AttackedChunk
from images_ext.data.images import ImageSet
from images_ext.data.loading import DataUnavailableError
from images_ext.evaluation import assembly, report, run
from images_ext.evaluation.results import IMAGES_NAME, REPORT_NAME, RESULTS_NAME, ImageRunFiles, read_results
from images_ext.evaluation.run import FILE_NAMES, attack_images
from images_ext.evaluation.run_config import ATTACKS, AttackImagesConfig
from images_ext.targets.loading import TargetFacts, load_image_target, save_image_target
from images_ext.targets.residual import ResidualConfig, ResidualNetwork
from tests.images.attacks.toys import NAMES, lively_moves, some_images
from tests.images.test_model import SHAPE
from textsem.latent.shells import HybridShrinkingSearch, IterativeStochasticSearch

SHORT: dict[str, Any] = {
    "max_queries": 12,
    "num_candidates": 16,
    "num_steps": 3,
    "decoding": "decoded",
    "project": False,
}


def save_target(folder: Path, seed: int, names: tuple[str, ...] = NAMES) -> None:
    config = ResidualConfig(SHAPE, len(names), 4, (4,), 1)
    network = ResidualNetwork(config).initialise(torch.Generator().manual_seed(seed))
    moves, images = lively_moves(), some_images(7)
    with torch.no_grad():
        network.head.weight.mul_(4)
        seen = network.eval()(to_pixels(torch.cat([images, moves.reconstruct(images)])))
        network.head.bias.sub_(seen.mean(dim=0))  # so that no class wins everywhere
    save_image_target(folder, network, TargetFacts(names, "nothing"))


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with models; data are seven tiny images, of which the target has six right; no page is made."""
    for name, seed in (("target", 0), ("filter", 1), ("judge", 2)):
        save_target(tmp_path / name, seed)
    lively_moves().model.save_pretrained(tmp_path / "adversary")
    images = some_images(7)
    labels = load_image_target(tmp_path / "target").predict(to_pixels(images)).argmax(dim=-1)
    labels[3] = (labels[3] + 1) % 3
    data = ImageSet(images, labels, NAMES, "tiny", "test")

    def load(name: str, location: object, split: str, *, limit: int | None = None) -> ImageSet:
        return data.select(slice(0, limit))

    monkeypatch.setattr(assembly, "load_images", load)
    monkeypatch.setattr(report, "write_report", lambda folder, **_: None)
    return tmp_path


def config(folders: Path, output: str = "run", **changes: Any) -> AttackImagesConfig:
    named = {name: str(folders / name) for name in ("target", "adversary")}
    return AttackImagesConfig(
        **{**named, **SHORT, "output": str(folders / output), "device": "cpu", "chunk_size": 3, **changes}
    )


def lines(folders: Path, output: str = "run") -> bytes:
    return (folders / output / RESULTS_NAME).read_bytes()


@pytest.mark.parametrize("attack", ATTACKS)
def test_every_attack_leaves_whole_files_that_agree(folders: Path, attack: str) -> None:
    access = "gradient" if attack == "pgd" else "score"
    summary = attack_images(config(folders, attack=attack, access=access, norm="linf", eps=0.6))
    assert {path.name for path in (folders / "run").iterdir()} == {*FILE_NAMES, "settings.json"} - {REPORT_NAME}
    results = read_results(folders / "run" / RESULTS_NAME)
    assert summary == json.loads((folders / "run" / "summary.json").read_text())
    assert [result.status == "skipped" for result in results] == [i == 3 for i in range(7)]
    assert summary["attacked"] == 6
    assert summary["rows_sent"] == sum(count["rows_sent"] for count in summary["this_process"].values())
    images = load_file(folders / "run" / IMAGES_NAME)
    target = load_image_target(folders / "target")
    # The very images that were asked are those in the file.
    for i, result in enumerate(results):
        if result.adversarial_prediction is not None:
            answer = target.predict(to_pixels(images["adversarials"][i : i + 1]))[0]
            assert NAMES[int(answer.argmax())] == result.adversarial_prediction
            assert result.distance is not None
            change = to_pixels(images["adversarials"][i]) - to_pixels(images["inputs"][i])
            assert result.distance["linf"] == pytest.approx(float(change.abs().max()))


def test_radius_0_gives_no_success_and_clean_accuracy_exactly(folders: Path) -> None:
    attack_images(config(folders, eps=0.0))
    summary = json.loads((folders / "run" / "summary.json").read_text())
    assert summary["successes"] == 0
    assert summary["accuracy_under_attack"] == summary["target_accuracy"] == 6 / 7
    for rows in summary["success_by_radius"].values():
        assert rows[0]["eps"] == 0.0
        assert rows[0]["success"]["count"] == 0
        assert rows[0]["accuracy"] == 6 / 7


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, RuntimeError])
def test_run_that_was_cut_off_is_continued_to_the_same_bytes(
    folders: Path, monkeypatch: pytest.MonkeyPatch, interruption: type[BaseException]
) -> None:
    attack_images(config(folders, "whole"))
    write = ImageRunFiles.write

    def write_once(self: ImageRunFiles, chunk: AttackedChunk) -> None:
        if self.num_done:
            raise interruption
        write(self, chunk)

    with monkeypatch.context() as patched:
        patched.setattr(ImageRunFiles, "write", write_once)
        with pytest.raises(interruption):
            attack_images(config(folders, "cut"))
    assert lines(folders, "cut").count(b"\n") == 3
    attack_images(config(folders, "cut", resume=True, chunk_size=2))
    assert lines(folders, "cut") == lines(folders, "whole")
    for name in (IMAGES_NAME, "settings.json"):
        assert (folders / "cut" / name).read_bytes() == (folders / "whole" / name).read_bytes()
    with pytest.raises(ValueError, match="expected seed 0 as in the run to be resumed, got 1"):
        attack_images(config(folders, "cut", resume=True, seed=1))


def test_seed_and_batch_size(folders: Path) -> None:
    attack_images(config(folders, "a", chunk_size=1))
    attack_images(config(folders, "b", chunk_size=7))
    attack_images(config(folders, "c", seed=1))
    assert lines(folders, "a") == lines(folders, "b")
    assert lines(folders, "a") != lines(folders, "c")


def test_candidates_outside_are_moved_onto_the_ball_where_that_is_asked_for(folders: Path) -> None:
    ball: dict[str, Any] = {"norm": "linf", "eps": 0.2}
    for project in (False, True):
        attack_images(config(folders, project=project, **ball))
        results = read_results(folders / "run" / RESULTS_NAME)
        reached = [distance["linf"] for r in results if (distance := r.distance)]
        assert any(distance >= 0.2 for distance in reached) != project


def test_gradients_filter_and_restarts_are_used_where_they_are_asked_for(folders: Path) -> None:
    changed: dict[str, dict[str, Any]] = {
        "score": {},
        "gradient": {"access": "gradient"},
        "filter": {"filter_model": [str(folders / "filter")], "filter_lead": 0.0},
    }
    for name, changes in changed.items():
        attack_images(config(folders, name, max_queries=30, norm="linf", eps=0.2, **changes))
    assert lines(folders, "gradient") != lines(folders, "score") != lines(folders, "filter")
    attack_images(config(folders, attack="pgd", access="gradient", norm="linf", eps=0.001, num_restarts=2))
    results = read_results(folders / "run" / RESULTS_NAME)
    # Three steps and a question, twice.
    assert {result.queries for result in results if result.status == "failed"} == {8}


@pytest.mark.parametrize(
    ("attack", "search"), [("stochastic", IterativeStochasticSearch), ("shrinking", HybridShrinkingSearch)]
)
def test_searches_are_those_of_their_names(
    folders: Path, monkeypatch: pytest.MonkeyPatch, attack: str, search: type
) -> None:
    made: list[type] = []

    def remember(moves: object, search: object, *_: object, **__: object) -> object:
        made.append(type(search))
        return None

    monkeypatch.setattr(assembly, "LatentSearchAttack", remember)
    assembly.assemble(config(folders, attack=attack))
    assert made == [search]


def test_judge_must_be_independent_and_is_heard_afterwards(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("target", "filter"):
        taken: dict[str, Any] = {"judge": str(folders / name), "filter_model": [str(folders / "filter")]}
        with pytest.raises(ValueError, match=rf"independent judge, got .*{name}"):
            attack_images(config(folders, **taken))
    assert not (folders / "run" / RESULTS_NAME).exists()
    attack_images(config(folders, "other"))
    heard: list[object] = []
    monkeypatch.setattr(report, "write_report", lambda folder, **options: heard.append((folder, options)))
    attack_images(config(folders, judge=str(folders / "judge"), controls=[str(folders / "other")]))
    assert heard[-1] == (folders / "run", {"judge": folders / "judge", "controls": (str(folders / "other"),)})


def test_controls_that_are_no_finished_runs_are_refused_before_the_attack(folders: Path) -> None:
    (folders / "empty").mkdir()
    with pytest.raises(ValueError, match=r"expected the folder of a finished run with results\.jsonl, got .*empty"):
        attack_images(config(folders, controls=[str(folders / "empty")]))
    assert not (folders / "run" / RESULTS_NAME).exists()


@pytest.mark.parametrize("role", ["target", "judge", "filter_model"])
def test_classifiers_of_other_images_are_refused_before_the_attack(folders: Path, role: str) -> None:
    wide = ResidualNetwork(ResidualConfig((1, 8, 12), 3, 4, (4,), 1)).initialise(torch.Generator().manual_seed(9))
    save_image_target(folders / "wide", wide, TargetFacts(NAMES, "nothing"))
    named: Any = [str(folders / "wide")] if role == "filter_model" else str(folders / "wide")
    with pytest.raises(ValueError, match=rf"expected {role}.* for images \(1, 8, 8\) of tiny, got one for .*wide"):
        attack_images(config(folders, **{role: named}))
    assert not (folders / "run" / RESULTS_NAME).exists()


def test_without_mnist_the_bundled_target_meets_drawn_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str, location: object, split: str, *, limit: int | None = None) -> ImageSet:
        if name == "mnist":
            raise DataUnavailableError("no mnist")
        return ImageSet(some_images(2), torch.zeros(2, dtype=torch.int64), NAMES, name, split)

    monkeypatch.setattr(assembly, "load_images", load)
    data, notice = assembly.load_attacked_images(AttackImagesConfig())
    assert data.name == "drawn-digits"
    assert notice is not None
    assert "MNIST is not at hand" in notice
    with pytest.raises(ValueError, match="no mnist"):
        assembly.load_attacked_images(AttackImagesConfig(target="mine"))
    _, notice = assembly.load_attacked_images(AttackImagesConfig(dataset="drawn-digits"))
    assert notice == "these are drawn digits, on which no figure says anything about MNIST"


def test_bundled_filter_and_judge_go_with_the_bundled_target() -> None:
    bundled, own = AttackImagesConfig(), AttackImagesConfig(target="mine", filter_model=("auto", "f"))
    assert assembly.filter_folders(bundled) == [assembly.BUNDLED_FILTER]
    assert assembly.judge_folder_of(bundled) == assembly.BUNDLED_JUDGE
    assert assembly.filter_folders(own) == [Path("f")]
    assert assembly.judge_folder_of(own) is None
    without = AttackImagesConfig(filter_model=("none",), judge="none")
    assert assembly.filter_folders(without) == []
    assert assembly.judge_folder_of(without) is None
    named = AttackImagesConfig(target="mine", filter_model=("bundled",), judge="bundled")
    assert assembly.filter_folders(named) == [assembly.BUNDLED_FILTER]
    assert assembly.judge_folder_of(named) == assembly.BUNDLED_JUDGE


def test_progress_is_told_after_every_chunk(folders: Path) -> None:
    told: list[tuple[int, int, int]] = []
    summary = attack_images(config(folders), progress=lambda *numbers: told.append(numbers))
    assert [(done, total) for done, total, _ in told] == [(3, 7), (6, 7), (7, 7)]
    assert told[-1][2] == summary["successes"]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(2, 3, 8, 8), r"expected images of the adversary's shape \(1, 8, 8\), got \(3, 8, 8\)"),
        (torch.zeros(0, *SHAPE), "expected at least one image of odd test, got none"),
    ],
)
def test_images_that_do_not_fit_are_refused_at_once(
    folders: Path, monkeypatch: pytest.MonkeyPatch, images: Tensor, message: str
) -> None:
    odd = ImageSet(images.byte(), torch.zeros(len(images), dtype=torch.int64), NAMES, "odd", "test")
    monkeypatch.setattr(assembly, "load_images", lambda *_, **__: odd)
    with pytest.raises(ValueError, match=message):
        attack_images(config(folders))
    assert not (folders / "run" / RESULTS_NAME).exists()


def test_target_of_other_classes_than_the_adversary_is_refused(folders: Path) -> None:
    save_target(folders / "narrow", 0, NAMES[:2])
    with pytest.raises(ValueError, match="expected a target with the adversary's 3 classes, got 2"):
        attack_images(config(folders, target=str(folders / "narrow")))


def test_folder_that_cannot_be_written_to_costs_no_work(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "load_attacked_images", lambda _: pytest.fail("loaded"))
    (folders / "run").write_text("a file")
    with pytest.raises(OSError, match="expected a folder that files can be written to"):
        attack_images(config(folders))
