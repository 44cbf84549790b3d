"""`python -m lorabook` is the command `lorabook`."""

import sys

from lorabook.cli import main

if __name__ == "__main__":
    sys.exit(main())
