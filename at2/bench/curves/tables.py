"""The results of curve predictors as tables: means over seeds with t-intervals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from at2.bench.curves.cases import iterate_names
from at2.bench.statistics import mean_interval
from at2.tables.storage.markdown import markdown_table

__all__ = ["PUBLISHED", "curves_markdown", "summarize_curves"]

PUBLISHED = {
    "cnn": (11.63, 9.20),
    "lstm": (8.01, 6.30),
    "cnn-lstm": (8.40, 6.40),
    "cnn-tuned": (8.69, 6.99),
    "lstm-tuned": (10.79, 9.28),
}
"""Published squared errors on validation and test, in squared percentage points of Fashion-MNIST's accuracy with 2,000
configurations; for orientation, because the accuracies here have 100 configurations a task."""

_KEYS = {"task": "task", "predictor": "predictor", "n_own": "own curves"}
_COLUMNS = {
    "mse": "squared error",
    "mae": "absolute error",
    "r2": "R2",
    "rank_correlation": "rank corr.",
    "nll": "NLL",
    "crps": "CRPS",
    "coverage": "90 % covers",
}


def summarize_curves(results: pd.DataFrame) -> pd.DataFrame:
    """Average the measures over seeds.

    Args:
        results: Frame of `at2.bench.curves.cases.run_cases`.

    Returns:
        A row per data, protocol, number of own curves and predictor, in the order of the results: the mean of each
        measure, the half width of its 95 % t-interval (``<measure>_half``, NaN with one seed), and ``n_seed``.
    """
    named = results.assign(
        predictor=list(iterate_names(results)), data=results["data"].map(lambda text: Path(str(text)).stem)
    )
    rows = []
    keys = ["data", "task", "protocol", "n_own", "prefix", "predictor"]
    for key, group in named.groupby(keys, sort=False, dropna=False):
        row = dict(zip(keys, key, strict=True)) | {"n_seed": len(group)}
        for measure in (*_COLUMNS, "val_mse", "fit_s"):
            values = group[measure].dropna().to_numpy(dtype=np.float64)
            found = mean_interval(values) if len(values) else None
            row[measure] = np.nan if found is None else found.value
            row[f"{measure}_half"] = np.nan if found is None or found.half_width is None else found.half_width
        rows.append(row)
    return pd.DataFrame(rows)


def curves_markdown(summary: pd.DataFrame, *, unit: float = 1.0, with_validation: bool = False) -> str:
    """Write a summary as a Markdown table.

    Args:
        summary: Frame of `summarize_curves`, or the CSV it was written to.
        unit: Factor on the errors, 100 for percentage points (squared errors take its square).
        with_validation: Show only the squared errors on validation and test, beside the `PUBLISHED` ones.

    Example:
        >>> row = {"predictor": "last", "n_seed": 2, "val_mse": 0.2, "val_mse_half": 0.1, "mse": 0.1}
        >>> print(curves_markdown(pd.DataFrame([row]), with_validation=True))
        | predictor | seeds | validation | test | published, other data |
        |---|--:|--:|--:|--:|
        | last | 2 | 0.2 ± 0.1 | 0.1 |  |
    """
    columns = {"val_mse": "validation", "mse": "test"} if with_validation else _COLUMNS
    powers = {"mse": 2, "val_mse": 2, "mae": 1, "crps": 1}
    keys = [name for name in _KEYS if name == "predictor" or _differs(summary, name)]
    heads = [*(_KEYS[name] for name in keys), "seeds", *columns.values()]
    lines = []
    for row in summary.to_dict("records"):
        cells = [_cell(row, str(name), unit ** powers.get(name, 0)) for name in columns]
        lines.append([*(_key(row[name]) for name in keys), str(row["n_seed"]), *cells])
        if with_validation:
            lines[-1].append(" / ".join(f"{value:.2f}" for value in PUBLISHED.get(str(row["predictor"]), ())))
    return markdown_table([*heads, "published, other data"] if with_validation else heads, lines)


def _differs(summary: pd.DataFrame, name: str) -> bool:
    return name in summary and summary[name].nunique(dropna=False) > 1


def _key(value: object) -> str:
    """Write what tells rows apart; no task, NaN in a CSV, stands for all of them together."""
    return "all" if value == "" or value != value else str(value)


def _cell(row: dict[object, object], name: str, factor: float) -> str:
    """Write a mean and its interval to three significant digits, shares as percentages."""
    value, half = (float(str(row.get(key, "nan"))) * factor for key in (name, f"{name}_half"))
    if value != value:
        return ""
    if name == "coverage":
        return f"{100 * value:.0f} %" + ("" if half != half else f" ± {100 * half:.0f}")
    if name in ("r2", "rank_correlation"):
        return f"{value:.4f}" + ("" if half != half else f" ± {half:.4f}")
    return f"{value:.3g}" + ("" if half != half else f" ± {half:.2g}")
