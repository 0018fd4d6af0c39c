"""The files of CelebA's published folder: attributes, partition, images."""

from collections.abc import Iterator, Sequence
from pathlib import Path

__all__ = ["ATTRIBUTES_FILE", "PARTITION_FILE", "find_part", "folder_images", "read_attribute", "read_partition"]

ATTRIBUTES_FILE, PARTITION_FILE = "list_attr_celeba.txt", "list_eval_partition.txt"
_PARTITION = {"0": "train", "1": "dev", "2": "test"}
_IMAGE_FOLDERS = ("img_align_celeba", "Img/img_align_celeba", ".")


def find_part(folder: Path, name: str, part: str) -> Path | None:
    """Return where a file of the published layout is, right in the folder or in a part of it such as ``Anno``."""
    return next((path for path in (folder / name, folder / part / name) if path.is_file()), None)


def read_attribute(path: Path, attribute: str) -> tuple[list[str], list[int]]:
    """Read the names of the image files and one attribute of each, -1 or 1.

    The first line of the file has the number of images, the second the attributes, each further one an image.

    Raises:
        ValueError: If the file is of another format, has no such attribute, or a line is wrong; names the line.
    """
    lines = _lines(path)
    if len(lines) < 2 or not lines[0].strip().isdigit():
        raise ValueError(f"expected the number of images and the attributes in the first two lines of {path}")
    attributes = lines[1].split()
    if attribute not in attributes:
        raise ValueError(f"expected the attribute {attribute} in {path}, got {', '.join(attributes)}")
    column = attributes.index(attribute)
    names, values = [], []
    for number, line in enumerate(lines[2:], start=3):
        name, *found = line.split()
        if len(found) != len(attributes):
            raise ValueError(f"expected {len(attributes)} values on line {number} of {path}, got {len(found)}")
        if found[column] not in ("-1", "0", "1"):
            raise ValueError(f"expected {attribute} as -1 or 1 on line {number} of {path}, got {found[column]}")
        names.append(name)
        values.append(int(found[column]))
    if len(names) != int(lines[0]):
        raise ValueError(f"expected {int(lines[0])} images in {path}, as its first line says, got {len(names)}")
    return names, values


def read_partition(path: Path, names: Sequence[str]) -> list[str]:
    """Return the official split of some image files: train, dev or test.

    Raises:
        ValueError: If a line is wrong, or an image is not in the file; names them.
    """
    splits = {}
    for number, line in enumerate(_lines(path), start=1):
        fields = line.split()
        if len(fields) != 2 or fields[1] not in _PARTITION:
            raise ValueError(f"expected an image and 0, 1 or 2 on line {number} of {path}, got {line.strip()[:80]!r}")
        splits[fields[0]] = _PARTITION[fields[1]]
    missing = [name for name in names if name not in splits]
    if missing:
        raise ValueError(f"expected {missing[0]} in {path}, got no such line ({len(missing)} images are missing)")
    return [splits[name] for name in names]


def folder_images(folder: Path, names: Sequence[str], rows: Sequence[int]) -> Iterator[tuple[str, bytes]]:
    """Yield path and bytes of the images of some rows.

    Raises:
        ValueError: If an image is not there.
    """
    root = next((folder / part for part in _IMAGE_FOLDERS if (folder / part / names[rows[0]]).is_file()), None)
    if root is None:
        raise ValueError(f"expected {names[rows[0]]} in {folder / _IMAGE_FOLDERS[0]}, got no such file")
    for row in rows:
        path = root / names[row]
        try:
            yield str(path), path.read_bytes()
        except OSError as error:
            raise ValueError(f"expected an image at {path}, got {error.strerror}") from error


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"expected a text file at {path}, got {error}") from error
    return [line for line in text.split("\n") if line.strip()]
