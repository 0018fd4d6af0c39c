from pathlib import Path
from typing import Any

import pytest

from images_ext.data.tables import (
    column_values,
    encoded_images,
    has_images,
    load_digit_table,
    open_parquet,
    parquet_files,
)
from tests.images.data.encoded_images import encode, write_parquet


def digit_columns(num: int = 4, size: tuple[int, int] = (28, 28)) -> dict[str, list[Any]]:
    images = [{"bytes": encode(10 * i, size=size), "path": None} for i in range(num)]
    return {"image": images, "label": [i % 10 for i in range(num)]}


def test_digits_come_in_the_order_of_the_rows(tmp_path: Path) -> None:
    table = open_parquet([write_parquet(tmp_path / "train.parquet", digit_columns())])
    digits = load_digit_table(table, "mnist", "train", limit=None)
    assert digits.images.shape == (4, 1, 28, 28)
    assert digits.images[:, 0, 5, 5].tolist() == [0, 10, 20, 30]
    assert digits.labels.tolist() == [0, 1, 2, 3]
    assert load_digit_table(table, "mnist", "train", limit=2).labels.tolist() == [0, 1]


def test_colour_digits_have_three_channels(tmp_path: Path) -> None:
    columns = digit_columns(1, (32, 32))
    columns["image"][0]["bytes"] = encode((1, 2, 3), size=(32, 32))
    table = open_parquet([write_parquet(tmp_path / "test.parquet", columns)])
    assert load_digit_table(table, "svhn", "test", limit=None).images[0, :, 0, 0].tolist() == [1, 2, 3]


def test_rows_are_found_across_files_and_row_groups(tmp_path: Path) -> None:
    def content(i: int) -> bytes:
        return bytes([i])

    files = [
        write_parquet(tmp_path / f"{k}.parquet", {"jpeg": [content(5 * k + i) for i in range(5)]}, row_group_size=2)
        for k in range(3)
    ]
    table = open_parquet(files)
    found = [value for _, value in encoded_images(table, [0, 1, 4, 5, 9, 14])]
    assert found == [content(i) for i in (0, 1, 4, 5, 9, 14)]
    assert [place.split(" of ")[0] for place, _ in encoded_images(table, [3, 12])] == ["row 3", "row 12"]
    assert list(encoded_images(table, [])) == []


def test_nothing_behind_the_last_row_is_read(tmp_path: Path) -> None:
    whole = write_parquet(tmp_path / "a.parquet", {"jpeg": [b"a"]})
    table = open_parquet([whole, write_parquet(tmp_path / "b.parquet", {"jpeg": [b"b"]})])
    (tmp_path / "b.parquet").unlink()
    assert [value for _, value in encoded_images(table, [0])] == [b"a"]
    with pytest.raises(ValueError, match=r"expected a whole parquet file at .*b\.parquet"):
        list(encoded_images(table, [0, 1]))


def test_image_may_lie_in_a_file_that_the_row_names(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"content")
    rows = [{"bytes": None, "path": str(tmp_path / name)} for name in ("x.png", "y.png")]
    table = open_parquet([write_parquet(tmp_path / "t.parquet", {"image": rows})])
    images = encoded_images(table, [0, 1])
    assert next(images)[1] == b"content"
    with pytest.raises(ValueError, match=r"expected the image of row 1 of .* at .*y\.png, got No such file"):
        next(images)


def test_splits_are_told_by_words_in_the_names_of_files(tmp_path: Path) -> None:
    for name in ("data/train-00000-of-00001", "data/validation-0", "test", "trains"):
        write_parquet(tmp_path / f"{name}.parquet", {"label": [1]})
    for split, name in (("train", "train-00000-of-00001"), ("dev", "validation-0"), ("test", "test")):
        files, is_told = parquet_files(tmp_path, split)
        assert is_told
        assert [file.stem for file in files] == [name]


def test_without_such_words_every_file_is_given(tmp_path: Path) -> None:
    write_parquet(tmp_path / "b.parquet", {"label": [1]})
    write_parquet(tmp_path / "a.parquet", {"label": [1]})
    files, is_told = parquet_files(tmp_path, "train")
    assert not is_told
    assert [file.stem for file in files] == ["a", "b"]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1", b"no parquet at all"])
def test_foreign_parquet_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"expected a whole parquet file at .*x\.parquet, got"):
        open_parquet([path])


def test_truncated_parquet_is_named(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "x.parquet", digit_columns())
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"expected a whole parquet file at .*x\.parquet, got"):
        open_parquet([path])


def test_files_of_other_columns_are_not_mixed(tmp_path: Path) -> None:
    files = [write_parquet(tmp_path / "a.parquet", {"label": [1]}), write_parquet(tmp_path / "b.parquet", {"y": [1]})]
    with pytest.raises(ValueError, match=r"expected the columns of .*a\.parquet in .*b\.parquet too, got y"):
        open_parquet(files)
    with pytest.raises(ValueError, match="expected at least one parquet file"):
        open_parquet([])


def test_missing_columns_are_named(tmp_path: Path) -> None:
    table = open_parquet([write_parquet(tmp_path / "a.parquet", {"pixels": [1]})])
    assert not has_images(table)
    with pytest.raises(ValueError, match=r"expected a column label in .*a\.parquet, got pixels"):
        load_digit_table(table, "mnist", "test", limit=None)
    with pytest.raises(ValueError, match=r"expected a column image or img or jpeg in .*a\.parquet, got pixels"):
        list(encoded_images(table, [0]))
    with pytest.raises(ValueError, match="expected a column Male in"):
        column_values(table, "Male")


@pytest.mark.parametrize(
    ("label", "found"), [(10, "10"), (-1, "-1"), (None, "None"), (1.5, "1.5"), (float("nan"), "nan"), ("3", "3")]
)
def test_label_that_is_no_digit_is_told_with_its_row(tmp_path: Path, label: Any, found: str) -> None:
    columns = digit_columns(2)
    columns["label"] = [label, label]
    table = open_parquet([write_parquet(tmp_path / "a.parquet", columns)])
    with pytest.raises(ValueError, match=rf"expected labels from 0 to 9 in .*a\.parquet, got {found} at row 0"):
        load_digit_table(table, "mnist", "test", limit=None)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (encode(3, size=(28, 27)), r"expected 28 x 28 pixels at row 1 of .*a\.parquet, got 27 x 28"),
        (encode(3, size=(28, 28))[:40], r"expected a whole JPEG or PNG at row 1 of .*a\.parquet"),
        (None, r"expected the bytes of an image at row 1 of .*a\.parquet, got NoneType"),
    ],
)
def test_wrong_image_is_told_with_its_row(tmp_path: Path, image: bytes | None, message: str) -> None:
    columns = digit_columns(2)
    columns["image"][1]["bytes"] = image
    table = open_parquet([write_parquet(tmp_path / "a.parquet", columns)])
    with pytest.raises(ValueError, match=message):
        load_digit_table(table, "mnist", "test", limit=None)
