"""Bad input meets a ValueError here: it names the argument, says what it was and what it must be."""

import math
import numbers

import numpy as np
from scipy.linalg import LinAlgError, cholesky

_EPS = np.finfo(np.float64).eps
_LARGEST_INTEGER = 2**63 - 1
_LARGEST_NOISE = 1e150
_LONG = 60
"""Characters of a value that a message shows."""


def matrix(
    name: str,
    value,
    rows: int | None = None,
    columns: int | None = None,
    meaning: str = "",
    may_have_no_rows: bool = False,
) -> np.ndarray:
    """Return `value` as a finite real float64 matrix of the asked shape.

    `rows` and `columns` are the required sizes (None: any size from 1 up); `meaning` says where they come from.
    """
    array = real_array(name, value)
    if array.ndim != 2:
        raise ValueError(f"{name} has shape {array.shape}; it must be a matrix with two axes{_because(meaning)}")
    wanted = tuple(
        actual if asked is None else asked for actual, asked in zip(array.shape, (rows, columns), strict=True)
    )
    if array.shape != wanted:
        raise ValueError(f"{name} has shape {array.shape}; it must have shape {wanted}{_because(meaning)}")
    if 0 in array.shape[1 if may_have_no_rows else 0 :]:
        raise ValueError(f"{name} has shape {array.shape}; every axis must have at least one entry{_because(meaning)}")
    return array


def vector(name: str, value) -> np.ndarray:
    """Return `value` as a finite real float64 vector, possibly empty."""
    array = real_array(name, value)
    if array.ndim != 1:
        raise ValueError(f"{name} has shape {array.shape}; it must be a vector with one axis")
    return array


def integer(name: str, value, minimum: int, maximum: int | None = None, meaning: str = "") -> int:
    """Return `value` as an int between `minimum` and `maximum`; 2.0 and True are not integers.

    Without a maximum the largest is `2^63 - 1`, which numpy can still hold.
    """
    allowed = f"an integer of at least {minimum}" if maximum is None else f"an integer from {minimum} to {maximum}"
    if not isinstance(value, numbers.Integral) or isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} is {shown(value)}; it must be {allowed}{_because(meaning)}")
    if value < minimum or (maximum is not None and value > maximum):
        raise ValueError(f"{name} is {shown(int(value))}; it must be {allowed}{_because(meaning)}")
    if value > _LARGEST_INTEGER:
        raise ValueError(f"{name} is {shown(int(value))}; it must be at most 2^63 - 1 = {_LARGEST_INTEGER}")
    return int(value)


def integers(name: str, values, minimum: int) -> list[int]:
    """Return a sequence of integers of at least `minimum`, possibly empty, as a list."""
    try:
        axes = np.ndim(values)
    except ValueError:  # rows of different lengths
        axes = 2
    if axes != 1:
        raise ValueError(f"{name} is {shown(values)}; it must be a sequence of integers of at least {minimum}")
    return [integer(name, value, minimum) for value in values]


def number(name: str, value, minimum: float = 0.0, strict: bool = False, meaning: str = "") -> float:
    """Return `value` as a finite float, at least `minimum` (above it if `strict`)."""
    allowed = f"a finite real number {'above' if strict else 'of at least'} {minimum:g}"
    if not isinstance(value, numbers.Real) or isinstance(value, bool | np.bool_) or not _is_finite(value):
        raise ValueError(f"{name} is {shown(value)}; it must be {allowed}{_because(meaning)}")
    if value < minimum or (strict and value == minimum):
        raise ValueError(f"{name} is {value}; it must be {allowed}{_because(meaning)}")
    return float(value)


def noise_std(value, strict: bool = False, meaning: str = "") -> float:
    """Return the standard deviation of noise as `number` does, not so large that its square overflows."""
    checked = number("noise_std", value, strict=strict, meaning=meaning)
    if checked > _LARGEST_NOISE:
        raise ValueError(
            f"noise_std is {checked:g}; it must be at most {_LARGEST_NOISE:g}: risks are in units of its square"
        )
    return checked


def flag(name: str, value) -> bool:
    """Return `value` if it is True or False; 1 and "no" are neither."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} is {shown(value)}; it must be True or False")
    return bool(value)


def function(name: str, value):
    """Return `value` if it can be called, or is None."""
    if value is not None and not callable(value):
        raise ValueError(f"{name} is {shown(value)}; it must be a function or None")
    return value


def covariance(name: str, value, size: int, meaning: str = "") -> tuple[np.ndarray, np.ndarray]:
    """Return a symmetric positive definite (size, size) matrix and its lower Cholesky factor.

    A matrix that is singular but for rounding is refused: scaled to unit diagonal, which makes the test independent
    of the units of each coordinate, its smallest eigenvalue must be above `size * eps`.
    """
    array = matrix(name, value, size, size, meaning)
    asymmetry = np.abs(array - array.T).max()
    if asymmetry > 1e-10 * np.abs(array).max():
        raise ValueError(f"{name} differs from its transpose by up to {asymmetry:.3g}; it must be symmetric")
    symmetric = (array + array.T) / 2
    try:
        factor = cholesky(symmetric, lower=True)
        scale = np.sqrt(np.diag(symmetric))
        if np.linalg.eigvalsh(symmetric / scale / scale[:, None])[0] <= size * _EPS:
            raise LinAlgError
    except LinAlgError:
        smallest = np.linalg.eigvalsh(symmetric)[0]
        raise ValueError(
            f"{name} has smallest eigenvalue {smallest:.3g}; it must be positive definite (all eigenvalues above zero)"
        ) from None
    return symmetric, factor


def generator(seed, stream: int) -> np.random.Generator:
    """Return the Generator for `seed`: itself if it is one, else a fresh one on its own `stream`.

    Streams keep apart what different functions draw from the same integer: the weights of `Task.gaussian(seed=0)` and
    the features of `task.sample(n, seed=0)` share no random numbers.
    """
    if isinstance(seed, np.random.Generator):
        return seed
    if not isinstance(seed, numbers.Integral) or isinstance(seed, bool | np.bool_) or seed < 0:
        raise ValueError(f"seed is {shown(seed)}; it must be an integer of at least 0 or a numpy.random.Generator")
    return np.random.default_rng(np.random.SeedSequence(int(seed), spawn_key=(stream,)))


def real_array(name: str, value) -> np.ndarray:
    """Return `value` as a finite real float64 array of any shape, without masked entries."""
    masked = _masked_entries(value)
    if masked:
        raise ValueError(f"{name} has {masked} masked entries; all of its entries must be there")
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "fiub":
            raise ValueError("it is complex" if np.iscomplexobj(array) else f"its type is {array.dtype}")
        array = array.astype(np.float64, copy=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is not an array of real numbers ({error}); it must hold real numbers only") from None
    if not np.isfinite(array).all():
        bad = int(array.size - np.isfinite(array).sum())
        raise ValueError(f"{name} has {bad} entries that are NaN or infinite; all of its entries must be finite")
    return array


def shown(value) -> str:
    """What a message shows of a value, on one line: the value itself if it is short, else its type and shape."""
    if isinstance(value, np.ndarray) and value.ndim:
        return f"an array of shape {value.shape}"
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python prints
        return f"an integer of {value.bit_length()} bits"
    if len(text) <= _LONG and text.isprintable():
        return text
    if isinstance(value, numbers.Number | str | bytes):
        return f"{text[:_LONG]}…"
    shape = getattr(value, "shape", None)
    size = f" of shape {shape}" if isinstance(shape, tuple) else f" of length {len(value)}" if _is_sized(value) else ""
    return f"of type {type(value).__name__}{size}"


def _masked_entries(value) -> int:
    if isinstance(value, list | tuple):
        return sum(_masked_entries(part) for part in value if isinstance(part, list | tuple | np.ma.MaskedArray))
    return int(np.sum(np.ma.getmaskarray(value))) if isinstance(value, np.ma.MaskedArray) else 0


def _is_sized(value) -> bool:
    return hasattr(type(value), "__len__")


def _is_finite(value) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer or a fraction beyond the largest float
        return False


def _because(meaning: str) -> str:
    return f" ({meaning})" if meaning else ""
