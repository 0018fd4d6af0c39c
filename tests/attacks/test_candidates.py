import subprocess
import sys

import pytest

from tests.attacks.fakes import FakeSource
from textsem.attacks.candidates import CandidateSource, pair_seed

PAIR = ("A man sleeps.", "Nobody is awake.", "neutral")


def test_pair_seed_is_the_documented_hash() -> None:
    # Golden: blake2b-64 of '[0, "A man sleeps.", "Nobody is awake.", "neutral"]', shifted right by one bit.
    # printf '%s' '[0, "A man sleeps.", "Nobody is awake.", "neutral"]' | b2sum -l 64
    assert pair_seed(0, *PAIR) == 0x4A7012CBE321A480 >> 1


@pytest.mark.parametrize(
    "other",
    [
        (1, *PAIR),
        (0, "A man sleeps!", *PAIR[1:]),
        (0, PAIR[0], "Nobody is awake", PAIR[2]),
        (0, *PAIR[:2], "entailment"),
        (0, "A man sleeps.Nobody", " is awake.", PAIR[2]),
    ],
)
def test_pair_seed_depends_on_every_part(other: tuple[int, str, str, str]) -> None:
    assert pair_seed(*other) != pair_seed(0, *PAIR)


def test_pair_seed_fits_a_torch_generator() -> None:
    assert all(0 <= pair_seed(seed, *PAIR) < 2**63 for seed in range(200))


def test_pair_seed_is_the_same_in_another_process() -> None:
    code = f"from textsem.attacks.candidates import pair_seed; print(pair_seed(7, *{PAIR!r}))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(shown) == pair_seed(7, *PAIR)


def test_fake_source_meets_the_protocol() -> None:
    assert isinstance(FakeSource(), CandidateSource)
