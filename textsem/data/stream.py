"""Labelled pairs of any number, chunk by chunk, in memory that does not grow with them."""

from collections.abc import Iterator, Sequence

from textsem.data.defaults import open_source
from textsem.data.pairs import DataIdentity, Pair, PairChunk, PairDigest, PairReader
from textsem.data.shown import listed
from textsem.data.table import RowSource
from textsem.text.labels import GOLD_NAMES

__all__ = ["NliStream", "stream_nli"]

# So many labels in a row that are all unknown are no bad rows but another naming.
HEAD_LABELS = 100


class NliStream:
    """Pairs in input order, unlabelled ones left out, bad ones marked; read anew on each call of ``chunks``.

    Args:
        rows: Where the pairs come from.
        limit: Number of labelled pairs to keep, from the start; 0 keeps all.
        label_order: What label numbers mean, in their order, where the data does not name them; SNLI's order if None.
        notice: What the user must be told about the data, or None.

    Raises:
        ValueError: If a column is missing, if there is no labelled pair, or if the first 100 labels are all unknown.
    """

    def __init__(
        self,
        rows: RowSource,
        *,
        limit: int = 0,
        label_order: Sequence[str] | None = None,
        notice: str | None = None,
    ) -> None:
        if limit < 0:
            raise ValueError(f"expected limit >= 0 (0: all pairs), got {limit}")
        self.notice = notice
        self.limit = limit
        self._pairs = PairReader(rows, label_order=label_order)
        self._passed: tuple[int, DataIdentity] | None = None
        self._check_head()

    @property
    def source(self) -> str:
        """Hub id or path as it was given, or the name of the demo pairs."""
        return self._pairs.rows.source

    @property
    def split(self) -> str | None:
        """The split that was asked of the source; None where the source has none."""
        return self._pairs.rows.split

    def chunks(self, size: int) -> Iterator[PairChunk]:
        """Yield all pairs from the first on, ``size`` at a time, at last perhaps fewer.

        Raises:
            ValueError: If the file cannot be read to its end.
        """
        if size < 1:
            raise ValueError(f"expected chunks of at least one pair, got {size}")
        digest, dropped, pending = PairDigest(), 0, list[Pair]()
        for pair in self._pairs:
            if pair is None:
                dropped += 1
                continue
            digest.add(pair.premise, pair.hypothesis, pair.label)
            pending.append(pair)
            if digest.rows == self.limit:
                break
            if len(pending) == size:
                yield PairChunk.of(digest.rows - size, pending)
                pending = []
        if pending:
            yield PairChunk.of(digest.rows - len(pending), pending)
        self._passed = dropped, DataIdentity(self.source, self.split, digest.rows, digest.hexdigest())

    @property
    def dropped_unlabelled(self) -> int:
        """Unlabelled rows (-1, "-", None, empty) that were met before ``limit`` pairs were found, in a whole pass.

        Raises:
            RuntimeError: If no pass over ``chunks`` has come to its end.
        """
        return self._after_pass()[0]

    @property
    def identity(self) -> DataIdentity:
        """What was read in a whole pass.

        Raises:
            RuntimeError: If no pass over ``chunks`` has come to its end.
        """
        return self._after_pass()[1]

    def _after_pass(self) -> tuple[int, DataIdentity]:
        if self._passed is None:
            raise RuntimeError("expected a pass over all chunks before asking what was read, got none")
        return self._passed

    def _check_head(self) -> None:
        """Find out what ails the whole of the data before anybody starts to work on it."""
        dropped, unknown, num_unknown, unread = 0, dict[str, None](), 0, None
        for pair in self._pairs:
            if pair is None:
                dropped += 1
            elif pair.label in GOLD_NAMES:
                return
            elif pair.label:
                unknown[pair.label] = None
                num_unknown += 1
            else:
                unread = unread or pair.problem
            if num_unknown == HEAD_LABELS:
                break
        if unknown:
            raise ValueError(
                f"expected labels {', '.join(GOLD_NAMES)} in column {self._pairs.columns['label']!r} of "
                f"{self.source!r}, got only others in the first {num_unknown} labelled rows: {listed(list(unknown))}; "
                "rename them in the data, or where they are numbers from 0 say what they mean with label_order "
                "(--label-order)"
            )
        got = f"{dropped} unlabelled rows" if dropped else "no rows"
        if unread is not None:
            got = f"{got} and others that cannot be read; the first: {unread}"
        raise ValueError(f"expected at least one labelled pair in {self.source!r}, got {got}")


def stream_nli(
    source: str | None, *, split: str = "test", limit: int = 0, label_order: Sequence[str] | None = None
) -> NliStream:
    """Open labelled NLI pairs for reading chunk by chunk; a bad row is marked and reading goes on.

    Files are read line by line or batch by batch, data sets of `datasets` from their files on disk.  Only SNLI that
    nobody named, and the demo pairs, are held in memory.

    Args:
        source: A file (parquet, jsonl, csv, tsv, SNLI's own jsonl and txt), a folder of splits, a folder written by
            ``datasets.save_to_disk``, or a hub id.  None: what the environment variable TEXTSEM_DATA names; else SNLI
            from the local cache; else SNLI from the hub, giving up within 5 seconds; else the demo pairs and a notice.
        split: ``train``, ``dev`` (also ``validation``), ``test``, or a longer part of a file's name.
        limit: Number of labelled pairs to read, from the start; 0 reads all.
        label_order: What label numbers mean, in their order, where the data does not name them; SNLI's order if None.

    Raises:
        ValueError: If the source, the split or a column is missing, if a file cannot be read or is not what its suffix
            says, if there is no labelled pair, or if the first 100 labels are all unknown.
    """
    if limit < 0:
        raise ValueError(f"expected limit >= 0 (0: all pairs), got {limit}")
    rows, notice = open_source(source, split)
    return NliStream(rows, limit=limit, label_order=label_order, notice=notice)
