"""Networks small enough for tests."""

from images_ext.targets.reference import ReferenceConfig
from images_ext.targets.residual import ResidualConfig

TINY_RESIDUAL = ResidualConfig((1, 8, 8), 3, stem_width=2, group_widths=(2, 4), num_units=1)
TINY_REFERENCE = ReferenceConfig((1, 8, 8), 3, widths=(2, 4), hidden_dim=5, dropout=0.5)
