import io
from pathlib import Path
from typing import Any

import pytest
import torch

from images_ext.data.celeba import load_celeba, split_of_row
from images_ext.data.images import ImageSet
from tests.images.data.encoded_images import face, write_parquet
from tests.images.data.test_celeba_folder import write_folder


def face_columns(num: int = 20) -> dict[str, list[Any]]:
    return {
        "file": [f"{i:06}.jpg" for i in range(1, num + 1)],
        "jpeg": [face((10 * i, 100, 50)) for i in range(num)],
        "Male": [i % 2 for i in range(num)],
        "Smiling": [1 - 2 * (i % 3 == 0) for i in range(num)],
    }


def load_test_split(folder: Path, **changed: Any) -> ImageSet:
    write_parquet(folder / "faces.parquet", face_columns() | changed)
    return load_celeba(folder, "test")


def test_rows_of_a_split_become_faces_of_64_by_64(tmp_path: Path) -> None:
    faces = load_test_split(tmp_path)
    assert faces.images.shape == (2, 3, 64, 64)
    assert faces.labels.tolist() == [1, 1]
    assert (faces.name, faces.split, faces.label_names) == ("celeba", "test", ("female", "male"))
    expected = torch.tensor([[90, 100, 50], [190, 100, 50]]).reshape(2, 3, 1, 1).expand(2, 3, 64, 64)
    torch.testing.assert_close(faces.images.int(), expected.int(), rtol=0, atol=3)  # of JPEG


def test_splits_by_row_are_eight_one_one_and_part_the_rows() -> None:
    splits = [split_of_row(row) for row in range(20)]
    assert splits[:10] == ["train"] * 8 + ["dev", "test"]
    assert splits[10:] == splits[:10]


def test_every_row_is_in_one_split(tmp_path: Path) -> None:
    write_parquet(tmp_path / "faces.parquet", face_columns())
    sizes = [len(load_celeba(tmp_path / "faces.parquet", split)) for split in ("train", "dev", "test")]
    assert sizes == [16, 2, 2]
    assert load_celeba(tmp_path, "train", limit=3).labels.tolist() == [0, 1, 0]


def test_any_attribute_can_be_the_class(tmp_path: Path) -> None:
    write_parquet(tmp_path / "faces.parquet", face_columns())
    faces = load_celeba(tmp_path, "dev", attribute="Smiling")
    assert faces.label_names == ("not smiling", "smiling")
    assert faces.labels.tolist() == [1, 0]  # rows 8 and 18


@pytest.mark.parametrize("scale", [1, 2])
def test_crop_is_the_square_in_the_middle_of_148_178ths_of_the_width(tmp_path: Path, scale: int) -> None:
    # Black inside of the square and white outside; the kernel of the resize reaches over the edge a little.
    from PIL import Image

    width, height, side = 178 * scale, 218 * scale, 148 * scale
    image = Image.new("RGB", (width, height), (255, 255, 255))
    image.paste((0, 0, 0), (15 * scale, 35 * scale, 15 * scale + side, 35 * scale + side))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    columns = face_columns(10) | {"jpeg": [buffer.getvalue()] * 10}
    write_parquet(tmp_path / "faces.parquet", columns)
    seen = load_celeba(tmp_path, "test").images[0, 0]
    assert seen[1:-1, 1:-1].max() == 0
    assert seen.max() < 64
    torch.testing.assert_close(seen, seen.flip(0, 1), rtol=0, atol=0)
    image.paste((255, 0, 0), (15 * scale, 35 * scale, 15 * scale + 4 * scale, 35 * scale + side))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    write_parquet(tmp_path / "faces.parquet", columns | {"jpeg": [buffer.getvalue()] * 10})
    assert load_celeba(tmp_path, "test").images[0, 0, 32, 0] > 200  # left stays left


def test_tables_without_images_are_left_aside(tmp_path: Path) -> None:
    write_parquet(tmp_path / "attributes.parquet", {"file": ["a"], "Male": [1]})
    assert len(load_test_split(tmp_path)) == 2


def test_files_named_after_splits_are_the_splits(tmp_path: Path) -> None:
    write_parquet(tmp_path / "data" / "valid-00000-of-00001.parquet", face_columns(3))
    write_parquet(tmp_path / "data" / "test-00000-of-00001.parquet", face_columns(4))
    assert len(load_celeba(tmp_path, "dev")) == 3
    assert len(load_celeba(tmp_path, "test")) == 4


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"Male": [2] * 20}, r"expected Male as 0 or 1, or -1 or 1, at row 0 of .*faces\.parquet, got 2"),
        ({"Male": [1.0] * 9 + [float("nan")] * 11}, r"at row 0 of .*faces\.parquet, got 1\.0"),
        ({"Male": [1] * 9 + [None] * 11}, r"at row 9 of .*faces\.parquet, got None"),
        ({"jpeg": [face()[:300]] * 20}, r"expected a whole JPEG or PNG at row 9 of .*faces\.parquet"),
        ({"jpeg": [face(size=(64, 64))] * 20}, r"178 x 218, or that ratio, at row 9 of .*, got 64 x 64"),
    ],
)
def test_wrong_row_is_named(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_test_split(tmp_path, **changed)


def test_booleans_are_classes(tmp_path: Path) -> None:
    assert load_test_split(tmp_path, Male=[True, False] * 10).labels.tolist() == [0, 0]


def test_missing_attribute_split_and_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected list_attr_celeba.txt, or parquet .* got neither"):
        load_celeba(tmp_path, "test")
    with pytest.raises(ValueError, match="expected split train, dev or test of celeba, got 'valid'"):
        load_celeba(tmp_path, "valid")  # type: ignore[arg-type]
    write_parquet(tmp_path / "faces.parquet", face_columns(5))
    with pytest.raises(ValueError, match=r"expected a column Hat in .*faces\.parquet, got file, jpeg, Male, Smiling"):
        load_celeba(tmp_path, "train", attribute="Hat")
    with pytest.raises(ValueError, match=r"expected images of split test in .*faces\.parquet, got none among 5"):
        load_celeba(tmp_path, "test")


@pytest.mark.parametrize("is_official", [True, False])
def test_published_folder_is_read_in_both_layouts(tmp_path: Path, is_official: bool) -> None:
    write_folder(tmp_path, is_official=is_official)
    faces = load_celeba(tmp_path, "test")
    assert faces.labels.tolist() == [1, 0]  # images 2 and 3
    assert faces.images[:, 0, 30, 30].int().sub(torch.tensor([20, 30])).abs().max() <= 3
    assert load_celeba(tmp_path, "dev").labels.tolist() == [0]
    assert load_celeba(tmp_path, "train", attribute="Wearing_Hat").label_names == ("not wearing hat", "wearing hat")


def test_folder_without_a_partition_is_split_by_row(tmp_path: Path) -> None:
    write_folder(tmp_path, is_official=False)
    (tmp_path / "list_eval_partition.txt").unlink()
    assert len(load_celeba(tmp_path, "train")) == 4
    with pytest.raises(ValueError, match="got none among 4"):
        load_celeba(tmp_path, "test")


def test_broken_image_of_a_folder_is_named(tmp_path: Path) -> None:
    write_folder(tmp_path, is_official=False)
    path = tmp_path / "img_align_celeba" / "000003.jpg"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"expected a whole JPEG or PNG at .*000003\.jpg, got 200 bytes"):
        load_celeba(tmp_path, "test")
