"""Known answers of readings 13 to 17: the basis, its order, delta* and the GBSM step."""

import pytest
import torch

from textsem.latent.gram_schmidt import (
    basis_direction,
    basis_sign_step,
    gram_schmidt,
    nearest_neighbour_chain,
    optimal_delta,
    orthonormal_rows,
    residual_outside_span,
)

DOUBLE = torch.float64


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))


def classical(rows: torch.Tensor) -> torch.Tensor:
    basis: list[torch.Tensor] = []
    for row in rows:
        left = row - sum((row @ u * u for u in basis), torch.zeros_like(row))
        norm = left.norm()
        basis.append(left / norm if norm > 1e-10 else torch.zeros_like(row))
    return torch.stack(basis)


def projector(rows: torch.Tensor) -> torch.Tensor:
    inverse: torch.Tensor = torch.linalg.pinv(rows)
    return inverse @ rows


@pytest.mark.parametrize("B", [1, 4, 7])
def test_orthonormal_rows_equal_classical_gram_schmidt(B: int) -> None:
    rows = normal(3, B, 7)
    torch.testing.assert_close(orthonormal_rows(rows), torch.stack([classical(r) for r in rows]))


def test_a_dependent_row_gives_zero_and_the_rows_after_it_keep_their_span() -> None:
    e = torch.eye(4, dtype=DOUBLE)
    rows = torch.stack([2 * e[0], -3 * e[0], e[1] + e[0], torch.zeros(4, dtype=DOUBLE)])
    expected = torch.stack([e[0], 0 * e[0], e[1], 0 * e[0]])
    torch.testing.assert_close(orthonormal_rows(torch.stack([rows, normal(4, 4)]))[0], expected)


@pytest.mark.parametrize("rank", [1, 3, 8])
def test_rows_of_low_rank_equal_classical_gram_schmidt(rank: int) -> None:
    rows = normal(3, 12, rank) @ normal(3, rank, 14, seed=1)
    rows[0, 4] = rows[0, 1] - 2 * rows[0, 0]
    rows[1, 0] = 0
    torch.testing.assert_close(orthonormal_rows(rows), torch.stack([classical(r) for r in rows]), atol=1e-7, rtol=0)


def test_every_dependent_row_is_found_where_they_alternate() -> None:
    rows = torch.eye(6, dtype=DOUBLE).repeat_interleave(2, dim=0)[None, :, :] @ normal(6, 12)
    basis = orthonormal_rows(rows)[0]
    assert torch.equal(basis[1::2], torch.zeros(6, 12, dtype=DOUBLE))
    torch.testing.assert_close(basis[::2] @ basis[::2].T, torch.eye(6, dtype=DOUBLE))


def test_rank_of_codes_is_seen_in_float32() -> None:
    rows = (normal(2, 64, 40) @ normal(2, 40, 100, seed=1)).float()
    assert (orthonormal_rows(rows).abs().sum(dim=2) > 0).sum(dim=1).tolist() == [40, 40]


def test_more_rows_than_dimensions_are_rejected() -> None:
    with pytest.raises(ValueError, match="expected at most 3 rows of 3 dimensions, got 4"):
        orthonormal_rows(normal(1, 4, 3))


@pytest.mark.parametrize("B", [1, 5, 8])
def test_basis_is_orthonormal_and_spans_the_codes(B: int) -> None:
    codes = normal(2, B, 8)
    basis = gram_schmidt(codes)
    torch.testing.assert_close(basis @ basis.mT, torch.eye(B, dtype=DOUBLE).expand(2, B, B))
    for rows, u in zip(codes, basis, strict=True):
        torch.testing.assert_close(projector(u), projector(rows), atol=1e-9, rtol=0)


def test_more_codes_than_dimensions_give_one_orthonormal_basis_a_chunk() -> None:
    codes = normal(2, 7, 3)
    basis, chain = gram_schmidt(codes), nearest_neighbour_chain(codes)
    for m in range(2):
        for chunk in torch.split(chain[m], 3):
            u = basis[m, chunk]
            torch.testing.assert_close(u @ u.T, torch.eye(len(chunk), dtype=DOUBLE))


@pytest.mark.parametrize("B", [1, 2, 5, 6, 9])
def test_bases_of_many_chunks_equal_those_taken_chunk_by_chunk(B: int) -> None:
    codes = normal(3, B, 3)
    codes[1, B // 2] = codes[1, 0]  # a dependent row in one particle's chunks alone
    expected = torch.empty_like(codes)
    for m, chain in enumerate(nearest_neighbour_chain(codes)):
        for rows in chain.split(3):
            expected[m, rows] = orthonormal_rows(codes[m, rows][None])[0]
    torch.testing.assert_close(gram_schmidt(codes), expected)


@pytest.mark.parametrize("B", [6, 11])
def test_permuting_the_batch_permutes_the_basis(B: int) -> None:
    codes = normal(3, B, 6)
    order = torch.randperm(B, generator=torch.Generator().manual_seed(4))
    torch.testing.assert_close(gram_schmidt(codes[:, order]), gram_schmidt(codes)[:, order])


def test_chain_walks_along_a_line_from_its_far_end() -> None:
    codes = torch.tensor([[[3.0, 0], [10.0, 0], [1.0, 0], [6.0, 0]]])
    assert nearest_neighbour_chain(codes).tolist() == [[1, 3, 0, 2]]


def test_direction_sign_is_the_sign_and_basis_the_vector() -> None:
    basis = gram_schmidt(normal(1, 3, 5))
    assert torch.equal(basis_direction(basis, direction="sign"), basis.sign())
    assert torch.equal(basis_direction(basis, direction="basis"), basis)


def test_signs_leave_the_span_and_basis_vectors_do_not() -> None:
    basis = gram_schmidt(normal(2, 3, 8))
    torch.testing.assert_close(residual_outside_span(0.3 * basis, basis), torch.zeros(2, dtype=DOUBLE))
    assert bool((residual_outside_span(basis.sign(), basis) > 0.3).all())


def test_a_vector_orthogonal_to_the_span_is_all_outside() -> None:
    basis = torch.eye(3, dtype=DOUBLE)[None, :2]
    vectors = torch.tensor([[[0.0, 0.0, 2.0], [3.0, 0.0, 0.0]]], dtype=DOUBLE)
    torch.testing.assert_close(residual_outside_span(vectors, basis), torch.tensor([2 / 13**0.5], dtype=DOUBLE))


@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_delta_agrees_with_a_numeric_minimiser_also_with_zero_rows(ridge: float) -> None:
    residual, signs = normal(2, 5, 3), normal(2, 5, 3, seed=1).sign()
    signs[:, 2] = 0
    delta = torch.zeros(2, 3, dtype=DOUBLE, requires_grad=True)
    optimiser = torch.optim.LBFGS([delta], max_iter=50, tolerance_grad=1e-12, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = (residual - delta[:, None] * signs).square().sum() + ridge * 5 * delta.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    torch.testing.assert_close(optimal_delta(residual, signs, ridge=ridge), delta.detach(), atol=1e-6, rtol=1e-6)


def test_delta_along_the_basis_is_one_number_a_particle() -> None:
    basis = gram_schmidt(normal(2, 3, 6))
    amounts = torch.tensor([0.4, -0.2], dtype=DOUBLE)
    delta = optimal_delta(amounts[:, None, None] * basis, basis, ridge=0.0, direction="basis")
    torch.testing.assert_close(delta, amounts[:, None].expand(2, 6))


def test_delta_is_zero_where_every_row_is_zero() -> None:
    assert torch.equal(optimal_delta(normal(1, 3, 2), torch.zeros(1, 3, 2), ridge=0.0), torch.zeros(1, 2, dtype=DOUBLE))


def step(
    theta: torch.Tensor, z: torch.Tensor, delta: torch.Tensor, *, ridge: float = 0.0, memory: float = 0.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """One GBSM step of particles that are their own codes: z' = theta'."""
    theta = theta.clone().requires_grad_()
    basis = gram_schmidt(z)
    z_adv = theta.reshape(z.shape)
    return basis_sign_step(
        theta, z_adv, z, delta, basis, rate=0.1, ridge=ridge, cap=0.5, memory=memory, direction="sign"
    )


@pytest.mark.parametrize("memory", [0.0, 0.9])
def test_every_delta_is_a_fixed_point_at_ridge_zero(memory: float) -> None:
    z, delta = normal(2, 4, 6), 0.4 * normal(2, 6, seed=1).tanh()
    theta = (z - delta[:, None] * gram_schmidt(z).sign()).flatten(1)
    new_theta, new_delta = step(theta, z, delta, memory=memory)
    torch.testing.assert_close(new_theta, theta)
    torch.testing.assert_close(new_delta, delta)


def test_theta_moves_down_the_gradient_of_the_summed_squares() -> None:
    z, theta, delta = normal(2, 4, 6), normal(2, 24, seed=2), torch.zeros(2, 6, dtype=DOUBLE)
    signs = gram_schmidt(z).sign()
    new_theta, new_delta = step(theta, z, delta, ridge=0.1)
    residual = z - theta.reshape(z.shape)
    best = optimal_delta(residual, signs, ridge=0.1).clamp(-0.5, 0.5)
    torch.testing.assert_close(new_delta, best)
    expected = theta.reshape(z.shape) + 0.1 * 2 * (residual - best[:, None] * signs)
    torch.testing.assert_close(new_theta, expected.flatten(1))


def test_delta_keeps_to_its_cap() -> None:
    z = normal(1, 4, 6)
    theta = (z - 3 * gram_schmidt(z).sign()).flatten(1)
    _, delta = step(theta, z, torch.zeros(1, 6, dtype=DOUBLE))
    torch.testing.assert_close(delta, torch.full((1, 6), 0.5, dtype=DOUBLE))


def test_perturbed_codes_leave_the_clean_ones_after_some_steps_from_a_nonzero_start() -> None:
    z = normal(2, 4, 6)
    theta, delta = z.flatten(1), torch.full((2, 6), 0.2, dtype=DOUBLE)
    for _ in range(20):
        theta, delta = step(theta, z, delta, ridge=0.01, memory=0.9)
    moved = (theta.reshape(z.shape) - z).abs().mean()
    assert 0.05 < moved.item() < 0.2


def test_nothing_moves_from_the_clean_codes_with_delta_zero() -> None:
    z = normal(2, 4, 6)
    theta, delta = step(z.flatten(1), z, torch.zeros(2, 6, dtype=DOUBLE), ridge=0.1)
    torch.testing.assert_close(theta, z.flatten(1))
    assert torch.equal(delta, torch.zeros(2, 6, dtype=DOUBLE))
