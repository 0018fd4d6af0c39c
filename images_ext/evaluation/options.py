"""What the command lines about images share: a parser that knows the data, and imports nothing that is slow."""

import argparse

__all__ = ["image_parser"]


def image_parser(description: str | None, *, data_default: str) -> argparse.ArgumentParser:
    """Return a parser with the options that say which images; what is not given is in no namespace.

    Args:
        description: The script's docstring, shown as it is.
        data_default: Where images come from if ``--data`` is not given, as the help tells it.
    """
    parser = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--dataset", choices=["mnist", "svhn", "celeba", "drawn-digits"], help="which images (default: mnist)")
    add("--data", help=f"folder, file or hub id of them (default: {data_default})")
    add("--split", choices=["train", "dev", "test"], help="of the data (default: test)")
    return parser
