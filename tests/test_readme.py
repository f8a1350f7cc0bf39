"""What the README says is true: its Python runs, its commands parse, its numbers are the committed ones."""

import re
import shlex
from pathlib import Path

import click
import pandas as pd
import pytest

from at2.bench.live import architectures, compare
from at2.bench.sweeps.summary import markdown, side_by_side
from at2.cli.main import cli

WRITERS = {
    "docs/results/pairs.csv": lambda frame: markdown(side_by_side(frame)),
    "docs/results/digits.csv": lambda frame: markdown(side_by_side(frame)),
    "docs/results/compare.csv": compare.markdown,
    "docs/results/architectures.csv": architectures.markdown,
}
ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)([^\n]*)\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)
PYTHON = [
    pytest.param(code, marks=[getattr(pytest.mark, mark) for mark in marks.split()], id=f"block{number}")
    for number, (language, marks, code) in enumerate(BLOCKS)
    if language == "python"
]
LINES = [line for language, _, code in BLOCKS if language == "bash" for line in code.splitlines()]
COMMANDS = [words for line in LINES if (words := shlex.split(line, comments=True)) and words[0] == "at2"]


RATES = {"slow": 0.1, "medium": 0.4, "fast": 0.2}
LR = {"slow": 1e-3, "medium": 1e-2, "fast": 1e-1}


def _accuracy(name: str, epoch: int, *, ceiling: float) -> float:
    return ceiling * (1 - (1 - RATES[name]) ** epoch)


def _make_studies(storage: str) -> None:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    lr = {"lr": optuna.distributions.FloatDistribution(1e-4, 1.0, log=True)}
    for task, ceiling in (("cats", 0.9), ("dogs", 0.8)):
        study = optuna.create_study(study_name=task, storage=storage, direction="maximize")
        for name in RATES:
            reports = {epoch - 1: _accuracy(name, epoch, ceiling=ceiling) for epoch in range(1, 11)}
            study.add_trial(
                optuna.trial.create_trial(
                    params={"lr": LR[name]}, distributions=lr, intermediate_values=reports, value=reports[9]
                )
            )


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What a reader of the README has: two files and a database of Optuna in the folder, and a function that trains."""
    monkeypatch.chdir(tmp_path)
    pd.DataFrame({"config_id": list(LR), "lr": list(LR.values())}).to_csv("configs.csv", index=False)
    rows = [
        (task, name, epoch, _accuracy(name, epoch, ceiling=ceiling))
        for task, ceiling in [("cats", 0.9), ("dogs", 0.8), ("birds", 0.7)]
        for name in RATES
        for epoch in range(1, 11)
    ]
    pd.DataFrame(rows, columns=["task", "config_id", "epoch", "value"]).to_csv("curves.csv", index=False)
    _make_studies("sqlite:///tuning.db")
    names = {lr: name for name, lr in LR.items()}
    return {
        "__name__": "readme",
        "train": lambda config, epoch: _accuracy(names[config["lr"]], epoch, ceiling=0.85),
    }


@pytest.mark.parametrize("code", PYTHON)
def test_the_python_runs(code: str, user: dict[str, object]) -> None:
    exec(compile(code, "README.md", "exec"), user)


def test_the_first_example_finds_the_best(user: dict[str, object], capsys: pytest.CaptureFixture[str]) -> None:
    code = next(code for language, _, code in BLOCKS if language == "python")
    exec(compile(code, "README.md", "exec"), user)
    assert "Recommendation(config_id='medium', config={'lr': 0.01}" in capsys.readouterr().out


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_commands_parse(words: list[str]) -> None:
    command: click.Command = cli
    context, rest = click.Context(cli), words[1:]
    while isinstance(command, click.Group):
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None
        command, context = found, click.Context(found, info_name=name, parent=context)
    command.make_context(words[1], rest)


def test_the_commands_and_blocks_are_found() -> None:
    assert len(COMMANDS) >= 8
    assert len(PYTHON) >= 3


@pytest.mark.parametrize("name", re.findall(r"^<!-- (\S+\.csv) -->$", TEXT, flags=re.MULTILINE))
def test_the_results_are_the_committed_ones(name: str) -> None:
    block = TEXT.split(f"<!-- {name} -->\n")[1].split("\n<!-- end -->")[0]
    assert block == WRITERS[name](pd.read_csv(ROOT / name))


def test_the_regrets_of_every_task_are_the_committed_ones() -> None:
    results = pd.read_csv(ROOT / "docs" / "results" / "loo.csv").set_index(["rival", "protocol", "database"])
    rows = TEXT.split("<!-- loo -->\n")[1].split("\n<!-- end of loo -->")[0].splitlines()[2:]
    columns = [("loo-4", "hyperrec"), ("loo-4", "lcbench"), ("loo-all", "hyperrec"), ("loo-all", "lcbench")]
    assert len(rows) == results.index.get_level_values("rival").nunique()
    for row in rows:
        rival, *cells = [cell.strip() for cell in row.strip("|").split("|")]
        for cell, column in zip(cells, columns, strict=True):
            found = results.loc[(rival, *column)]
            spread = f" ± {found.regret_se:.4f}" if pd.notna(found.regret_se) else ""
            assert cell == f"{found.regret:.4f}{spread}"


def test_the_ten_pairs_are_in_the_results() -> None:
    results = pd.read_csv(ROOT / "docs" / "results" / "pairs.csv")
    assert results.groupby("tuner")["target"].nunique().to_dict() == {"at2": 10, "average-rank": 10}


def test_the_files_that_the_readme_links_to_exist() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", TEXT) if "://" not in link]
    assert links
    assert all((ROOT / link).exists() for link in links)
