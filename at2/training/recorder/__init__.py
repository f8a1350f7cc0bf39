"""The recorder: every configuration on every task, everything written down, safe to kill at any moment."""

from at2.training.recorder.plan import SPACES, Recipe
from at2.training.recorder.record import Progress, record
from at2.training.recorder.series import METRICS

__all__ = ["METRICS", "SPACES", "Progress", "Recipe", "record"]
