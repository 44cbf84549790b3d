"""LoRA against the textbook formula (7), against an optimiser that knows no formula, and the norm among minimisers."""

import numpy as np
import oracle
import pytest

from lorabook import full_finetune, lora, rank_path

SHAPES = [  # d_x, d_y, n
    (4, 3, 2),
    (4, 2, 3),
    (3, 5, 2),
    (3, 3, 3),
    (3, 5, 3),
    (4, 2, 4),
    (3, 2, 6),
    (2, 5, 6),
    (3, 4, 5),
    (1, 1, 1),
    (1, 3, 4),
    (4, 1, 2),
]


@pytest.mark.parametrize("kind", oracle.KINDS)
@pytest.mark.parametrize(("d_x", "d_y", "n"), SHAPES)
def test_lora_is_the_textbook_formula_in_extended_precision(d_x, d_y, n, kind):
    rng = np.random.default_rng([d_x, d_y, n])
    X = oracle.data_matrix(rng, d_x, n, 1.0, kind)
    Y, W0 = rng.standard_normal((d_y, n)), rng.standard_normal((d_y, d_x))
    for rank in range(min(n, d_x, d_y) + 3):
        error = np.linalg.norm(lora(X, Y, W0, rank) - oracle.lora_mpmath(X, Y, W0, rank))
        assert error <= oracle.forward_error(X, Y, W0, rank)


@pytest.mark.parametrize("log10_cond", [3, 6, 8, 11, 12])
@pytest.mark.parametrize(("d_x", "d_y", "n"), [(4, 3, 2), (3, 4, 3), (3, 4, 6)])
def test_lora_is_the_textbook_formula_for_ill_conditioned_features(d_x, d_y, n, log10_cond):
    """On both sides of the condition number at which the row space is found by SVD instead of QR."""
    rng = np.random.default_rng([d_x, d_y, n, log10_cond])
    X = oracle.data_matrix(rng, d_x, n, float(log10_cond))
    W0 = np.zeros((d_y, d_x))
    Y = rng.standard_normal((d_y, d_x)) @ X
    for rank in range(min(n, d_x, d_y) + 1):
        error = np.linalg.norm(lora(X, Y, W0, rank) - oracle.lora_mpmath(X, Y, W0, rank))
        assert error <= oracle.forward_error(X, Y, W0, rank)


def test_lora_is_the_textbook_formula_on_1000_random_cases(record_property, capsys):
    rng = np.random.default_rng(1000)
    relative, of_bound, conditions = [], [], []
    for _ in range(1000):
        d_x, d_y, n = (int(d) for d in rng.integers(1, 21, size=3))
        log10_cond = float(rng.uniform(0, 3))
        X = oracle.data_matrix(rng, d_x, n, log10_cond, oracle.KINDS[rng.choice(5, p=[0.6, 0.1, 0.1, 0.1, 0.1])])
        Y, W0 = rng.standard_normal((d_y, n)), rng.standard_normal((d_y, d_x))
        rank = int(rng.integers(0, min(d_x, d_y, n) + 3))
        formula = oracle.lora_numpy(X, Y, W0, rank)
        difference = np.linalg.norm(lora(X, Y, W0, rank) - formula)
        relative.append(difference / np.linalg.norm(formula))
        of_bound.append(difference / oracle.forward_error(X, Y, W0, rank, formula=True))
        conditions.append(10**log10_cond)
    worst = int(np.argmax(relative))
    record_property("largest relative difference", float(relative[worst]))
    with capsys.disabled():
        print(
            f"\nlora against formula (7), 1000 random cases: largest relative difference {relative[worst]:.1e}"
            f" (condition number {conditions[worst]:.0f}), median {np.median(relative):.1e};"
            f" at most {max(of_bound):.2f} of the rounding bound"
        )
    assert max(of_bound) <= 1.0


@pytest.mark.parametrize("kind", oracle.KINDS)
@pytest.mark.parametrize(("d_x", "d_y", "n"), [(5, 4, 3), (4, 5, 4), (4, 3, 9)])
def test_an_optimiser_never_beats_lora_and_comes_close(d_x, d_y, n, kind):
    rng = np.random.default_rng([d_x, d_y, n, 7])
    X = oracle.data_matrix(rng, d_x, n, 0.5, kind)
    Y, W0 = rng.standard_normal((d_y, n)), rng.standard_normal((d_y, d_x))
    R = Y - W0 @ X
    rounding = 100 * oracle.EPS * np.sum(R**2)
    for rank in range(1, np.linalg.matrix_rank(X) + 1):
        best = oracle.loss(R, X, lora(X, Y, W0, rank) - W0)
        found = [oracle.loss(R, X, oracle.alternating_least_squares(R, X, rank, seed, limit=3000)) for seed in range(8)]
        assert min(found) >= best - rounding
        assert min(found) <= best + 1e-9 * np.sum(R**2)


# Least norm among many minimisers


@pytest.mark.parametrize("kind", oracle.KINDS[1:])
@pytest.mark.parametrize(("d_x", "d_y", "n"), [(6, 4, 3), (5, 4, 5), (5, 6, 8)])
def test_of_all_minimisers_for_deficient_features_lora_has_the_least_norm(d_x, d_y, n, kind):
    """`D + H` with `H X = 0` and columns in those of D fits as well and has the same rank; H only adds norm."""
    rng = np.random.default_rng([d_x, d_y, n, 11])
    X = oracle.data_matrix(rng, d_x, n, 0.5, kind)
    Y, W0 = rng.standard_normal((d_y, n)), rng.standard_normal((d_y, d_x))
    R, unseen = Y - W0 @ X, np.eye(d_x) - X @ np.linalg.pinv(X)
    assert np.linalg.matrix_rank(unseen) > 0
    for rank in range(1, min(np.linalg.matrix_rank(X), d_y) + 1):
        D = lora(X, Y, W0, rank) - W0
        columns = np.linalg.svd(D)[0][:, :rank]
        for _ in range(20):
            H = columns @ rng.standard_normal((rank, d_x)) @ unseen
            other = D + H
            assert np.linalg.matrix_rank(other, tol=1e-10) == rank
            assert oracle.loss(R, X, other) == pytest.approx(oracle.loss(R, X, D), rel=1e-10)
            assert np.sum(other**2) == pytest.approx(np.sum(D**2) + np.sum(H**2), rel=1e-10)
            assert np.linalg.norm(other, "nuc") >= np.linalg.norm(D, "nuc") * (1 - 1e-12)


def test_the_tie_of_the_two_by_two_example():
    """X = sqrt 2 diag(1, 2), R = sqrt 2 I, r = 1: minimisers u u^T diag(1, 1/2), of norm 1/2 to 1, the least at e_2."""
    X, R = np.sqrt(2) * np.diag([1.0, 2.0]), np.sqrt(2) * np.eye(2)
    D = lora(X, R, np.zeros((2, 2)), 1)
    np.testing.assert_allclose(D, np.diag([0.0, 0.5]), atol=1e-15)
    for angle in np.linspace(0, np.pi, 50):
        u = np.array([np.cos(angle), np.sin(angle)])
        other = np.outer(u, u) @ np.diag([1.0, 0.5])
        assert oracle.loss(R, X, other) == pytest.approx(oracle.loss(R, X, D), rel=1e-12)
        assert 0.5 - 1e-15 <= np.linalg.norm(other) <= 1.0 + 1e-15


def tied_problem(rng, d_x, d_y, n, above, tied, below):
    """X and R with fitted singular values `above` times 3, `tied` times 2 and `below` times 1; 3 and 1 spread out."""
    X = oracle.data_matrix(rng, d_x, n, 1.0)
    row_basis = np.linalg.svd(X, full_matrices=False)[2].T
    s = np.concatenate([np.linspace(4, 3, above), np.full(tied, 2.0), np.linspace(1, 0.5, below)])
    U = np.linalg.qr(rng.standard_normal((d_y, len(s))))[0]
    V = np.linalg.qr(rng.standard_normal((row_basis.shape[1], len(s))))[0]
    unfitted = rng.standard_normal((d_y, n)) @ (np.eye(n) - row_basis @ row_basis.T)
    return X, (U * s) @ (row_basis @ V).T + unfitted, U


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("d_x", "d_y", "n", "above", "tied", "below"),
    [(7, 6, 15, 1, 3, 2), (7, 6, 7, 0, 4, 1), (9, 6, 6, 2, 2, 1), (6, 9, 20, 0, 6, 0), (12, 7, 7, 3, 4, 0)],
)
def test_in_a_tie_lora_has_the_least_norm_of_all_minimisers(d_x, d_y, n, above, tied, below, seed):
    """Cuts above, inside and below the tied block, against the rule for ties and against random rotations of it."""
    rng = np.random.default_rng([d_x, n, seed])
    X, R, U = tied_problem(rng, d_x, d_y, n, above, tied, below)
    W0 = rng.standard_normal((d_y, d_x))
    Y = R + W0 @ X
    D_full = R @ np.linalg.pinv(X)
    for rank in range(above + tied + below + 1):
        kept = min(max(rank - above, 0), tied)
        D = lora(X, Y, W0, rank) - W0
        if rank <= above + tied:
            expected, eigenvalues = oracle.least_norm_in_tie(X, R, min(rank, above), tied if kept else 0, kept)
        else:
            expected, eigenvalues = oracle.lora_numpy(X, Y, W0, rank) - W0, np.zeros(0)
        # The kept eigenspace moves by rounding over its gap, as singular directions do over theirs.
        gap = eigenvalues[kept] - eigenvalues[kept - 1] if 0 < kept < tied else np.inf
        rounding = oracle.forward_error(X, Y, W0, above if 0 < kept < tied else rank, formula=True)
        rounding *= 1 + (eigenvalues[-1] / gap if np.isfinite(gap) else 0)
        assert np.linalg.norm(D - expected) <= rounding
        if not 0 < kept < tied:
            continue
        losses, norms = [], []
        for _ in range(200):
            block = U[:, above : above + tied] @ np.linalg.qr(rng.standard_normal((tied, kept)))[0]
            P = U[:, :above] @ U[:, :above].T + block @ block.T
            losses.append(oracle.loss(R, X, P @ D_full))
            norms.append(np.linalg.norm(P @ D_full))
        np.testing.assert_allclose(losses, oracle.loss(R, X, D), rtol=1e-12)
        assert min(norms) >= np.linalg.norm(D) - rounding
        assert max(norms) > np.linalg.norm(D) * 1.01  # there is a choice to make


def test_a_tie_is_found_through_the_rounding_of_much_larger_data():
    """Residuals a hundred times the tied singular values round those apart by more than their own precision."""
    for seed in range(40):
        rng = np.random.default_rng(seed)
        X, R, _ = tied_problem(rng, 6, 9, 20, 0, 6, 0)
        row_basis = np.linalg.svd(X, full_matrices=False)[2].T
        Y = R + 100 * rng.standard_normal(R.shape) @ (np.eye(20) - row_basis @ row_basis.T)
        expected, _ = oracle.least_norm_in_tie(X, R, 0, 6, 3)
        D = lora(X, Y, np.zeros((9, 6)), 3)
        assert np.linalg.norm(D) == pytest.approx(np.linalg.norm(expected), rel=1e-9)


def test_a_tie_leaves_every_other_rank_of_the_path_alone():
    rng = np.random.default_rng(5)
    X, R, U = tied_problem(rng, 7, 6, 15, 1, 3, 2)
    path = rank_path(X, R, np.zeros((6, 7)))
    np.testing.assert_allclose(path.singular_values, [4, 2, 2, 2, 1, 0.5], rtol=1e-13)
    for rank in (0, 1, 4, 5, 6):
        expected = U[:, :rank] @ U[:, :rank].T @ R @ np.linalg.pinv(X)
        np.testing.assert_allclose(path.weights(rank), expected, atol=1e-12)


def test_of_all_least_squares_solutions_full_finetuning_is_the_closest_to_the_start():
    rng = np.random.default_rng(3)
    for kind in oracle.KINDS:
        X = oracle.data_matrix(rng, 6, 4, 0.5, kind)
        Y, W0 = rng.standard_normal((3, 4)), rng.standard_normal((3, 6))
        D = full_finetune(X, Y, W0) - W0
        np.testing.assert_allclose((Y - (W0 + D) @ X) @ X.T, 0, atol=1e-12)  # normal equations
        H = rng.standard_normal((3, 6)) @ (np.eye(6) - X @ np.linalg.pinv(X))
        assert np.linalg.norm(D + H) ** 2 == pytest.approx(np.linalg.norm(D) ** 2 + np.linalg.norm(H) ** 2)
