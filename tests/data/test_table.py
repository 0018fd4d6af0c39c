import pytest

from textsem.data.table import RowSource, RowStream, Table, column_of, join_rows, known_columns


def table(found: tuple[str, ...], values: list[object], names: tuple[str, ...] = ()) -> Table:
    return Table("here", None, {found[0]: values}, found, {found[0]: names} if names else {})


def test_label_column_goes_with_the_sentence_columns() -> None:
    assert column_of(["sentence1", "sentence2", "label", "gold_label"], "label") == "gold_label"
    assert column_of(["gold_label", "label", "premise", "hypothesis"], "label") == "label"
    assert column_of(["sentence1", "sentence2", "Label"], "label") == "Label"


def test_known_columns_are_those_that_somebody_may_read() -> None:
    assert known_columns(["id", " Premise", "GOLD_LABEL", "caption", "parse"]) == [" Premise", "GOLD_LABEL", "caption"]


def test_joined_shards_are_read_one_after_another_and_anew() -> None:
    joined = join_rows([table(("premise", "x"), ["a", "b"]), table(("premise", "y"), ["c"])])
    assert isinstance(joined, RowStream)
    for _ in range(2):
        assert [row.values["premise"] for row in joined.rows()] == ["a", "b", "c"]
    assert [row.place for row in joined.rows()] == ["row 1 of 'here'", "row 2 of 'here'", "row 1 of 'here'"]


@pytest.mark.parametrize("other", [table(("hypothesis",), ["c"]), table(("premise",), [0], ("neutral",))])
def test_shards_of_other_columns_or_classes_are_refused(other: RowSource) -> None:
    with pytest.raises(ValueError, match="expected columns premise in every shard of 'here', got "):
        join_rows([table(("premise",), ["a"]), other])


def test_one_shard_is_the_source_itself() -> None:
    one = table(("premise",), ["a"])
    assert join_rows([one]) is one
