"""Say plainly that this Python will not do."""

import sys

if not (3, 11, 5) <= sys.version_info[:3] < (3, 14):
    version = sys.version.split()[0]
    sys.exit(f"The book needs Python 3.11.5 to 3.13, and this is {version}. Name another: make PYTHON=python3.12 book")
