"""The default surrogate: a target curve is a weighted sum of source curves plus a deviation of its own.

Symbols, in every module of this folder:

======== ============================================================= =====================================
symbol   meaning                                                       shape
======== ============================================================= =====================================
``Z``    standardized source curves, the best of each curve appended   ``(n_source, n_config, n_column)``
``mu``   their mean: the target's curves before any reading            ``(n_config, n_column)``
``F``    features whose weights are learnt on the target               ``(n_feature, n_config, n_column)``
``Kc``   covariance of deviations between configurations               ``(n_config, n_config)``
``Ke``   covariance of deviations between columns                      ``(n_column, n_column)``
``y``    a reading of the target in latent units                       scalar
``m, s`` unknown location and scale of the target                      scalars
======== ============================================================= =====================================

``n_column`` is the number of epochs plus one: the last column is the best of the curve, which is what a configuration
is worth. The model is ``y = m + s (mu + p (F' w + deviation) + noise)`` with ``w ~ N(0, tau^2)`` on the source curves,
deviation ``~ N(0, delta Kc (x) Ke)`` and a profile ``p(t) = (t / T)^kappa`` over the epochs. ``tau, delta, kappa`` and
``s`` are averaged over a grid, weighted by how well each explains the readings; everything else is exact.
"""

from at2.surrogate.transfer.surrogate import WeightedSources

__all__ = ["WeightedSources"]
