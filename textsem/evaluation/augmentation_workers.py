"""Chunks augmented one after another, in this process or in several, and handed on in their order.

Every process computes with one thread, a lone one too: sums of floats depend on the number of threads, and rows must
not depend on the number of processes.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice

import torch

from textsem.data.pairs import PairChunk
from textsem.evaluation.augmentation_chunks import AugmentedChunk, RowMaker, augment_chunk

__all__ = ["augmented_chunks"]

WAITING = 2  # chunks that lie ready for each worker, so that none is idle while an earlier one is written

_maker: RowMaker | None = None  # of a worker process


def augmented_chunks(
    maker: RowMaker, chunks: Iterable[PairChunk], *, num_workers: int = 1
) -> Generator[AugmentedChunk, None, None]:
    """Yield what becomes of each chunk, in their order; few are read ahead.  Closing it ends the workers.

    Args:
        maker: Makes the new rows; can be pickled if there are several workers.
        chunks: The pairs.
        num_workers: Processes; 1 for this one alone.

    Raises:
        ChildProcessError: If a worker dies.
        TargetError: If the target does not answer.
    """
    if num_workers < 1:
        raise ValueError(f"expected num_workers >= 1, got {num_workers}")
    if num_workers > 1:
        yield from _by_workers(maker, iter(chunks), num_workers)
        return
    for chunk in chunks:
        with _one_thread():
            done = augment_chunk(maker, chunk)
        yield done


def _by_workers(maker: RowMaker, chunks: Iterator[PairChunk], num_workers: int) -> Iterator[AugmentedChunk]:
    before = set(multiprocessing.active_children())
    executor = ProcessPoolExecutor(
        num_workers,
        mp_context=multiprocessing.get_context("spawn"),  # forked threads and CUDA contexts do not live on
        initializer=_begin_worker,
        initargs=(maker,),
    )
    is_done = False
    try:
        waiting: deque[Future[AugmentedChunk]] = deque(
            executor.submit(_work, chunk) for chunk in islice(chunks, WAITING * num_workers)
        )
        while waiting:
            done = waiting.popleft().result()
            waiting.extend(executor.submit(_work, chunk) for chunk in islice(chunks, 1))
            yield done
        is_done = True
    except BrokenProcessPool as error:
        raise ChildProcessError(
            "expected an answer of every worker process, got one that ended without: perhaps memory did not suffice; "
            "take fewer with --num-workers and go on with --resume"
        ) from error
    finally:
        if not is_done:  # nobody waits for chunks that nobody will write
            for child in set(multiprocessing.active_children()) - before:
                child.terminate()
        executor.shutdown(wait=True, cancel_futures=True)


def _begin_worker(maker: RowMaker) -> None:
    """Make a process ready: one thread, deaf to Ctrl-C, which the main process hears, and gone when that is gone."""
    global _maker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    _maker = maker


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(chunk: PairChunk) -> AugmentedChunk:
    assert _maker is not None
    return augment_chunk(_maker, chunk)


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
