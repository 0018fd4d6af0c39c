"""Parts of a run: where their lines stand, and all of them as one file."""

import errno
import os
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textsem.evaluation.result_lines import to_line
from textsem.evaluation.result_parts import PartLines, merge_parts, num_distinct
from textsem.outputs import AttackResult


def result(index: int) -> AttackResult:
    return AttackResult(index, f"premise {index}", "h" * (index % 7), "neutral", "neutral", "failed", queries=index)


def content(indices: Iterable[int]) -> bytes:
    return b"".join(to_line(result(i)) for i in indices)


def part(folder: Path, name: str, indices: Iterable[int]) -> Path:
    path = folder / name
    path.write_bytes(content(indices))
    return path


def test_lines_of_a_part_are_found_by_their_pairs(tmp_path: Path) -> None:
    lines = PartLines(part(tmp_path, "a", [2, 3, 7, 8]))
    assert lines.num_pairs == 9
    assert [i for i in range(-1, 12) if i in lines] == [2, 3, 7, 8]
    assert lines.between(3, 8) == [result(3), result(7)]
    assert lines.between(0, 100) == [result(i) for i in (2, 3, 7, 8)]
    assert lines.between(4, 7) == []
    assert PartLines(part(tmp_path, "b", [])).num_pairs == 0


def test_damage_is_told_by_file_and_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"expected rising indices in line 2 of {tmp_path / 'a'}, got 1 after 4"):
        PartLines(part(tmp_path, "a", [3, 4, 1]))
    (tmp_path / "b").write_bytes(content([0]) + b"{}\n")
    with pytest.raises(ValueError, match=rf"expected fields .* in line 1 of {tmp_path / 'b'}"):
        PartLines(tmp_path / "b")


@given(owners=st.lists(st.sets(st.integers(0, 3), min_size=1), max_size=30))
def test_merged_parts_are_the_file_of_one_process(
    owners: list[set[int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("parts")
    parts = [part(folder, str(k), [i for i, of in enumerate(owners) if k in of]) for k in range(4)]
    assert num_distinct([PartLines(path) for path in parts]) == len(owners)
    merge_parts(parts, parts[0])
    assert parts[0].read_bytes() == content(range(len(owners)))


@pytest.mark.parametrize(("a", "b", "missing"), [([0, 2], [3], 1), ([1], [2], 0), ([0, 1], [4, 5], 2)])
def test_pair_without_a_line_is_named_and_nothing_is_lost(
    tmp_path: Path, a: list[int], b: list[int], missing: int
) -> None:
    first, second = part(tmp_path, "a", a), part(tmp_path, "b", b)
    with pytest.raises(ValueError, match=rf"expected one line about pair {missing} in {first}, {second}, got none"):
        merge_parts([first, second], first)
    assert first.read_bytes() == content(a)
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}


def test_two_lines_that_differ_are_refused(tmp_path: Path) -> None:
    first, second = part(tmp_path, "a", [0, 1]), part(tmp_path, "b", [1, 2])
    second.write_bytes(second.read_bytes().replace(b"premise 1", b"premise 9"))
    with pytest.raises(ValueError, match=r"expected one line about pair 1 in .*, got two that differ"):
        merge_parts([first, second], tmp_path / "whole")


def test_full_disk_leaves_the_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    first, second = part(tmp_path, "a", [0]), part(tmp_path, "b", [1])
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=f"could not write {first}: No space left .* --resume"):
        merge_parts([first, second], first)
    assert first.read_bytes() == content([0])
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}
