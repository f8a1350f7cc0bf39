"""The rules that at2 has to beat, on the authors' tables: four sources, 100 epochs, ten draws."""

import numpy as np
import pytest

from at2.bench.regret.contest import Match, play_match
from at2.bench.replay.protocols import Protocol, list_cases
from at2.recommend import Budget
from at2.tables import load_table


@pytest.mark.authors
@pytest.mark.slow
@pytest.mark.usefixtures("hyperrec", "lcbench")
@pytest.mark.parametrize(
    ("database", "rival", "regret"),
    [
        ("lcbench", "mean-final", 0.1319),
        ("lcbench", "shortlist-5x10", 0.0575),
        ("lcbench", "shortlist-8x4", 0.0509),
        ("lcbench", "shortlist-16x2", 0.0495),
        ("hyperrec", "mean-final", 0.0255),
        ("hyperrec", "shortlist-5x10", 0.0195),
        ("hyperrec", "shortlist-8x4", 0.0349),
        ("hyperrec", "shortlist-16x2", 0.0455),
    ],
)
def test_the_simple_rules(database: str, rival: str, regret: float) -> None:
    cases = list_cases(Protocol("loo", n_source=4, n_draw=10), load_table(database), database=database)
    results = [play_match(Match(database, rival, case, (Budget(epochs=100),)))[0] for case in cases]
    assert np.mean([result["regret"] for result in results]) == pytest.approx(regret, abs=1e-4)
