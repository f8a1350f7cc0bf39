"""Tuning a live training: the user's own function or generator, with checkpoints, a journal and a view."""

from at2.recommend.live.checkpoints import CheckpointStore
from at2.recommend.live.loop import Loop
from at2.recommend.live.objective import Objective, TrainFunction
from at2.recommend.live.progress import Epoch, Leader, Progress, View
from at2.recommend.live.result import TuneResult
from at2.recommend.live.session import Session
from at2.recommend.live.tuning import tune

__all__ = [
    "CheckpointStore",
    "Epoch",
    "Leader",
    "Loop",
    "Objective",
    "Progress",
    "Session",
    "TrainFunction",
    "TuneResult",
    "View",
    "tune",
]
