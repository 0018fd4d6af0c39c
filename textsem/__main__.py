"""``python -m textsem`` does what ``textsem`` does."""

import sys

from textsem.commands.console import main

if __name__ == "__main__":
    sys.exit(main(program="python -m textsem"))
