"""What the documents say about control is true."""

import re
from pathlib import Path

import pandas as pd
import pytest

from at2.bench.control.controllers import control_markdown
from at2.control.controllers import controller_names

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "control.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("document", ["README.md", "docs/control.md"])
def test_the_table_of_controllers_is_the_committed_one(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    block = text.split("<!-- control -->\n")[1].split("\n<!-- end of control -->")[0]
    assert block == control_markdown(pd.read_csv(ROOT / "docs" / "results" / "control.csv"))


def test_the_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    code = re.search(r"^```python\n(.*?)^```", GUIDE, flags=re.MULTILINE | re.DOTALL)
    assert code is not None
    exec(compile(code[1], "docs/control.md", "exec"), {})
    assert capsys.readouterr().out == "True\n"


def test_every_controller_is_described() -> None:
    rows = GUIDE[GUIDE.index("## Controllers") :]
    assert [name for name in controller_names() if f"`{name}`" not in rows] == []
