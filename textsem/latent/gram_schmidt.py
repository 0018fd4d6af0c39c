"""Gram-Schmidt basis sign method (GBSM, Sec. 4): an orthonormal basis of local codes and moves along its signs.

Reading 13: the codes are put into a canonical order first, so that permuting the batch permutes the basis.
Reading 14: residual r = z - z', one delta per particle and dimension.  Reading 16: QR.  Reading 17: direction.
"""

from typing import Literal

import torch
from torch import Tensor

__all__ = [
    "Direction",
    "basis_direction",
    "basis_sign_step",
    "gram_schmidt",
    "nearest_neighbour_chain",
    "optimal_delta",
    "orthonormal_rows",
    "residual_outside_span",
]

Direction = Literal["sign", "basis"]


def nearest_neighbour_chain(codes: Tensor) -> Tensor:
    """Order rows so that each is the nearest one left to the row before; the longest row comes first.

    The order depends on the set of codes alone (up to exact ties), so a permuted batch gives the same chain.

    Args:
        codes: [particles, batch, latent].

    Returns:
        Row indices in the order of the chain, [particles, batch].
    """
    M, B, _ = codes.shape
    codes, chain = codes.detach(), torch.empty(M, B, dtype=torch.int64)
    # Links follow one after the other and are tiny: as arrays they have a fraction of the cost of calls of torch.
    distances, links, particle = torch.cdist(codes, codes).cpu().numpy(), chain.numpy(), torch.arange(M).numpy()
    links[:, 0] = row = torch.linalg.vector_norm(codes, dim=2).argmax(dim=1).cpu().numpy()
    for link in range(1, B):
        distances[particle, :, row] = float("inf")
        links[:, link] = row = distances[particle, row].argmin(axis=1)
    return chain.to(codes.device)


def orthonormal_rows(rows: Tensor) -> Tensor:
    """Orthonormalise rows in their order, as classical Gram-Schmidt does; a dependent row gives u = 0.

    QR of the transposed rows, with the sign of diag(R) moved into Q.  In place of a dependent row QR puts an
    arbitrary vector, which later rows lose; so dependent rows are found, moved to the end and the QR is repeated.
    Codes of a layer of 40 units have rank 41 at most, so a batch of 64 always has dependent rows.

    Args:
        rows: [particles, rows, latent], at most ``latent`` rows.

    Returns:
        U, same shape; non-zero rows are orthonormal and span the same space.

    Raises:
        ValueError: If there are more rows than dimensions.
    """
    _, R, d = rows.shape
    if d < R:
        raise ValueError(f"expected at most {d} rows of {d} dimensions, got {R}")
    # Rounding leaves a dependent row a residual of about d * eps of its norm.
    tolerance = 10 * d * torch.finfo(rows.dtype).eps * torch.linalg.vector_norm(rows, dim=2)
    is_dependent = torch.zeros(rows.shape[:2], dtype=torch.bool, device=rows.device)
    particle = torch.arange(rows.shape[0], device=rows.device)[:, None]
    while True:
        order = is_dependent.to(torch.uint8).argsort(dim=1, stable=True)
        q, r = torch.linalg.qr(rows[particle, order].mT)
        heights = r.diagonal(dim1=1, dim2=2)
        kept = ~is_dependent[particle, order]
        is_low = kept & (heights.abs() <= tolerance[particle, order])
        if not bool(is_low.any()):
            break
        # The vectors before the first low one are right; all rows without a residual against them are dependent.
        trusted = is_low.cumsum(dim=1) == 0
        spanning = q * (trusted & kept)[:, None, :]
        residual = torch.linalg.vector_norm(rows - rows @ spanning @ spanning.mT, dim=2)
        is_first = is_low & (is_low.cumsum(dim=1) == 1)
        found = (residual <= tolerance)[particle, order] & ~trusted
        if not bool((kept & ~trusted & ~found & ~is_first).any()):
            kept = kept & trusted
            break
        is_dependent = is_dependent | torch.zeros_like(is_dependent).scatter(1, order, found | is_first)
    signs = torch.where(kept, heights.sign(), 0.0)
    place = order.argsort(dim=1)
    basis: Tensor = (q * signs[:, None, :]).mT[particle, place]
    return basis


def gram_schmidt(codes: Tensor) -> Tensor:
    """Compute U, one orthonormal basis vector for every code of the batch and particle.

    The codes are chained by nearest neighbours; more codes than dimensions are cut into chunks of at most ``latent``
    neighbours, each with a basis of its own.

    Args:
        codes: Z, [particles, batch, latent] (or [batch, latent]); taken as constants.

    Returns:
        U in the order of the batch, same shape.
    """
    if codes.ndim == 2:
        return gram_schmidt(codes[None])[0]
    codes = codes.detach()
    particle = torch.arange(codes.shape[0], device=codes.device)[:, None]
    chain = nearest_neighbour_chain(codes)
    d = codes.shape[2]
    whole = codes.shape[1] // d * d
    chunks, rest = torch.split(codes[particle, chain], [whole, codes.shape[1] - whole], dim=1)
    # Chunks of d rows in one call: codes of few dimensions make many of them.
    parts = [orthonormal_rows(chunks.reshape(-1, d, d)).reshape_as(chunks)] if whole else []
    parts += [orthonormal_rows(rest)] if rest.shape[1] else []
    basis = torch.cat(parts, dim=1)
    return basis[particle, chain.argsort(dim=1)]


def basis_direction(basis: Tensor, *, direction: Direction) -> Tensor:
    """Return the directions s of the perturbation: sign(u) as printed, or u itself, which stays in span(U)."""
    if direction == "sign":
        return basis.sign()
    if direction == "basis":
        return basis
    raise ValueError(f"expected direction 'sign' or 'basis', got {direction!r}")


def residual_outside_span(vectors: Tensor, basis: Tensor) -> Tensor:
    """Return the share of the vectors' norm that lies outside the span of the basis (reading 17).

    Args:
        vectors: Perturbations, [particles, batch, latent].
        basis: U, [particles, batch, latent], possibly of several chunks.

    Returns:
        |V - projection of V| / |V| (Frobenius) of each particle, [particles]; 0 where V = 0.
    """
    _, values, rows = torch.linalg.svd(basis, full_matrices=False)
    # Of one chunk the singular values are 1 or 0, of several chunks at least 1 on their joint span or small.
    kept = rows * (values > torch.finfo(basis.dtype).eps * 10 * basis.shape[2])[:, :, None]
    outside = vectors - vectors @ kept.mT @ kept
    norm = torch.linalg.matrix_norm(vectors)
    share: Tensor = torch.linalg.matrix_norm(outside) / torch.where(norm > 0, norm, torch.ones_like(norm))
    return share


def optimal_delta(residual: Tensor, signs: Tensor, *, ridge: float, direction: Direction = "sign") -> Tensor:
    """Solve for the perturbation that explains the residual best, shared by the batch.

        delta* = argmin_delta sum_i |r_i - delta o s_i|^2 + ridge B |delta|^2
               = sum_i r_i s_i / (sum_i s_i^2 + ridge B)      (per particle and dimension)

    Sec. 4, GBSM, as reading 14 restores it.  Along the basis itself a delta per dimension would leave the span
    again, so there one number per particle multiplies the whole vector: the sums run over dimensions too.

    Args:
        residual: r = z - z', [particles, batch, latent].
        signs: s = sign(u), or u for direction ``basis``, same shape.
        ridge: At least 0; weight of |delta|^2 per example.
        direction: What ``signs`` are.

    Returns:
        delta*, [particles, latent]; 0 where every s is 0.
    """
    B = residual.shape[1]
    along, length = (residual * signs).sum(dim=1), signs.square().sum(dim=1)
    if direction == "basis":
        along, length = along.sum(dim=1, keepdim=True), length.sum(dim=1, keepdim=True)
    total = length + ridge * B
    delta = torch.where(total > 0, along / torch.where(total > 0, total, torch.ones_like(total)), 0.0)
    return delta.expand(-1, residual.shape[2]).contiguous()


def basis_sign_step(
    theta_adv: Tensor,
    z_adv: Tensor,
    z: Tensor,
    delta: Tensor,
    basis: Tensor,
    *,
    rate: float,
    ridge: float,
    cap: float,
    memory: float,
    direction: Direction,
) -> tuple[Tensor, Tensor]:
    """Do one GBSM update of Theta' and Delta (Algorithm 2, line 3).

        delta  <- clamp(memory delta + (1 - memory) delta*, -cap, cap)
        theta' <- theta' - rate d/dtheta' sum_i |z_i - (z'_i + delta o s_i)|^2

    The paper solves for delta afresh (memory 0).  Signs average out over shuffled batches, so delta would forget its
    start at once (reading 15); with memory, a z' that sits at z - delta o s still is a fixed point at ridge 0.

    Args:
        theta_adv: Theta', [particles, parameters]; the graph of ``z_adv`` starts here.
        z_adv: Perturbed codes, [particles, batch, latent].
        z: Clean codes, same shape; taken as constants.
        delta: Perturbations so far, [particles, latent].
        basis: U, [particles, batch, latent].
        rate: Step of theta', per unit of the summed squares' gradient.
        ridge: See ``optimal_delta``.
        cap: Largest |delta|, in units of the code.
        memory: Share of the old delta that is kept, in [0, 1].
        direction: ``sign`` or ``basis``.

    Returns:
        The new Theta' (detached) and Delta.
    """
    signs = basis_direction(basis, direction=direction)
    residual = z.detach() - z_adv
    best = optimal_delta(residual.detach(), signs, ridge=ridge, direction=direction)
    new_delta = (memory * delta + (1 - memory) * best).clamp(-cap, cap)
    squares = (residual - new_delta[:, None, :] * signs).square().sum()
    (gradient,) = torch.autograd.grad(squares, theta_adv, retain_graph=True)
    return theta_adv.detach() - rate * gradient, new_delta
