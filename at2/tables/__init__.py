"""What has been observed: learning curves of many configurations on many tasks."""

from at2.tables.batches import BatchSeries
from at2.tables.schema import Metric, RunStatus
from at2.tables.table import LearningCurveTable
