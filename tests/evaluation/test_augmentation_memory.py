"""The memory check: what goes in and out of a stream is counted, and two peaks are held against each other."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from textsem.evaluation.augmentation_memory import StreamPeak, fresh_peaks, memory_report, stream_peak

PEAK = StreamPeak(rows=2000, new_rows=100, start_bytes=50, first_bytes=80, peak_bytes=100, seconds=1.0)


def pairs() -> Iterator[dict[str, Any]]:
    for number in range(30):
        yield {"premise": "A man sits.", "hypothesis": f"Man {number} sits.", "label": 0}


def test_rows_in_and_out_are_counted() -> None:
    peak = stream_peak(lambda rows: [row for row in rows for _ in range(3)], pairs, num_rows=20)
    assert (peak.rows, peak.new_rows) == (20, 40)
    assert 0 < peak.start_bytes <= peak.first_bytes <= peak.peak_bytes
    with pytest.raises(ValueError, match=r"^expected at least 31 labelled pairs, got 30"):
        stream_peak(list, pairs, num_rows=31)


def test_growth_beyond_a_twentieth_is_told() -> None:
    held = memory_report([replace(PEAK, rows=10_000, peak_bytes=105), PEAK])
    assert held["within"] is True
    assert held["ratio"] == pytest.approx(1.05)
    grown = memory_report([PEAK, replace(PEAK, rows=10_000, peak_bytes=106)])
    assert grown["within"] is False
    assert "NOT within 5%" in grown["text"]
    with pytest.raises(ValueError, match=r"^expected peaks of two numbers of rows or more, got \[2000, 2000\]"):
        memory_report([PEAK, PEAK])


def test_each_length_has_a_process_of_its_own_and_failures_are_told() -> None:
    line = '{"rows": %s, "new_rows": 1, "start_bytes": 1, "first_bytes": 2, "peak_bytes": 3, "seconds": 0.5}'
    command = [sys.executable, "-c", f"import sys; print('loading'); print('{line}' % sys.argv[-1])"]
    assert [peak.rows for peak in fresh_peaks(command, [5, 7])] == [5, 7]
    with pytest.raises(ValueError, match=r"^expected 5 rows to be streamed, got exit code 3"):
        fresh_peaks([sys.executable, "-c", "raise SystemExit(3)"], [5])
