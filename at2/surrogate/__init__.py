"""What is believed about a new task, given the learning curves of earlier ones.

A `Surrogate` is fitted to a `History` and gives a `Belief`. Import from here; the modules are the room's own affair.
"""

from at2.surrogate.belief import Belief, Component, Outlook, Prediction, Surrogate
from at2.surrogate.costs import EpochCosts
from at2.surrogate.history import History, RunCurves
from at2.surrogate.kronecker.grid_prior import GridPrior
from at2.surrogate.kronecker.hypothesis import Hypothesis, ScalePrior, pooled_scale_prior
from at2.surrogate.kronecker.mixture import MixtureBelief
from at2.surrogate.kronecker.posterior import GridPosterior
from at2.surrogate.kronecker.surrogate import KroneckerGP
from at2.surrogate.numerics.normal import normal_density, normal_share
from at2.surrogate.registry import make_surrogate, surrogate_names
from at2.surrogate.transfer import WeightedSources
from at2.surrogate.warp import IdentityWarp, LogitWarp, Warp, choose_warp, gauss_hermite, unwarp_moments

__all__ = [
    "Belief",
    "Component",
    "EpochCosts",
    "GridPosterior",
    "GridPrior",
    "History",
    "Hypothesis",
    "IdentityWarp",
    "KroneckerGP",
    "LogitWarp",
    "MixtureBelief",
    "Outlook",
    "Prediction",
    "RunCurves",
    "ScalePrior",
    "Surrogate",
    "Warp",
    "WeightedSources",
    "choose_warp",
    "gauss_hermite",
    "make_surrogate",
    "normal_density",
    "normal_share",
    "pooled_scale_prior",
    "surrogate_names",
    "unwarp_moments",
]
