"""What was compared: for each database, protocol and budget the standings, the ranks and the curves of regret."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from at2.bench.regret.standings import GROUP, summarize_results
from at2.bench.report.curves import UNTIMED, Axis, epoch_axis, regret_curves, second_axis

if TYPE_CHECKING:
    import pandas as pd

OVERALL = "all targets"
_COLUMNS = (
    "rival",
    "regret",
    "regret_half_width",
    "best_seen_regret",
    "rank",
    "won",
    "difference",
    "difference_low",
    "difference_high",
    "p_value",
    "n_epochs",
    "n_configs",
    "n_steps",
    "train_s",
    "overhead_s",
    "relative",
    "n_case",
    "n_failed",
)


def compare(runs: pd.DataFrame) -> list[dict[str, Any]]:
    """Give one comparison for each database, protocol and budget, those of most runs first.

    Args:
        runs: The frame of `at2.bench.report.reading.Record`.

    Returns:
        Plain JSON values: names, ``headline``, ``rows`` (the standings, the best first), ``critical_difference``,
        ``axes`` (for epochs, and for seconds where they are known, the ``grid`` and for each target and for all of
        them the ``curves`` of each rival), and ``notes`` on what is missing.
    """
    summary = summarize_results(runs)
    found = []
    for key, standings in summary.groupby(GROUP, sort=False):
        names = dict(zip(GROUP, key, strict=True))
        rows = runs[(runs[GROUP] == list(key)).all(axis=1)]
        found.append(_compare_group(names, rows, standings))
    return sorted(found, key=lambda comparison: -int(comparison["n_run"]))


def _compare_group(names: dict[str, Any], rows: pd.DataFrame, standings: pd.DataFrame) -> dict[str, Any]:
    sound = rows[rows["error"].isna()]
    records = records_of(sound)
    axes, notes = _axes(names, records)
    relative = (sound["n_epochs"] / sound["n_epoch"].astype(float)).groupby(sound["rival"]).mean()
    table = [_row({**row, "relative": relative.get(row["rival"])}) for row in records_of(standings)]
    distances = [row.get("critical_difference") for row in records_of(standings)]
    database = Path(str(names["database"])).stem
    return {
        "database": database,
        **{name: names[name] for name in GROUP[1:]},
        "title": f"{database} \u00b7 {names['protocol']} \u00b7 {names['budget']:g} {names['unit']}",
        "headline": headline(table, n_target=sound["target"].nunique()),
        "n_run": len(sound),
        "n_target": int(sound["target"].nunique()),
        "n_draw": int(sound.groupby(["draw", "seed"]).ngroups),
        "rows": table,
        "critical_difference": next((known for each in distances if (known := _plain(each)) is not None), None),
        "axes": axes,
        "notes": [*notes, *_uneven(table)],
    }


def records_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Give the rows of a frame as dicts by the names of its columns."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _axes(names: dict[str, Any], records: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """Draw regret against epochs and, where they are known, against seconds."""
    if not records:
        return [], ["every run failed"]
    axes, notes = [epoch_axis(names["budget"] if names["unit"] == "epochs" else None, records)], []
    seconds = second_axis(records)
    if seconds is None:
        notes.append(
            "Regret against seconds is missing: some of these runs were recorded by a version of at2 that kept no "
            "times; run them again with --fresh."
        )
    else:
        axes.append(seconds)
        if seconds.title == UNTIMED:
            notes.append("The table has no times of training: seconds are those of the tuners alone.")
    return [_draw(axis, records) for axis in axes], notes


def _draw(axis: Axis, records: list[dict[str, Any]]) -> dict[str, Any]:
    """Average the runs of each rival, over all targets and for each."""
    targets = list(dict.fromkeys(str(run["target"]) for run in records))
    rivals = list(dict.fromkeys(str(run["rival"]) for run in records))
    curves: dict[str, dict[str, Any]] = {}
    for target in [OVERALL, *targets]:
        for rival in rivals:
            rows = [run for run in records if run["rival"] == rival and target in (OVERALL, run["target"])]
            if rows:
                curves.setdefault(target, {})[rival] = regret_curves(rows, axis)
    grid = [float(f"{point:.4g}") for point in axis.grid]
    return {"name": axis.name, "title": axis.title, "grid": grid, "curves": curves}


def headline(table: list[dict[str, Any]], *, n_target: int) -> str:
    """Say in a sentence or two how at2 compares with the best of the others."""
    known = [row for row in table if row["regret"] is not None]
    own = next((row for row in known if row["rival"] == "at2"), None)
    others = [row for row in known if row is not own]
    targets = f"{n_target} target{'' if n_target == 1 else 's'}"
    if not known:
        return "Every run failed; the reasons are below."
    if own is None:
        best = known[0]
        return f"Of {len(known)} tuners on {targets}, {best['rival']} has the lowest regret, {best['regret']:.4f}."
    said = f"On {targets}, at2 ends with a mean regret of {own['regret']:.4f}"
    if not others:
        return f"{said}. Nothing else was run beside it."
    best = others[0]
    said += f"; the best of {len(others)} other{'' if len(others) == 1 else 's'} is {best['rival']} with "
    said += f"{best['regret']:.4f}."
    low, high = best["difference_low"], best["difference_high"]
    if low is None:
        return said
    sure = "which is more than chance" if low > 0 or high < 0 else "which may be chance"
    return f"{said} Their difference is {best['difference']:+.4f}, 95 % interval {low:+.4f} to {high:+.4f}, {sure}."


def _row(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _plain(row.get(name)) for name in _COLUMNS}


def _plain(value: Any) -> Any:
    """Give a value as JSON can hold it, numbers in six digits; None stands for NaN."""
    if value is None or isinstance(value, str):
        return value
    number = float(value)
    return float(f"{number:.6g}") if math.isfinite(number) else None


def _uneven(table: list[dict[str, Any]]) -> list[str]:
    """Say which rivals have fewer cases than the others: ranks and differences count the common ones only."""
    most = max((row["n_case"] or 0 for row in table), default=0)
    fewer = [f"{row['rival']} ({row['n_case'] or 0:g} of {most:g})" for row in table if (row["n_case"] or 0) < most]
    if not fewer:
        return []
    return [f"Not all rivals have all cases: {', '.join(fewer)}. Ranks and differences count the common ones."]
