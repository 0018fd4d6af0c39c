"""A start for autoencoders with linear paths: at the principal components of training images, in closed form.

    z = W (x - mean),  W = diag(s)^-w V^T, scaled so that E |z|^2 = d       extractor
    logit(x) ~ B z + b, by least squares                                     decoder

V are the first d directions of the images, s their standard deviations, and w the share of whitening.  The convolutions
start at nothing and learn what a linear map cannot say.  From drawn weights alone 3,000 batches end above the start.
"""

import math

import torch
from torch import Tensor, nn

from images_ext.model import ImageAdversary

__all__ = ["WHITENING", "start_at_principal_components"]

WHITENING = 0.5  # 0: codes are as long as the differences of images; 1: all directions of codes weigh the same
_DARKEST = 0.02  # pixels are kept this far from 0 and 1, where logits have no end


@torch.no_grad()
def start_at_principal_components(
    model: ImageAdversary, pixels: Tensor, *, whitening: float = WHITENING, seed: int = 0
) -> None:
    """Set both linear paths of a fresh model, and the last layers beside them to zero.

    Args:
        model: Extractor and decoder have linear paths, and features are as wide as codes.
        pixels: Of training images, in [0, 1], [images, channels, height, width].
        whitening: w, from 0 to 1.
        seed: Of the randomised decomposition; the same numbers but for the order of sums in a threaded library.

    Raises:
        ValueError: If a path is missing, widths differ, or there are fewer images than directions.
    """
    from sklearn.decomposition import PCA

    read, write, d = model.extractor.linear, model.decoder.linear, model.config.latent_dim
    if read is None or write is None or model.config.extractor.feature_dim != d:
        raise ValueError("expected linear paths in extractor and decoder, and features as wide as codes")
    if len(pixels) <= d:
        raise ValueError(f"expected more than {d} images for as many directions, got {len(pixels)}")
    flat = pixels.flatten(1)
    found = PCA(d, svd_solver="randomized", random_state=seed).fit(flat.numpy())
    directions, mean = torch.from_numpy(found.components_).float(), torch.from_numpy(found.mean_).float()
    deviation = torch.from_numpy(found.explained_variance_).float().sqrt().clamp(min=1e-6)
    spread = deviation ** (1 - whitening)  # of each direction of z
    read.weight.copy_(directions / (deviation**whitening * spread.norm() / math.sqrt(d))[:, None])
    read.bias.copy_(-read.weight @ mean)
    codes = read(flat)
    if model.config.particle.is_spherical:
        codes = nn.functional.normalize(codes, dim=-1) * math.sqrt(d)
    codes = torch.cat([codes, codes.new_ones(len(codes), 1)], dim=1)
    solution = torch.linalg.lstsq(codes, torch.logit(flat.clamp(_DARKEST, 1 - _DARKEST))).solution
    write.weight.copy_(solution[:-1].T)
    write.bias.copy_(solution[-1])
    for layer in (*model.extractor.dense[-1:], model.decoder.out):
        for parameter in layer.parameters():
            parameter.zero_()
