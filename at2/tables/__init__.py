"""What has been observed: learning curves of many configurations on many tasks.

Importing this room loads pandas and numpy; h5py, pooch and ConfigSpace are loaded when they are needed.
"""

from at2.tables.concat import concat
from at2.tables.importer import ImportReport
from at2.tables.lengths import rescale_epochs
from at2.tables.optuna.export import to_optuna
from at2.tables.optuna.studies import from_optuna
from at2.tables.published.authors import Pair, published_pairs
from at2.tables.published.catalog import TableEntry, imported_path, list_tables, load_table
from at2.tables.published.fetch import fetch_tables
from at2.tables.published.unpickle import load_plain
from at2.tables.schema import HYPERREC_BATCH_METRICS, HYPERREC_METRICS, HYPERREC_SPLIT, Metric, RunStatus
from at2.tables.storage.batches import BatchSeries
from at2.tables.storage.files import data_path, home_folder, whole_file
from at2.tables.table import LearningCurveTable

__all__ = [
    "HYPERREC_BATCH_METRICS",
    "HYPERREC_METRICS",
    "HYPERREC_SPLIT",
    "BatchSeries",
    "ImportReport",
    "LearningCurveTable",
    "Metric",
    "Pair",
    "RunStatus",
    "TableEntry",
    "concat",
    "data_path",
    "fetch_tables",
    "from_optuna",
    "home_folder",
    "imported_path",
    "list_tables",
    "load_plain",
    "load_table",
    "published_pairs",
    "rescale_epochs",
    "to_optuna",
    "whole_file",
]
