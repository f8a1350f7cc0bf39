"""How new curves are made: networks, schedules, tasks, the training loop, and the recorder.

Importing this room loads torch.
"""

from at2.training.checkpoint import read_checkpoint, write_checkpoint
from at2.training.loop import Training
from at2.training.networks import build_network, network_names
from at2.training.results import BatchResult, EpochResult, Scores
from at2.training.schedules import DoublingTriangular, doubling_triangular
from at2.training.tasks import ImageTask, Split, load_task, task_names

__all__ = [
    "BatchResult",
    "DoublingTriangular",
    "EpochResult",
    "ImageTask",
    "Scores",
    "Split",
    "Training",
    "build_network",
    "doubling_triangular",
    "load_task",
    "network_names",
    "read_checkpoint",
    "task_names",
    "write_checkpoint",
]
