"""Gaussian kernel between particles and its median bandwidth (reading 4; the paper names neither).

    k(a, b) = exp(-|a - b|^2 / h),   h = median over pairs i != j of |a_i - b_j|^2 / log(M + 1)

Leaders stand first: ``kernel[j, i] = k(theta_j, theta'_i)`` for leader j and follower i.
"""

import math

import torch
from torch import Tensor

__all__ = ["code_kernel", "kernel_gradient", "median_bandwidth", "rbf_kernel", "squared_distances", "weight_kernel"]

# Below this median (squared units of theta) the particles coincide up to rounding; dividing by less would turn
# rounding errors into a repulsion of the size of the weights.
BANDWIDTH_FLOOR = 1e-6


def squared_distances(leaders: Tensor, followers: Tensor) -> Tensor:
    """Return |leader_j - follower_i|^2 for every pair.

    Both sets are moved by one common vector first, since particles lie close together and far from the origin, where
    the product form of the distance would cancel in float32.

    Args:
        leaders: [leaders, parameters].
        followers: [followers, parameters].

    Returns:
        Squared Euclidean distances, [leaders, followers], never negative.

    Raises:
        ValueError: If the two do not share their number of parameters.
    """
    if leaders.ndim != 2 or followers.ndim != 2 or leaders.shape[1] != followers.shape[1]:
        expected = f"[followers, {leaders.shape[-1]}]"
        raise ValueError(f"expected followers of shape {expected}, got {list(followers.shape)}")
    centre = leaders.detach().mean(dim=0)
    a, b = leaders - centre, followers - centre
    products = a @ b.T
    return (a.square().sum(dim=1)[:, None] + b.square().sum(dim=1)[None, :] - 2 * products).clamp_min(0)


def median_bandwidth(squared: Tensor) -> Tensor:
    """Return h = median / log(M + 1) without gradient, finite for one particle and for coincident ones.

    Where leaders and followers are equally many, follower i is the twin of leader i and the pairs i = i are left out
    (reading 5), so that Theta' = Theta has the bandwidth of Theta alone.

    Args:
        squared: Squared distances, [leaders, followers].

    Returns:
        h > 0, a scalar in squared units of theta; 1 where there is no pair.
    """
    M, N = squared.shape
    pairs = squared.detach()
    if M == N:
        pairs = pairs[~torch.eye(M, dtype=torch.bool, device=squared.device)]
    if pairs.numel() == 0:
        return squared.new_ones(())
    return pairs.flatten().quantile(0.5).clamp_min(BANDWIDTH_FLOOR) / math.log(M + 1)


def rbf_kernel(leaders: Tensor, followers: Tensor, *, bandwidth: Tensor | float | None = None) -> Tensor:
    """Compute k(leader_j, follower_i) = exp(-|leader_j - follower_i|^2 / h).

    Args:
        leaders: [leaders, parameters].
        followers: [followers, parameters].
        bandwidth: h > 0 in squared units of theta; the median rule where None.

    Returns:
        Kernel matrix, [leaders, followers].
    """
    squared = squared_distances(leaders, followers)
    h = median_bandwidth(squared) if bandwidth is None else bandwidth
    return torch.exp(-squared / h)


def kernel_gradient(leaders: Tensor, followers: Tensor, kernel: Tensor, *, bandwidth: Tensor | float) -> Tensor:
    """Compute the repulsion of every follower, in closed form.

        gradient_i = sum_j d/dtheta_j k(theta_j, theta'_i) = 2/h sum_j (theta'_i - theta_j) k(theta_j, theta'_i)

    Args:
        leaders: theta, [leaders, parameters].
        followers: theta', [followers, parameters].
        kernel: [leaders, followers].
        bandwidth: The h that the kernel was made with.

    Returns:
        [followers, parameters].
    """
    centre = leaders.mean(dim=0)
    a, b = leaders - centre, followers - centre
    return (2 / bandwidth) * (b * kernel.sum(dim=0)[:, None] - kernel.T @ a)


def weight_kernel(theta: Tensor, followers: Tensor) -> tuple[Tensor, Tensor]:
    """Return the kernel on weights, [leaders, followers], and its repulsion, [followers, parameters], detached."""
    theta, followers = theta.detach(), followers.detach()
    squared = squared_distances(theta, followers)
    h = median_bandwidth(squared)
    kernel = torch.exp(-squared / h)
    return kernel, kernel_gradient(theta, followers, kernel, bandwidth=h)


def code_kernel(theta: Tensor, codes: Tensor, follower_codes: Tensor) -> tuple[Tensor, Tensor]:
    """Return the kernel on the particles' codes of one batch (reading 4b) and its repulsion in weights, detached.

        k(theta_j, theta'_i) = exp(-|Z(theta_j) - Z'(theta'_i)|^2 / h),   |.|^2 summed over batch and latent

    The kernel is a function of the weights through the codes; its gradient goes back through the codes' graph, all
    followers in one batched call.

    Args:
        theta: Leaders, [leaders, parameters]; the graph of ``codes`` starts here.
        codes: Z(theta), [leaders, batch, latent], with graph.
        follower_codes: Z'(theta'), [followers, batch, latent]; taken as constants.

    Returns:
        Kernel [leaders, followers] and sum_j d/dtheta_j k(theta_j, theta'_i) [followers, parameters].
    """
    kernel = rbf_kernel(codes.flatten(1), follower_codes.detach().flatten(1))
    N = kernel.shape[1]
    each = torch.eye(N, dtype=kernel.dtype, device=kernel.device)

    def gradient_for(one: Tensor) -> Tensor:
        return torch.autograd.grad(kernel.sum(dim=0), theta, one, retain_graph=True)[0]

    # Not is_grads_batched, inside which a function of one's own (several processes have one) does not learn of it.
    gradients: Tensor = torch.func.vmap(gradient_for)(each)
    return kernel.detach(), gradients.sum(dim=1)
