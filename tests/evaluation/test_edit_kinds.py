import pytest

from textsem.evaluation.edit_kinds import edit_kind


@pytest.mark.parametrize(
    ("adversarial", "kind"),
    [
        ("A young woman sleeps outside.", "1 word replaced"),
        ("a young woman, sleeps outside", "1 word replaced"),
        ("A young woman rests outside.", "2 words replaced"),
        ("An old woman rests outside.", "3 or more words replaced"),
        ("An old woman rests inside.", "3 or more words replaced"),
        ("A man sleeps outside.", "insertion or deletion"),
        ("A very young man sleeps outside.", "insertion or deletion"),
        ("Very young man sleeps outside now.", "insertion or deletion"),
        ("Young man sleeps outside here.", "insertion or deletion"),
        ("a young man sleeps outside", "no word changed"),
        ("A YOUNG MAN: sleeps outside!", "no word changed"),
    ],
)
def test_kind_of_an_edit(adversarial: str, kind: str) -> None:
    assert edit_kind("A young man sleeps outside.", adversarial) == kind
