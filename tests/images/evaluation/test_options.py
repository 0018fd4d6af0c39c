import subprocess
import sys

import pytest

from images_ext.evaluation.options import image_parser


def test_only_what_was_given_is_an_option() -> None:
    parser = image_parser("What it does.", data_default="nowhere")
    assert vars(parser.parse_args([])) == {}
    given = parser.parse_args(["--dataset", "svhn", "--data", "folder", "--split", "dev"])
    assert vars(given) == {"dataset": "svhn", "data": "folder", "split": "dev"}


def test_help_shows_the_description_as_it_is_and_the_default() -> None:
    text = image_parser("Example:\n    one line\n    another", data_default="nowhere").format_help()
    assert "Example:\n    one line\n    another\n" in text
    assert "(default: nowhere)" in text


def test_abbreviations_are_refused() -> None:
    with pytest.raises(SystemExit):
        image_parser(None, data_default="nowhere").parse_args(["--datas", "mnist"])


def test_help_is_shown_without_loading_anything_heavy() -> None:
    program = "import sys; from images_ext.evaluation.options import image_parser; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"torch", "numpy", "matplotlib"} & set(run.stdout.split())
