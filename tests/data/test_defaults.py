from pathlib import Path

import pytest

from textsem.data.defaults import DATA_VARIABLE, open_source
from textsem.data.nli import load_nli


def write(path: Path, hypothesis: str) -> None:
    path.write_text(f"premise,hypothesis,label\nA.,{hypothesis},neutral\n")


def test_environment_variable_names_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "test.csv", "default")
    for place in (tmp_path, tmp_path / "test.csv"):
        monkeypatch.setenv(DATA_VARIABLE, str(place))
        data = load_nli(None)
        assert (data.hypotheses, data.identity.source, data.notice) == (("default",), str(place), None)
    write(tmp_path / "other.csv", "named")
    assert load_nli(str(tmp_path / "other.csv")).hypotheses == ("named",)


def test_wrong_environment_variable_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DATA_VARIABLE, "stanfordnlp/snli")
    with pytest.raises(ValueError, match="existing file or folder in TEXTSEM_DATA"):
        load_nli(None)
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    with pytest.raises(ValueError, match=r"no data files .*TEXTSEM_DATA"):
        load_nli(None)


def test_named_source_has_no_notice(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "B.")
    rows, notice = open_source(str(tmp_path / "a.csv"), "test")
    assert (rows.source, rows.split, notice) == (str(tmp_path / "a.csv"), None, None)
