"""What can be tuned: nested search spaces on ConfigSpace, their encoding, and the two published ones.

Importing this package loads ConfigSpace, NumPy and pandas, but not torch.
"""

from at2.space.hyperrec import HyperRecConfig, build_optimizer, build_scheduler, hyperrec_small_space, hyperrec_space
from at2.space.lcbench import lcbench_space
from at2.space.parameters import Column
from at2.space.relative import RelativeRange
from at2.space.space import SearchSpace

__all__ = [
    "Column",
    "HyperRecConfig",
    "RelativeRange",
    "SearchSpace",
    "build_optimizer",
    "build_scheduler",
    "hyperrec_small_space",
    "hyperrec_space",
    "lcbench_space",
]
