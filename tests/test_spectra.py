"""Spectral energy: against the definition, and the same from factors as from their product."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lorabook import spectra


def matrix(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 1000))
def test_the_definition(d_y, d_x, seed):
    delta = matrix(seed, d_y, d_x)
    energy = spectra.cumulative_energy(delta)
    eigenvalues = np.sort(np.linalg.eigvalsh(delta @ delta.T))[::-1][: min(d_y, d_x)]
    assert energy == pytest.approx(np.cumsum(eigenvalues) / np.sum(delta**2), abs=1e-10)
    assert energy[-1] == 1.0
    assert (np.diff(energy) >= 0).all()


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 12), st.integers(0, 1000))
def test_factors_give_what_their_product_gives(d_y, d_x, rank, seed):
    B, A = matrix(seed, d_y, rank), matrix(seed + 1, rank, d_x)
    k = min(rank, d_y, d_x)
    from_factors = spectra.cumulative_energy_of_product(B, A)
    assert from_factors == pytest.approx(spectra.cumulative_energy(B @ A)[:k], abs=1e-9)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_scale_does_not_matter(scale):
    delta = matrix(0, 5, 4)
    assert spectra.cumulative_energy(scale * delta) == pytest.approx(spectra.cumulative_energy(delta))


def test_an_update_of_rank_r_has_all_its_energy_in_r_values():
    delta = matrix(0, 20, 3) @ matrix(1, 3, 30)
    assert spectra.cumulative_energy(delta)[2] == pytest.approx(1.0)
    assert spectra.rank_reaching(spectra.cumulative_energy(delta), 0.999999) == 3


@pytest.mark.parametrize(("share", "rank"), [(0.1, 1), (0.64, 1), (0.65, 2), (0.9, 2), (1.0, 3)])
def test_the_rank_that_reaches_a_share(share, rank):
    assert spectra.rank_reaching(np.array([0.64, 0.9, 1.0]), share) == rank


def test_bad_input():
    with pytest.raises(ValueError, match="delta is zero; an update that changed nothing has no spectrum"):
        spectra.cumulative_energy(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="B A is zero"):
        spectra.cumulative_energy_of_product(np.ones((2, 1)), np.zeros((1, 2)))
    with pytest.raises(ValueError, match=r"share is 1.5; it must be at most 1"):
        spectra.rank_reaching(np.array([1.0]), 1.5)
    with pytest.raises(ValueError, match=r"^share is 0"):
        spectra.rank_reaching(np.array([1.0]), 0)


@pytest.mark.parametrize(
    ("energy", "share", "message"),
    [
        ([], 0.9, "energy is empty; it must have the energy of one direction at least"),
        ([-1.0], 0.5, "energy is from -1 to -1; it must be shares, from 0 to 1"),
        ([0.5, 1.1], 0.5, "energy is from 0.5 to 1.1; it must be shares, from 0 to 1"),
        ([0.5, 0.4, 1.0], 0.45, "energy is 0.4 after 0.5; it must not decrease"),
        ([0.2, 0.3], 0.9, "share is 0.9; it must be at most the last energy, 0.3"),
    ],
)
def test_energies_that_are_none(energy, share, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        spectra.rank_reaching(np.array(energy), share)


def test_rounding_is_no_error():
    """The last share a little below 1, a step a little down, energies a little above 1: as float32 leaves them."""
    assert spectra.rank_reaching(np.array([0.5, 1.0 - 1e-7]), 1.0) == 2
    assert spectra.rank_reaching(np.array([0.5, 0.9, 0.9 - 1e-7, 1.0]), 0.9) == 2
    assert spectra.rank_reaching(np.array([0.5, 1.0 + 1e-7, 1.0]), 1.0) == 2
    assert spectra.rank_reaching(np.array([0.2, 0.3]), 0.3) == 2


@pytest.mark.usefixtures("no_shape_checks")
def test_factors_that_do_not_fit():
    with pytest.raises(ValueError, match=r"^A has shape \(3, 2\); it must have shape \(2, 2\)"):
        spectra.cumulative_energy_of_product(np.ones((4, 2)), np.ones((3, 2)))
