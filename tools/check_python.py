"""Say plainly that this Python will not do, in syntax that every Python reads."""

import sys

if not (3, 11, 5) <= sys.version_info[:3] < (3, 14):
    sys.exit(
        "The book needs Python 3.11.5 to 3.13; %s is %s. Name another one: make PYTHON=python3.12 book"
        % (sys.executable, sys.version.split()[0])
    )
