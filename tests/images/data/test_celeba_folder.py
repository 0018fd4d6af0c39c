from pathlib import Path

import pytest

from images_ext.data.celeba_folder import folder_images, read_attribute, read_partition
from tests.images.data.encoded_images import face

ATTRIBUTES = "4\nMale Wearing_Hat \n000001.jpg -1  1\n000002.jpg  1 -1\n000003.jpg -1 -1\n000004.jpg -1  1\n"
PARTITION = "000001.jpg 0\n000002.jpg 2\n000003.jpg 2\n000004.jpg 1\n"


def write_folder(folder: Path, *, is_official: bool) -> None:
    """Write four faces; the official parts are folders Anno, Eval and Img, else all is in one."""
    parts = ("Anno", "Eval", "Img/img_align_celeba") if is_official else ("", "", "img_align_celeba")
    for part in parts:
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / parts[0] / "list_attr_celeba.txt").write_text(ATTRIBUTES)
    (folder / parts[1] / "list_eval_partition.txt").write_text(PARTITION)
    for i in range(1, 5):
        (folder / parts[2] / f"{i:06}.jpg").write_bytes(face((10 * i, 100, 50), (178, 218)))


def test_attribute_is_read_for_each_image(tmp_path: Path) -> None:
    path = tmp_path / "list_attr_celeba.txt"
    path.write_text(ATTRIBUTES)
    names, values = read_attribute(path, "Wearing_Hat")
    assert names == ["000001.jpg", "000002.jpg", "000003.jpg", "000004.jpg"]
    assert values == [1, -1, -1, 1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected the number of images and the attributes in the first two lines of"),
        ("Male\n000001.jpg 1\n", "expected the number of images"),
        (ATTRIBUTES.replace("Male", "Femi"), "expected the attribute Male in .*, got Femi, Wearing_Hat"),
        (ATTRIBUTES.replace("000002.jpg  1 -1", "000002.jpg  1"), "expected 2 values on line 4 of .*, got 1"),
        (ATTRIBUTES.replace("000002.jpg  1", "000002.jpg nan"), "expected Male as -1 or 1 on line 4 of .*, got nan"),
        (ATTRIBUTES.replace("4\n", "5\n", 1), "expected 5 images in .*, as its first line says, got 4"),
        (ATTRIBUTES[:60], "expected 2 values on line 5 of .*, got 0"),
    ],
)
def test_wrong_attributes_are_told(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "list_attr_celeba.txt"
    path.write_text(content)
    with pytest.raises(ValueError, match=message) as error:
        read_attribute(path, "Male")
    assert path.name in str(error.value)


def test_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "list_attr_celeba.txt"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"expected a text file at .*list_attr_celeba"):
        read_attribute(path, "Male")


def test_partition_follows_the_names(tmp_path: Path) -> None:
    path = tmp_path / "list_eval_partition.txt"
    path.write_text(PARTITION)
    assert read_partition(path, ["000004.jpg", "000001.jpg", "000002.jpg"]) == ["dev", "train", "test"]
    with pytest.raises(ValueError, match=r"expected 000009.jpg in .*, got no such line \(1 images are missing\)"):
        read_partition(path, ["000001.jpg", "000009.jpg"])
    path.write_text("000001.jpg 3\n")
    with pytest.raises(ValueError, match=r"expected an image and 0, 1 or 2 on line 1 of .*, got '000001.jpg 3'"):
        read_partition(path, [])


def test_missing_image_is_named(tmp_path: Path) -> None:
    write_folder(tmp_path, is_official=False)
    with pytest.raises(ValueError, match=r"expected 000009.jpg in .*img_align_celeba, got no such file"):
        list(folder_images(tmp_path, ["000009.jpg"], [0]))
    with pytest.raises(ValueError, match=r"expected an image at .*000009\.jpg, got No such file"):
        list(folder_images(tmp_path, ["000001.jpg", "000009.jpg"], [0, 1]))
