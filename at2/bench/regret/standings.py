"""Who stands where: the results of a regret bench, one row for each rival under each budget."""

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from at2.bench.statistics import average_ranks, mean_interval, paired_comparison, shares_won, standard_error

GROUP = ["database", "protocol", "unit", "budget"]
_CASE = ["draw", "seed", "target"]


def summarize_results(results: pd.DataFrame, *, reference: str = "at2") -> pd.DataFrame:
    """Summarize results by database, protocol, budget and rival.

    Means are taken over the targets of a draw, and then over draws and seeds; their standard error is that between
    draws and seeds, NaN where there is one; ``regret_half_width`` is that of the Student-t interval over targets, each
    with the mean of its draws. Ranks, wins and differences count the cases that all rivals of the group
    have, and each of those is one target with one drawing of its sources. Intervals of differences are by bootstrap
    over targets, since cases of one target are not independent.

    Args:
        results: Frame of `at2.bench.regret.results.read_results`.
        reference: The rival that the others are compared with; differences are a rival's regret minus its.

    Returns:
        Frame with the columns database, protocol, unit, budget, rival, regret, regret_se, regret_half_width,
        best_seen_regret, best_seen_se, rank, critical_difference, won, difference, difference_se, difference_low,
        difference_high, p_value, n_epochs, n_configs, n_steps, train_s, overhead_s, n_case, n_draw, n_failed; the best
        regret first.
    """
    blocks = [_summarize_group(dict(zip(GROUP, key, strict=True)), rows, reference) for key, rows in _groups(results)]
    return pd.concat([pd.DataFrame(block) for block in blocks], ignore_index=True)


def _groups(results: pd.DataFrame) -> list[tuple[tuple[Hashable, ...], pd.DataFrame]]:
    return [(key if isinstance(key, tuple) else (key,), rows) for key, rows in results.groupby(GROUP, sort=True)]


def _summarize_group(group: dict[str, Any], rows: pd.DataFrame, reference: str) -> list[dict[str, Any]]:
    sound = rows[rows["error"].isna()]
    n_failed = (rows["error"].notna()).groupby(rows["rival"]).sum().to_dict()
    common = sound.pivot_table(index=_CASE, columns="rival", values="regret").dropna() if len(sound) else sound
    compared = _compare(common, reference) if len(common) else {}
    found = []
    for rival, own in sound.groupby("rival", sort=False):
        row = {**group, "rival": rival, **_means(own), **compared.get(str(rival), {})}
        found.append({**row, "n_failed": int(n_failed.get(rival, 0))})
    found += [
        {**group, "rival": rival, "n_case": 0, "n_draw": 0, "n_failed": int(n)}
        for rival, n in n_failed.items()
        if rival not in set(sound["rival"])
    ]
    return sorted(found, key=lambda row: float(row.get("regret", np.inf)))


def _means(own: pd.DataFrame) -> dict[str, Any]:
    """Means of one rival over its own cases."""
    by_draw = own.groupby(["draw", "seed"])
    regret = by_draw["regret"].mean()
    seen = by_draw["best_seen_regret"].mean().dropna()
    names = [name for name in ("n_epochs", "n_configs", "n_steps", "train_s", "overhead_s") if name in own]
    means = {name: float(pd.to_numeric(own[name]).mean()) for name in names}
    return {
        "regret": float(regret.mean()),
        "regret_se": standard_error(regret),
        "regret_half_width": mean_interval(own.groupby("target")["regret"].mean()).half_width,
        "best_seen_regret": float(seen.mean()) if len(seen) else np.nan,
        "best_seen_se": standard_error(seen) if len(seen) else np.nan,
        **means,
        "n_case": len(own),
        "n_draw": len(regret),
    }


def _compare(common: pd.DataFrame, reference: str) -> dict[str, dict[str, Any]]:
    """Ranks, wins and differences over the cases that all rivals have."""
    ranks = average_ranks(common.to_numpy())
    won = shares_won(common.to_numpy())
    found = {
        str(rival): {"rank": float(rank), "critical_difference": ranks.critical_difference, "won": float(share)}
        for rival, rank, share in zip(common.columns, ranks.average, won, strict=True)
    }
    if reference in common.columns:
        by_target, by_draw = common.groupby("target").mean(), common.groupby(["draw", "seed"]).mean()
        for rival in common.columns:
            if rival == reference:
                continue
            paired = paired_comparison(by_target[rival].to_numpy(), by_target[reference].to_numpy())
            found[str(rival)] |= {
                "difference": paired.difference,
                "difference_se": standard_error(by_draw[rival] - by_draw[reference]),
                "difference_low": paired.low,
                "difference_high": paired.high,
                "p_value": paired.p_value,
            }
    return found
