"""Array annotations: jaxtyping's where it is installed, plain numpy arrays where it is not.

The library runs on numpy and scipy alone. With jaxtyping present the shapes below are real annotations, which the
test suite checks on every call.
"""

import numpy as np

try:
    from jaxtyping import Float
except ModuleNotFoundError:  # pragma: no cover - exercised by the bare-install test in a separate interpreter

    class Float:
        """Stand-in: `Float[np.ndarray, "d_y d_x"]` is `np.ndarray`."""

        def __class_getitem__(cls, item):
            return item[0]


__all__ = ["Float", "Integer", "Real", "Seed"]

Integer = int | np.integer
Real = float | int | np.floating | np.integer
Seed = int | np.integer | np.random.Generator
