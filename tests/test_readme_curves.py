"""The tables of curve predictors in the README are the committed ones."""

import re
from pathlib import Path

import pandas as pd
import pytest

from at2.bench.curves.stopping import stopping_markdown
from at2.bench.curves.tables import curves_markdown
from at2.bench.curves.tuning import tuning_markdown

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8") + (ROOT / "docs" / "curves.md").read_text(encoding="utf-8")
WRITE = {
    "curves.csv": curves_markdown,
    "curves-tasks.csv": curves_markdown,
    "curves-accuracy.csv": lambda summary: curves_markdown(summary, unit=100.0, with_validation=True),
    "curves-stopping.csv": stopping_markdown,
    "curves-tuning.csv": tuning_markdown,
}
NAMES = re.findall(r"^<!-- curves docs/results/(\S+) -->$", TEXT, flags=re.MULTILINE)


def test_there_are_tables() -> None:
    assert "curves.csv" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_table_is_the_committed_one(name: str) -> None:
    block = TEXT.split(f"<!-- curves docs/results/{name} -->\n")[1].split("\n<!-- end -->")[0]
    assert block == WRITE[name](pd.read_csv(ROOT / "docs" / "results" / name))
