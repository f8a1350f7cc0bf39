"""Image classification tasks: from arrays, files, folders, and a family that needs no download."""

from at2.training.tasks.image_task import FRACTIONS, ImageTask, Split
from at2.training.tasks.loading import load_task, task_names

__all__ = ["FRACTIONS", "ImageTask", "Split", "load_task", "task_names"]
