"""Chunks in order from several processes, few read ahead, one thread each."""

import os
import signal
from collections.abc import Iterator, Sequence

import pytest
import torch

from tests.evaluation.augmentation_fakes import KnownMaker
from textsem.attacks.new_rows import NewRow
from textsem.data.pairs import PairChunk
from textsem.evaluation.augmentation_workers import WAITING, augmented_chunks


class ThreadMaker(KnownMaker):
    """Tells its process and number of threads in place of rows."""

    def new_rows(
        self, premises: Sequence[str], hypotheses: Sequence[str], labels: Sequence[str | None]
    ) -> list[list[NewRow]]:
        return [[NewRow(f"{os.getpid()} {torch.get_num_threads()}", "neighbours")] for _ in premises]


class DyingMaker(KnownMaker):
    """Ends its process as the system does where memory is short."""

    def new_rows(
        self, premises: Sequence[str], hypotheses: Sequence[str], labels: Sequence[str | None]
    ) -> list[list[NewRow]]:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


def chunks(number: int, read: list[int] | None = None) -> Iterator[PairChunk]:
    for start in range(number):
        if read is not None:
            read.append(start)
        yield PairChunk(start, ("a premise",), (f"text {start} 2",), ("neutral",), {})


@pytest.mark.parametrize("num_workers", [1, 2])
def test_chunks_come_in_order_by_one_thread_each_and_few_are_read_ahead(num_workers: int) -> None:
    before, read, seen = torch.get_num_threads(), list[int](), list[str]()
    torch.set_num_threads(3)
    try:
        done = augmented_chunks(ThreadMaker(), chunks(12, read), num_workers=num_workers)
        for place, chunk in enumerate(done):
            assert chunk.start == place
            assert len(read) <= place + 1 + WAITING * num_workers
            seen.append(chunk.pairs[0].new[0].hypothesis)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert {text.split()[1] for text in seen} == {"1"}
    assert (str(os.getpid()) in {text.split()[0] for text in seen}) == (num_workers == 1)


def test_worker_that_dies_is_told_in_one_line() -> None:
    with pytest.raises(ChildProcessError, match="expected an answer of every worker process, got one that ended"):
        list(augmented_chunks(DyingMaker(), chunks(3), num_workers=2))


def test_too_few_workers_are_refused() -> None:
    with pytest.raises(ValueError, match="expected num_workers >= 1, got 0"):
        list(augmented_chunks(KnownMaker(), chunks(1), num_workers=0))
