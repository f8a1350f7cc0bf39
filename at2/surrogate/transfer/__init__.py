"""The default surrogate: a target curve is a weighted sum of source curves plus a deviation of its own.

Symbols, in every module of this folder:

======== ============================================================= =====================================
symbol   meaning                                                       shape
======== ============================================================= =====================================
``Z``    standardized source curves, the best of each curve appended   ``(n_source, n_config, n_column)``
``mu``   their mean: the target's curves before any reading            ``(n_config, n_column)``
``g``    further rises of the mean curves (see `fitted.rises`)         ``(n_config, n_column)``
``F``    source curves, to be weighed                                  ``(n_source, n_config, n_column)``
``c``    what all configurations have in common beyond the location    ``(n_column,)``
``Kc``   covariance of deviations between configurations               ``(n_config, n_config)``
``Ke``   covariance of deviations between columns                      ``(n_column, n_column)``
``y``    a reading of the target in latent units                       scalar
``m, s`` unknown location and scale of the target                      scalars
======== ============================================================= =====================================

``n_column`` is the number of epochs plus one: the last column is the best of the curve, which is what a configuration
is worth. The model is ``y = m + s (mu - v g + F' w + c + level + shape)`` with weights ``w ~ N(0, tau^2 / n_source)``
of the source curves, an unknown ``v`` by which the target's rises exceed those expected of it, and two deviations of
the target's own: ``level ~ N(0, delta Kc (x) a a')`` in what configurations are worth, with ``a`` the loading of each
column on the last one, and ``shape ~ N(0, gamma Kc (x) (Ke - a a'))`` in how curves get there, noise of readings
included. ``tau, delta, gamma`` and ``s`` are averaged over a grid, weighted by how well each explains the readings;
everything else is exact. Where tasks have units of their own, or the target's readings lie where no source lets them
lie, ``m`` and ``s`` come from those readings (see `view`). Trainings that never learn, on sources and on the
target, are told apart beforehand (see `fitted.failures` and `watched`). Keeping the two deviations apart is what keeps
the model honest: a flat or smooth curve says that curves are smooth, not that configurations are alike.

`fitted` learns the prior from the sources, once per history; `conditioned` holds hypotheses and their posterior given
the target's readings; `watched` looks for trainings that fail or fall and for curves that stay on a plateau. `belief`
puts these together, `settling` and `view` begin again where the target is unlike its sources, `cold` starts without
any.
"""

from at2.surrogate.transfer.surrogate import WeightedSources

__all__ = ["WeightedSources"]
