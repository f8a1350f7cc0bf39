"""What every rival on a table needs: its configurations as ids and plain dicts."""

from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from at2.tables import LearningCurveTable


def config_at(table: "LearningCurveTable", row: int) -> tuple[Any, dict[str, Any]]:
    """Give the id and the active hyperparameters of the configuration in one row of ``table.configs``."""
    config_id = table.configs.index[row]
    values = {name: table.configs[name].iloc[row] for name in table.configs.columns}
    return _plain(config_id), {name: _plain(value) for name, value in values.items() if not pd.isna(value)}


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
