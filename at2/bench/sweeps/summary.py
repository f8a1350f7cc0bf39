"""The runs of a record side by side: a row for each run, a table for the screen, means for each database."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from at2.bench.sweeps.plan import RunConfig
from at2.bench.sweeps.record import RunFolder
from at2.errors import FileError
from at2.tables.storage.markdown import markdown_table

MEASURES = ("regret", "rank", "best_seen_regret")


def summarize(record: Path, runs: Sequence[RunConfig]) -> pd.DataFrame:
    """Give one row for each run: what was asked and where it ended.

    Args:
        record: Folder that holds the runs' folders.
        runs: Runs to summarize, all complete.

    Returns:
        Frame with the columns database, number, target, tuner, seed, budget_epochs, regret, rank, best_seen_regret (NaN
        where nothing was trained), n_epochs and config_id, in the order of ``runs``.

    Raises:
        FileError: If a run is not complete.
    """
    return pd.DataFrame([_row(record, run) for run in runs])


def _row(record: Path, run: RunConfig) -> dict[str, Any]:
    final = _result(record, run)["final"]
    asked = {name: getattr(run, name) for name in ("database", "number", "target", "tuner", "seed", "budget_epochs")}
    return asked | {name: final[name] for name in (*MEASURES, "n_epochs", "config_id")}


def _result(record: Path, run: RunConfig) -> dict[str, Any]:
    folder = RunFolder(record, run)
    result = folder.read_result()
    if result is None:
        raise FileError(
            f"the run {folder.path} is not complete; call the sweep again, it goes on there", path=folder.path
        )
    return result


def traces(record: Path, runs: Sequence[RunConfig]) -> pd.DataFrame:
    """Give the standing of each run after each epoch of its budget.

    A tuner that spends less than its budget keeps its last standing.

    Returns:
        Frame with the columns database, number, target, tuner, seed, n_epochs, regret, rank and best_seen_regret.
    """
    frames = []
    for run in runs:
        trace = (
            pd.DataFrame(_result(record, run)["trace"]).drop_duplicates("n_epochs", keep="last").set_index("n_epochs")
        )
        frame = trace.reindex(range(run.budget_epochs + 1), method="ffill").reset_index()
        for name in ("seed", "tuner", "target", "number", "database"):
            frame.insert(0, name, getattr(run, name))
        frames.append(frame.drop(columns="config_id"))
    return pd.concat(frames, ignore_index=True)


def side_by_side(summary: pd.DataFrame) -> pd.DataFrame:
    """Put the tuners of a summary beside each other, with the mean of each database below its pairs.

    Args:
        summary: Frame of `summarize`; several seeds are averaged.

    Returns:
        Frame indexed by (database, target); the target ``"mean"`` closes each database. Columns are pairs of tuner and
        ``regret``, ``rank`` or ``best_seen_regret``.
    """
    tuners = list(dict.fromkeys(summary["tuner"]))
    blocks = [_database_side_by_side(rows, tuners) for _, rows in summary.groupby("database", sort=False)]
    return pd.concat(blocks).rename_axis(["database", "target"])


def _database_side_by_side(rows: pd.DataFrame, tuners: Sequence[str]) -> pd.DataFrame:
    """Do `side_by_side` for one database."""
    means = rows.groupby(["database", "number", "target", "tuner"])[list(MEASURES)].mean()
    pairs = pd.DataFrame(means.unstack("tuner")).reorder_levels([1, 0], axis="columns").droplevel("number")
    pairs = pairs.reindex(columns=pd.MultiIndex.from_product([tuners, MEASURES]))
    pairs.loc[(rows["database"].iloc[0], "mean"), :] = pairs.mean()
    return pairs


def markdown(pairs: pd.DataFrame) -> str:
    """Write the frame of `side_by_side` as a Markdown table: regret, and the true rank in brackets.

    Example:
        >>> columns = pd.MultiIndex.from_product([["at2"], MEASURES])
        >>> index = pd.MultiIndex.from_tuples([("tiny", "mean")], names=["database", "target"])
        >>> print(markdown(pd.DataFrame([[0.25, 3.5, 0.5]], index=index, columns=columns)))
        | database | target | at2 |
        |---|---|--:|
        | tiny | mean | 0.2500 (3.5) |
    """
    tuners = list(dict.fromkeys(pairs.columns.get_level_values(0)))
    rows = ([database, target, *cells(pairs, database, target)] for database, target in pairs.index.to_list())
    return markdown_table(["database", "target", *tuners], rows, n_left=2)


def cells(pairs: pd.DataFrame, database: str, target: str) -> list[str]:
    """Give regret and rank of each tuner on one target as text."""
    row = pairs.loc[[(database, target)]].iloc[0]
    tuners = dict.fromkeys(pairs.columns.get_level_values(0))
    return [f"{row[tuner, 'regret']:.4f} ({row[tuner, 'rank']:.4g})" for tuner in tuners]
