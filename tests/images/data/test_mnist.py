import gzip
import struct
from pathlib import Path

import pytest
import torch

from images_ext.data.mnist import load_mnist, read_idx

IMAGES, LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


def idx_bytes(values: bytes, *shape: int, kind: int = 8) -> bytes:
    return struct.pack(f">4B{len(shape)}I", 0, 0, kind, len(shape), *shape) + values


def write_mnist(folder: Path, labels: bytes = b"\x07\x02\x01", *, num_images: int = 3, ending: str = "") -> None:
    pack = gzip.compress if ending else bytes
    values = bytes(i % 251 for i in range(num_images * 784))
    (folder / f"{IMAGES}{ending}").write_bytes(pack(idx_bytes(values, num_images, 28, 28)))
    (folder / f"{LABELS}{ending}").write_bytes(pack(idx_bytes(labels, len(labels))))


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_images_and_labels_come_in_the_order_of_the_file(tmp_path: Path, ending: str) -> None:
    write_mnist(tmp_path, ending=ending)
    digits = load_mnist(tmp_path, "test")
    assert digits.images.shape == (3, 1, 28, 28)
    assert digits.labels.tolist() == [7, 2, 1]
    expected = (torch.arange(3 * 784) % 251).byte().reshape(3, 1, 28, 28)
    torch.testing.assert_close(digits.images, expected, rtol=0, atol=0)
    assert (digits.name, digits.split) == ("mnist", "test")


def test_splits_have_files_of_their_own(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    with pytest.raises(ValueError, match=r"expected train-images-idx3-ubyte or train-images-idx3-ubyte.gz in"):
        load_mnist(tmp_path, "train")
    with pytest.raises(ValueError, match="expected split train or test of mnist, got 'dev'"):
        load_mnist(tmp_path, "dev")  # type: ignore[arg-type]


def test_file_without_gz_in_its_name_may_be_gzipped(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    path = tmp_path / IMAGES
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert len(load_mnist(tmp_path, "test")) == 3


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("kept", [0, 1, 3, 9, 17, 40])
def test_truncated_file_is_named_wherever_it_ends(tmp_path: Path, ending: str, kept: int) -> None:
    write_mnist(tmp_path, ending=ending)
    path = tmp_path / f"{IMAGES}{ending}"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=rf"^expected .*{IMAGES}"):
        load_mnist(tmp_path, "test")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "expected the idx header 00000803 in .*, got 89504e47"),
        (idx_bytes(bytes(3), 3), "expected the idx header 00000803 in .*, got 00000801"),
        (idx_bytes(bytes(784), 1, 28, 28, kind=9), "got 00000903"),
        (idx_bytes(bytes(785), 1, 28, 28), "expected 784 bytes after the header of .*, got more"),
        (idx_bytes(bytes(9), 2**32 - 1, 2**32 - 1, 2**32 - 1), "got 9: it is truncated"),
        (idx_bytes(bytes(3 * 32 * 32), 3, 32, 32), r"expected images of 28 x 28 in .*, got \[32, 32\]"),
        (gzip.compress(idx_bytes(bytes(784), 1, 28, 28))[:-3] + b"\x99\x99\x99", "expected a whole idx file at"),
    ],
)
def test_foreign_file_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    write_mnist(tmp_path)
    (tmp_path / IMAGES).write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        load_mnist(tmp_path, "test")
    assert IMAGES in str(error.value)


def test_label_that_is_no_digit_is_named_with_its_image(tmp_path: Path) -> None:
    write_mnist(tmp_path, b"\x07\x0b\x0c")
    with pytest.raises(ValueError, match=f"expected labels from 0 to 9 in .*{LABELS}, got 11 at image 1"):
        load_mnist(tmp_path, "test")


def test_as_many_labels_as_images(tmp_path: Path) -> None:
    write_mnist(tmp_path, b"\x01\x02")
    with pytest.raises(ValueError, match=f"expected 3 labels in .*{LABELS}, as many as images, got 2"):
        load_mnist(tmp_path, "test")


def test_empty_file_of_no_images_is_an_empty_set(tmp_path: Path) -> None:
    write_mnist(tmp_path, b"", num_images=0)
    assert load_mnist(tmp_path, "test").images.shape == (0, 1, 28, 28)


def test_axes_are_filled_with_the_last_one_fastest(tmp_path: Path) -> None:
    path = tmp_path / "values"
    path.write_bytes(idx_bytes(bytes(range(6)), 2, 3))
    assert read_idx(path, ndim=2).tolist() == [[0, 1, 2], [3, 4, 5]]
