"""at2 recommends a training configuration for a new task from the learning curves of earlier ones.

The public names below are imported on first use, so that ``import at2`` loads neither torch nor pandas.

Example:
    >>> import at2
    >>> "Recommender" in dir(at2)
    True
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from at2.errors import At2Error

if TYPE_CHECKING:
    from at2.recommend import Budget, Query, Recommendation, Recommender, SampledCandidates
    from at2.recommend.live import TuneResult, tune
    from at2.space import SearchSpace, hyperrec_small_space, hyperrec_space, lcbench_space
    from at2.tables import (
        LearningCurveTable,
        Metric,
        concat,
        from_optuna,
        load_table,
        published_pairs,
        rescale_epochs,
        to_optuna,
    )

__version__ = "0.1.0"

__all__ = [
    "At2Error",
    "Budget",
    "LearningCurveTable",
    "Metric",
    "Query",
    "Recommendation",
    "Recommender",
    "SampledCandidates",
    "SearchSpace",
    "TuneResult",
    "concat",
    "from_optuna",
    "hyperrec_small_space",
    "hyperrec_space",
    "lcbench_space",
    "load_table",
    "published_pairs",
    "rescale_epochs",
    "to_optuna",
    "tune",
]

_ROOM_OF = {
    "SearchSpace": "at2.space",
    "hyperrec_small_space": "at2.space",
    "hyperrec_space": "at2.space",
    "lcbench_space": "at2.space",
    "LearningCurveTable": "at2.tables",
    "Metric": "at2.tables",
    "concat": "at2.tables",
    "from_optuna": "at2.tables",
    "load_table": "at2.tables",
    "published_pairs": "at2.tables",
    "rescale_epochs": "at2.tables",
    "to_optuna": "at2.tables",
    "Budget": "at2.recommend",
    "Query": "at2.recommend",
    "Recommendation": "at2.recommend",
    "Recommender": "at2.recommend",
    "SampledCandidates": "at2.recommend",
    "TuneResult": "at2.recommend.live",
    "tune": "at2.recommend.live",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its room when it is first asked for (PEP 562)."""
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'at2' has no attribute {name!r}; its public names are {', '.join(__all__)}")
    value = getattr(import_module(_ROOM_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
