from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from at2.bench.curves.cases import CurveCase, measure_case, plan_cases, run_cases, scores
from at2.bench.curves.figures import draw_tuning
from at2.bench.curves.stopping import StoppingStudy, replay, run_stopping, summarize_stopping
from at2.bench.curves.tables import curves_markdown, summarize_curves
from at2.bench.curves.tuning import TuningStudy, compare_tuners, summarize_proposals, summarize_tuning, tuning_markdown
from at2.cli.main import cli
from at2.curves import CurveSet
from at2.curves.prediction import CurvePrediction, Law
from at2.curves.warp import CurveWarp
from at2.errors import FileError, PredictorError, ShapeError
from at2.tables import LearningCurveTable, Metric


@pytest.fixture(scope="module")
def table_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    rng = np.random.default_rng(0)
    configs = pd.DataFrame({"lr": rng.uniform(0.01, 1, 30), "decay": rng.uniform(size=30)})
    epochs = np.arange(1, 11)
    curves = [
        1
        - (0.2 + 0.1 * task + 0.3 * configs["decay"].to_numpy()[:, None])
        - 0.5 * np.exp(-np.outer(configs["lr"], epochs))
        for task in range(3)
    ]
    table = LearningCurveTable(
        {"val_acc": np.stack(curves)[:, None]},
        tasks=["a", "b", "c"],
        configs=configs,
        metrics=[Metric("val_acc", maximize=True)],
    )
    path = tmp_path_factory.mktemp("curves") / "table.h5"
    table.to_hdf5(path)
    return str(path)


def test_scores_of_a_known_prediction() -> None:
    truth = np.array([1.0, 2.0, 3.0])
    far = np.full(3, np.inf)
    law = Law(truth + 0.1, np.full(3, 0.2), np.full(3, 50.0), CurveWarp(), -far, far)
    found = scores(CurvePrediction.from_law(law, (0.5,)), truth)
    assert found["mse"] == pytest.approx(0.01)
    assert found["mae"] == pytest.approx(0.1)
    assert found["r2"] == pytest.approx(1 - 0.03 / 2)
    assert found["rank_correlation"] == pytest.approx(1)
    assert found["coverage"] == 1
    assert np.isnan(scores(CurvePrediction.point(truth, (0.5,)), truth)["nll"])


def test_cases_are_kept_and_not_measured_again(table_path: str, tmp_path) -> None:
    cases = plan_cases(table_path, ["last", "power-law"], [0, 1], task="a", prefix=4)
    seen: list[str] = []
    results = tmp_path / "runs.csv"
    first = run_cases(cases, results=results, jobs=0, on_case=lambda case, text: seen.append(text))
    again = run_cases(cases, results=results, jobs=0, on_case=lambda case, text: seen.append(text))
    assert len(seen) == len(first) == 4
    assert np.allclose(first["mse"], again["mse"])
    summary = summarize_curves(again)
    assert summary["n_seed"].tolist() == [2, 2]
    turned = run_cases(cases[::-1], results=results, jobs=0)
    assert turned["predictor"].tolist() == [case.predictor for case in cases[::-1]]
    assert "| last |" in curves_markdown(summary)
    assert "| seeds | validation | test | published" in curves_markdown(summary, unit=100.0, with_validation=True)


def test_one_task_and_all_of_them_are_told_apart_beside_the_published(table_path: str, tmp_path) -> None:
    words = ["curves", "results", "--data", table_path, "--protocol", "accuracy", "--task", "a", "--task", "all"]
    words += ["--predictors", "last,ridge", "--seeds", "0", "--prefix", "4", "--jobs", "0", "--record", str(tmp_path)]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    assert "| task | predictor | seeds | validation | test | published, other data |" in done.output
    assert "| a | last | 1 |" in done.output
    assert "| all | ridge | 1 |" in done.output
    row = {"predictor": "cnn", "n_seed": 1, "val_mse": 0.1, "mse": 0.1}
    assert "| 11.63 / 9.20 |" in curves_markdown(pd.DataFrame([row]), with_validation=True)


def test_a_failed_case_leaves_the_others(table_path: str, tmp_path) -> None:
    told: list[str] = []
    cases = plan_cases(table_path, ["nobody", "last"], [0], task="a", prefix=4)
    found = run_cases(cases, results=tmp_path / "r.csv", jobs=0, on_case=lambda case, text: told.append(text))
    assert found["predictor"].tolist() == ["last"]
    assert told[0].startswith("failed: no predictor 'nobody'")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(FileError, match="not results of curve predictors"):
        run_cases(cases, results=tmp_path / "other.csv", jobs=0)


def test_own_curves_of_new_tasks_are_not_tested(table_path: str) -> None:
    none = measure_case(CurveCase(table_path, "last", protocol="tasks", n_task=2, n_own=0, prefix=4))
    some = measure_case(CurveCase(table_path, "last", protocol="tasks", n_task=2, n_own=20, prefix=4))
    assert none["mse"] == some["mse"]


def _study_curves() -> CurveSet:
    ends = np.array([0.9, 0.1, 0.8, 0.7, 0.95, 0.2])
    return CurveSet(np.zeros((6, 1)), ends[:, None] * np.linspace(0.5, 1, 10), maximize=True)


def test_a_replay_counts_what_it_saves_and_loses() -> None:
    own, study = _study_curves(), StoppingStudy(checks=(2,), n_first=1)
    far = np.full(6, np.inf)
    law = Law(own.curves[:, -1], np.full(6, 1e-3), np.full(6, 50.0), CurveWarp(), -far, far)
    found = replay(own, np.arange(6), study, laws=[law], probability=0.05)
    assert found == {"saved": pytest.approx(4 * 8 / 60), "regret": 0.0}
    median = replay(own, np.arange(6), study, laws=None, probability=0.0)
    assert 0 < median["saved"] < 1
    order = np.array([0, 4, 1, 2, 3, 5])
    pessimist = Law(np.zeros(6), np.full(6, 1e-3), np.full(6, 50.0), CurveWarp(), -far, far)
    assert replay(own, order, study, laws=[pessimist], probability=0.05)["regret"] == pytest.approx(0.05 / 0.85)


def test_a_study_has_a_row_per_rule_and_order(table_path: str) -> None:
    curves = CurveSet.from_table(LearningCurveTable.from_hdf5(table_path))
    study = StoppingStudy("latent-kronecker", checks=(3,), probabilities=(0.1,), n_train=2, n_order=2)
    found = run_stopping(curves, study)
    assert len(found) == 4
    summary = summarize_stopping(found)
    assert summary["rule"].tolist() == ["median", "latent-kronecker"]


def test_a_study_of_nothing_is_refused(table_path: str, tmp_path) -> None:
    words = ["curves", "stopping", "--data", table_path, "--checks", "3"]
    for more, said in (
        ([], "3 task(s), of which 12 are for training"),
        (["--train-tasks", "2", "--checks", "3,10"], "must come before the last of 10 epochs"),
        (["--train-tasks", "2", "--predictor", "last"], "'last' knows no uncertainty"),
    ):
        done = CliRunner().invoke(cli, [*words, *more])
        assert done.exit_code == 1
        assert said in done.output
    gappy = CurveSet(np.zeros((2, 1)), np.array([[1.0, np.nan, 2.0], [1.0, 2.0, 3.0]]), ("a", "b"))
    with pytest.raises(ShapeError, match="a curve has a gap"):
        run_stopping(gappy, StoppingStudy(checks=(1,), n_train=1))
    drawn = CliRunner().invoke(cli, ["curves", "figures", "--data", table_path, "--task", "a", "--predictor", "last"])
    assert drawn.exit_code == 1
    assert "knows no uncertainty to draw" in drawn.output


def test_the_tuners_standings_and_figure(tmp_path) -> None:
    rows = [
        {"network": network, "tuner": tuner, "seed": seed, "spent": i, "config_number": i // 4, "run": i // 2,
         "is_random": i < 4, "validation": (1 + seed) / i, "best_validation": (1 + seed) / i, "its_test": 2 / i}
        for network in ("cnn", "lstm") for tuner in ("bohb", "at2") for seed in (0, 1) for i in range(1, 9)
    ]  # fmt: skip
    frame = pd.DataFrame(rows)
    summary = summarize_tuning(frame, marks=(0.5, 1.0))
    assert summary["spent"].tolist() == [4, 8] * 4
    assert summary["n_seed"].tolist() == [2] * 8
    first = summary.iloc[0]
    assert (first["n_config"], first["n_run"], first["test"], first["test_half"]) == (2, 3, 0.5, 0)
    assert first["validation"] == pytest.approx(0.375)
    assert first["validation_half"] == pytest.approx(12.706 * 0.125, rel=1e-3)
    assert tuning_markdown(summary).count("\n") == 9
    kinds = summarize_proposals(frame)
    assert kinds["n_config"].tolist() == [2, 4] * 4
    assert kinds["best"].iloc[0] == pytest.approx(1 / 3)
    draw_tuning(frame, tmp_path / "tune.png")
    assert (tmp_path / "tune.png").read_bytes().startswith(b"\x89PNG")
    single = summarize_tuning(frame[frame["seed"] == 0])
    assert single["test_half"].isna().all()
    assert "±" not in tuning_markdown(single)


def test_predictions_from_the_shell(table_path: str, tmp_path) -> None:
    saved = str(tmp_path / "p.pt")
    words = [
        "curves",
        "predict",
        table_path,
        "--task",
        "c",
        "--prefix",
        "4",
        "--predictor",
        "power-law",
        "--format",
        "csv",
    ]
    first = CliRunner().invoke(cli, [*words, "--save", saved])
    assert first.exit_code == 0, first.output
    assert first.output.startswith("config_id,known,last,mean,std,low,high,true")
    assert len(first.output.splitlines()) == 31
    second = CliRunner().invoke(cli, [*words, "--load", saved])
    assert second.output == first.output
    wrong = CliRunner().invoke(cli, ["curves", "predict", table_path, "--task", "d"])
    assert wrong.exit_code == 1
    assert "no task 'd'" in wrong.output


def test_results_from_the_shell(table_path: str, tmp_path) -> None:
    words = [
        "curves",
        "results",
        "--data",
        table_path,
        "--task",
        "a",
        "--predictors",
        "last,ridge:log",
        "--seeds",
        "0,1",
    ]
    words += ["--prefix", "4", "--jobs", "0", "--record", str(tmp_path), "--csv", str(tmp_path / "s.csv")]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    assert "| ridge (log) |" in done.output
    assert len(pd.read_csv(tmp_path / "s.csv")) == 2


def test_figures_from_the_shell(table_path: str, tmp_path) -> None:
    words = [
        "curves",
        "figures",
        "--data",
        table_path,
        "--task",
        "a",
        "--predictor",
        "latent-kronecker",
    ]
    drawn = CliRunner().invoke(cli, [*words, "--prefix", "4", "--out", str(tmp_path)])
    assert drawn.exit_code == 0, drawn.output
    assert (tmp_path / "curves-bands.png").is_file()


def test_tuning_from_the_shell(table_path: str, tmp_path) -> None:
    words = ["curves", "tune", "--data", table_path, "--task", "a", "--network", "cnn,lstm", "--tuner", "random,bohb"]
    words += ["--budget", "4", "--epochs", "3", "--prefix", "4", "--seeds", "0,1", "--record", str(tmp_path)]
    done = CliRunner().invoke(cli, [*words, "--csv", str(tmp_path / "s.csv")])
    assert done.exit_code == 0, done.output
    assert "| lstm | bohb | 2 | 4 |" in done.output
    assert "cnn, random: 4 configurations drawn at random" in done.output
    assert "best lstm: {" in done.output
    assert len(pd.read_csv(tmp_path / "s.csv")) == 16
    wrong = CliRunner().invoke(cli, [*words, "--tuner", "smac"])
    assert wrong.exit_code == 1
    assert "no tuner 'smac'" in wrong.output


def test_tuning_goes_on_where_it_was(table_path: str, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = TuningStudy(table_path, task="a", budget_epochs=3, n_epoch=3, prefix=4)
    results = tmp_path / "runs.csv"
    first = compare_tuners(study, networks=["cnn"], tuners=["random"], seeds=[0, 1], results=results)
    monkeypatch.setattr("at2.bench.curves.tuning.tune_network", None)  # whoever trains again fails
    again = compare_tuners(study, networks=["cnn"], tuners=["random"], seeds=[1, 0], results=results)
    assert again["seed"].tolist() == [1, 1, 1, 0, 0, 0]
    assert np.allclose(sorted(again["validation"]), sorted(first["validation"]))
    with pytest.raises(TypeError):
        compare_tuners(replace(study, budget_epochs=4), networks=["cnn"], tuners=["random"], results=results)
    results.write_text("a,b\n1,2\n")
    with pytest.raises(FileError, match="not runs of this version's tuners"):
        compare_tuners(study, networks=["cnn"], tuners=["random"], results=results)
    with pytest.raises(PredictorError, match="can be tuned, not 'gru'"):
        compare_tuners(study, networks=["cnn", "gru"], tuners=["random"])


def test_at2_is_warm_started_from_other_tasks(table_path: str) -> None:
    told: list[str] = []
    study = TuningStudy(
        table_path, task="a", budget_epochs=4, n_epoch=3, prefix=4, max_runs=5, history=table_path, sources=("b",)
    )
    found = compare_tuners(study, networks=["cnn"], tuners=["at2"], on_step=told.append)
    assert told[0] == "training cnn configurations on b"
    assert found["spent"].tolist() == [1, 2, 3, 4]
