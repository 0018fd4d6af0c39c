import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from tests.constraints.fakes import add_sentence_files, save_tiny_encoder
from tests.remote_code import add_own_code
from textsem.constraints.sentence_encoder import SentenceEncoder

TEXTS = ["a man is sleeping", "the dog", "", "two people in the park outside .", "A MAN"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_tiny_encoder(tmp_path)


def naive(folder: Path, text: str, *, pooling: str = "mean", max_tokens: int = 64) -> torch.Tensor:
    """Encode one sentence with transformers alone: no padding, no batch."""
    from transformers import AutoModel, AutoTokenizer

    encoded = AutoTokenizer.from_pretrained(folder)(text, truncation=True, max_length=max_tokens, return_tensors="pt")
    with torch.no_grad():
        states = AutoModel.from_pretrained(folder).eval()(**encoded).last_hidden_state[0]
    vector: torch.Tensor = states.mean(dim=0) if pooling == "mean" else states[0]
    unit: torch.Tensor = vector / vector.norm()
    return unit


def test_plain_encoder_agrees_with_a_naive_loop(folder: Path) -> None:
    vectors = SentenceEncoder(str(folder)).encode(TEXTS)
    torch.testing.assert_close(vectors, torch.stack([naive(folder, text) for text in TEXTS]))
    torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(len(TEXTS)))


@pytest.mark.parametrize(
    ("config", "pooling"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}, "mean"),
        ({"pooling_mode": "cls"}, "cls"),
    ],
)
def test_pooling_is_read_from_the_files(folder: Path, config: dict[str, object], pooling: str) -> None:
    add_sentence_files(folder, pooling=config)
    vectors = SentenceEncoder(str(folder)).encode(TEXTS[:2])
    torch.testing.assert_close(vectors, torch.stack([naive(folder, text, pooling=pooling) for text in TEXTS[:2]]))
    assert not torch.allclose(naive(folder, TEXTS[0], pooling="cls"), naive(folder, TEXTS[0]), atol=0.1)


def test_limits_of_the_files_hold(folder: Path) -> None:
    add_sentence_files(folder, pooling={}, limits={"max_seq_length": 5, "do_lower_case": True})
    vectors = SentenceEncoder(str(folder)).encode(["A MAN IS SLEEPING in the park"])
    torch.testing.assert_close(vectors[0], naive(folder, "a man is sleeping in the park", max_tokens=5))


def test_sentence_longer_than_the_model_is_cut(tmp_path: Path) -> None:
    folder = save_tiny_encoder(tmp_path, max_positions=12)
    text = "a man is sleeping in the park " * 5
    torch.testing.assert_close(SentenceEncoder(str(folder)).encode([text])[0], naive(folder, text, max_tokens=12))


def test_batch_mates_do_not_change_a_bit(folder: Path) -> None:
    texts = [" ".join(["man", "dog", "park"][i % 3 :] * (i % 11)) + f" {'a ' * (i % 4)}" for i in range(60)]
    answers = [SentenceEncoder(str(folder), batch_size=size).encode(texts) for size in (8, 24, 64)]
    assert torch.equal(answers[0], answers[1])
    assert torch.equal(answers[0], answers[2])
    encoder = SentenceEncoder(str(folder), memory_size=0)
    assert torch.equal(torch.cat([encoder.encode([text]) for text in texts]), answers[2])
    assert torch.equal(encoder.encode(texts[::-1]), answers[2].flip(0))


def test_each_distinct_sentence_is_encoded_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = SentenceEncoder(str(folder))
    encoded: list[list[str]] = []
    forward = encoder._forward
    monkeypatch.setattr(encoder, "_forward", lambda texts: encoded.append(list(texts)) or forward(texts))  # type: ignore[func-returns-value]
    encoder.similarity(["a dog", "a dog", "a man"], ["a man", "a woman", "a man"])
    encoder.encode(["a woman", "two people"])
    assert encoded == [["a dog", "a man", "a woman"], ["two people"]]


def test_memory_keeps_no_more_than_it_may(folder: Path) -> None:
    encoder = SentenceEncoder(str(folder), memory_size=2)
    vectors = encoder.encode(TEXTS)
    assert torch.equal(encoder.encode(TEXTS), vectors)
    assert len(encoder._memory._answers) == 2
    # No vector may keep the batch alive that it was computed in.
    assert all(vector.untyped_storage().nbytes() == 4 * encoder.dim for vector in encoder._memory._answers.values())


def test_similarity_is_the_cosine_of_each_row(folder: Path) -> None:
    originals, candidates = ["a man", "a man", "two people"], ["a man", "the dog", "a woman"]
    expected = [naive(folder, a) @ naive(folder, b) for a, b in zip(originals, candidates, strict=True)]
    similarity = SentenceEncoder(str(folder)).similarity(originals, candidates)
    torch.testing.assert_close(similarity, torch.stack(expected))
    assert similarity[0] == pytest.approx(1.0)


def test_nothing_has_no_vectors(folder: Path) -> None:
    encoder = SentenceEncoder(str(folder))
    assert encoder.encode([]).shape == (0, 16)
    assert encoder.similarity([], []).shape == (0,)


def test_rows_must_match(folder: Path) -> None:
    with pytest.raises(ValueError, match="expected as many originals as candidates, got 2 and 1"):
        SentenceEncoder(str(folder)).similarity(["a", "b"], ["a"])


def test_bfloat16_is_close_and_comes_out_in_float32(folder: Path) -> None:
    vectors = SentenceEncoder(str(folder), dtype="bfloat16").encode(TEXTS)
    expected = SentenceEncoder(str(folder)).encode(TEXTS)
    assert vectors.dtype == torch.float32
    torch.testing.assert_close(vectors, expected, atol=0.1, rtol=0.0)
    assert not torch.equal(vectors, expected)


def test_vector_that_is_no_number_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = SentenceEncoder(str(folder))
    pool = encoder._model.pool
    monkeypatch.setattr(
        encoder, "_model", SimpleNamespace(**vars(encoder._model) | {"pool": lambda b: pool(b) / 0.0 - 0.0})
    )
    with pytest.raises(ValueError, match="expected finite sentence vectors, got others for 'a dog'"):
        encoder.encode(["a dog"])


def test_loading_leaves_the_random_state_alone(folder: Path) -> None:
    before = torch.random.get_rng_state()
    SentenceEncoder(str(folder))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_encoder_in_a_subfolder_is_found(folder: Path) -> None:
    expected = SentenceEncoder(str(folder)).encode(TEXTS)
    inner = folder / "0_Transformer"
    inner.mkdir()
    for path in [path for path in folder.iterdir() if path.is_file()]:
        path.rename(inner / path.name)
    add_sentence_files(folder, pooling={})
    modules = (folder / "modules.json").read_text().replace('"path": ""', '"path": "0_Transformer"')
    (folder / "modules.json").write_text(modules)
    assert torch.equal(SentenceEncoder(str(folder)).encode(TEXTS), expected)


def test_missing_library_is_named_with_its_mend(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    add_sentence_files(folder, kinds=("Transformer", "Pooling", "Dense", "Normalize"))
    with pytest.raises(ImportError, match=r"for module Dense of .*: `pip install sentence-transformers`"):
        SentenceEncoder(str(folder))


def test_library_encodes_what_goes_beyond_transformers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library, replaced by a stand-in with its interface: maximum pooling, and a limit of its own."""
    from transformers import AutoModel, AutoTokenizer

    class Library(torch.nn.Module):
        max_seq_length = 5

        def __init__(self, name: str, *, device: str, local_files_only: bool) -> None:
            super().__init__()
            assert (device, local_files_only) == ("cpu", True)
            self.model: Any = AutoModel.from_pretrained(name)
            self.tokenizer = AutoTokenizer.from_pretrained(name)

        def forward(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
            states = self.model(**batch).last_hidden_state
            states = states.masked_fill(batch["attention_mask"][..., None] == 0, -torch.inf)
            return {"sentence_embedding": states.amax(dim=1)}

    stand_in = ModuleType("sentence_transformers")
    vars(stand_in).update(SentenceTransformer=Library)
    monkeypatch.setitem(sys.modules, "sentence_transformers", stand_in)
    add_sentence_files(folder, pooling={"pooling_mode_max_tokens": True})
    vectors = SentenceEncoder(str(folder)).encode(TEXTS)
    encoded = AutoTokenizer.from_pretrained(folder)(TEXTS[0], truncation=True, max_length=5, return_tensors="pt")
    with torch.no_grad():
        expected = AutoModel.from_pretrained(folder).eval()(**encoded).last_hidden_state[0].amax(dim=0)
    torch.testing.assert_close(vectors[0], expected / expected.norm())


def test_unknown_name_fails_at_once_and_says_why() -> None:
    with pytest.raises(ValueError, match="no such folder, not in the local cache, and the hub does not answer"):
        SentenceEncoder("nobody/no-such-encoder")


def test_folder_without_a_model_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected a sentence encoder in the folder"):
        SentenceEncoder(str(tmp_path))


def test_truncated_weights_are_refused(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"a sentence encoder in the folder .*: the file of weights .* is broken"):
        SentenceEncoder(str(folder))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_hidden_layers": 3}, "16 weights are missing, as encoder.layer.2"),
        ({"num_hidden_layers": 1}, "layers that config.json does not, as encoder.layer.1"),
        ({"intermediate_size": 16}, "do not fit config.json"),
        ({"hidden_act": "gelly"}, "no model made from config.json and weights"),
    ],
)
def test_config_of_another_encoder_is_refused(folder: Path, changes: dict[str, object], words: str) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))
    with pytest.raises(ValueError, match=words):
        SentenceEncoder(str(folder))


def test_tokenizer_is_not_made_of_nothing(folder: Path) -> None:
    for path in folder.glob("*token*"):
        path.unlink()
    with pytest.raises(ValueError, match="no tokenizer; save the model's own there"):
        SentenceEncoder(str(folder))


def test_code_that_comes_with_an_encoder_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model").mkdir()
    folder = save_tiny_encoder(tmp_path / "model")
    add_own_code(folder, tmp_path / "ran")
    monkeypatch.setattr("builtins.input", lambda *_: "y")  # whoever asks is told yes
    with pytest.raises(ValueError, match="expected a sentence encoder in the folder"):
        SentenceEncoder(str(folder))
    assert not (tmp_path / "ran").exists()
