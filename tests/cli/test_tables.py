"""`at2 tables` on a small imported table, and on a small mirror."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

import at2
from at2.cli.main import cli
from at2.tables import LearningCurveTable, Metric, load_table

CONFIGS = "config_id,lr,optimizer\n0,0.1,adam\n1,0.01,[bold]sgd\n2,,adam\n"
CURVES = """task,config_id,epoch,value,seed,seconds
digits,0,1,0.5,0,1
digits,0,2,0.625,0,1
digits,1,1,0.25,0,2
digits,0,1,0.75,1,1
faces,2,1,0.125,0,3
faces,9,1,0.5,0,3
"""


def run(*words: object, ok: bool = True) -> Result:
    result = CliRunner().invoke(cli, ["tables", *map(str, words)])
    assert (result.exit_code == 0) == ok, result.output
    assert ok or isinstance(result.exception, SystemExit), result.exception
    return result


def frame_of(*words: object) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(run(*words, "--format", "csv").stdout))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AT2_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("AT2_MIRROR", raising=False)
    return tmp_path / "home"


@pytest.fixture
def mine(home: Path, tmp_path: Path) -> Result:
    """The result of an import under the name 'mine'."""
    (tmp_path / "curves.csv").write_text(CURVES)
    (tmp_path / "configs.csv").write_text(CONFIGS)
    return run("import", tmp_path / "curves.csv", tmp_path / "configs.csv", "--name", "mine", "--metric", "acc")


class TestImport:
    def test_says_what_was_used_and_where_it_went(self, mine: Result, home: Path) -> None:
        assert "5 of 6 rows imported; 1 left out: no such configuration, as in row 5: task faces" in mine.stdout
        assert "2 tasks x 2 seeds x 3 configurations x 2 epochs, acc (higher is better)" in mine.stdout
        assert str(home / "tables" / "mine.h5") in mine.stdout

    def test_strictly(self, mine: Result, tmp_path: Path) -> None:
        files = tmp_path / "curves.csv", tmp_path / "configs.csv"
        result = run("import", *files, "--name", "other", "--strict", ok=False)
        assert "Error: 5 of 6 rows imported; 1 left out" in result.output
        assert not (tmp_path / "home" / "tables" / "other.h5").exists()

    def test_renamed_columns_a_loss_and_a_file_of_ones_own(self, mine: Result, tmp_path: Path) -> None:
        (tmp_path / "log.csv").write_text("dataset,config_id,step,loss\na,0,1,2.5\n")
        (tmp_path / "tasks.json").write_text('[{"task":"a","n_images":7}]')
        renames = [word for name in ("dataset=task", "step=epoch", "loss=value") for word in ("--rename", name)]
        run(
            *("import", tmp_path / "log.csv", tmp_path / "configs.csv", "--name", "log", "--minimize", *renames),
            *("--tasks", tmp_path / "tasks.json", "-o", tmp_path / "log.h5"),
        )
        table = LearningCurveTable.from_hdf5(tmp_path / "log.h5")
        assert not table.metrics["value"].maximize
        assert table.tasks.loc["a", "n_images"] == 7
        assert "FROM=TO" in run("import", "a", "b", "--name", "x", "--rename", "a", ok=False).output

    def test_columns_and_files_that_cannot_be(self, mine: Result, tmp_path: Path) -> None:
        command = ("import", tmp_path / "curves.csv", tmp_path / "configs.csv", "--name", "other")
        said = run(*command, "--rename", "loss=value", ok=False).output
        assert "--rename names no column 'loss'; there are task" in said
        said = run(*command, "-o", tmp_path / "other.csv", ok=False).output
        assert "HDF5 file" in said
        assert not (tmp_path / "other.csv").exists()

    def test_bad_names_and_files(self, mine: Result, tmp_path: Path) -> None:
        files = tmp_path / "curves.csv", tmp_path / "configs.csv"
        assert "name of a table that at2 knows already" in run("import", *files, "--name", "lcbench", ok=False).output
        assert "check the path" in run("import", "absent.csv", files[1], "--name", "x", ok=False).output
        assert "task, config_id, epoch, value" in run("import", files[1], files[1], "--name", "x", ok=False).output


class TestConcat:
    def test_makes_one_table_of_several(self, mine: Result, tmp_path: Path, home: Path) -> None:
        (tmp_path / "more.csv").write_text("task,config_id,epoch,value\nnew,0,1,0.25\n")
        files = tmp_path / "more.csv", tmp_path / "configs.csv"
        run("import", *files, "--name", "more", "--metric", "acc", "--epochs", 7)
        said = run("concat", "mine", "more", "--name", "both").stdout
        assert "3 tasks x 2 seeds x 3 configurations x 7 epochs, acc (higher is better)" in said
        assert str(home / "tables" / "both.h5") in said
        run("concat", "both", "mine", "--name", "x", "--metric", "score", "-o", tmp_path / "x.h5")
        assert LearningCurveTable.from_hdf5(tmp_path / "x.h5").metric == "score"

    def test_names_that_are_none(self) -> None:
        assert "TABLE" in run("concat", "--name", "x", ok=False).output
        assert "absent" in run("concat", "absent", "--name", "x", ok=False).output


class TestRescaleEpochs:
    def test_makes_lengths_comparable(self, mine: Result, tmp_path: Path) -> None:
        before = load_table("mine")
        said = run("rescale-epochs", "mine", "--name", "six", "--epochs", 6, "-o", tmp_path / "six.h5").stdout
        assert "x 6 epochs" in said
        after = LearningCurveTable.from_hdf5(tmp_path / "six.h5")
        assert (after.name, after.n_epoch) == ("six", 6)
        task = before.tasks.index[0]
        run("rescale-epochs", "mine", "--name", "long", "--epochs", 6, "--length", f"{task}=60")
        assert np.isfinite(after.curves()[0]).sum() > 0
        assert not np.isfinite(load_table("long").curves()[0]).any()  # two epochs of sixty are less than one of six
        assert load_table("long").notes["rescaled_from"][task] == 60

    def test_lengths_that_are_none(self, mine: Result) -> None:
        for wrong in ("digits", "=3", "digits=many"):
            said = run("rescale-epochs", "mine", "--name", "x", "--epochs", 6, "--length", wrong, ok=False).output
            assert f"--length takes TASK=EPOCHS, such as digits=20, not '{wrong}'" in said
        assert (
            "nobody"
            in run("rescale-epochs", "mine", "--name", "x", "--epochs", 6, "--length", "nobody=9", ok=False).output
        )


class TestOverwrite:
    @pytest.fixture
    def command(self, request: pytest.FixtureRequest, mine: Result, tmp_path: Path) -> list[object]:
        """The words that make another table of the imported one."""
        if request.param == "import":
            return ["import", tmp_path / "curves.csv", tmp_path / "configs.csv"]
        if request.param == "import-optuna":
            at2.to_optuna(load_table("mine"), tmp_path / "runs.log")
            return ["import-optuna", tmp_path / "runs.log"]
        return ["concat", "mine"] if request.param == "concat" else ["rescale-epochs", "mine", "--epochs", 6]

    @pytest.mark.parametrize("command", ["import", "import-optuna", "concat", "rescale-epochs"], indirect=True)
    def test_a_table_is_replaced_only_where_that_is_said(
        self, command: list[object], home: Path, tmp_path: Path
    ) -> None:
        kept, file = home / "tables" / "new.h5", tmp_path / "new.h5"
        for path, words, there in (
            (kept, [], f"there is a table 'new' ({kept}) already"),
            (file, ["-o", file], f"there is {file} already"),
        ):
            run(*command, "--name", "new", *words)
            path.write_bytes(b"mine")
            refused = run(*command, "--name", "new", *words, ok=False)
            assert f"{there}; pass --overwrite to replace it, or choose another" in refused.output
            assert path.read_bytes() == b"mine"
            run(*command, "--name", "new", *words, "--overwrite")
            assert LearningCurveTable.from_hdf5(path).name == "new"


class TestList:
    def test_shows_what_there_is_and_what_can_be_fetched(self, mine: Result, home: Path) -> None:
        frame = frame_of("list").set_index("name")
        assert frame.loc["mine", ["origin", "tasks", "epochs", "state"]].tolist() == ["imported", 2, 2, "ready"]
        assert frame.loc["hyperrec", "state"] == "not fetched"
        (home / "tables" / "mine.h5").write_bytes(b"x")
        assert frame_of("list").set_index("name").loc["mine", "state"] == "damaged"


@pytest.mark.usefixtures("mine")
class TestShow:
    def test_summary(self) -> None:
        text = run("show", "mine").stdout
        assert "acc (higher is better)" in text
        assert "9 not run" not in text
        facts = frame_of("show", "mine").set_index("fact")["value"]
        assert facts["runs"] == "8 not run, 4 ok"
        assert facts["seconds per epoch"] == "recorded"

    @pytest.mark.parametrize(("what", "n"), [("tasks", 2), ("configs", 3), ("metrics", 1), ("space", 2)])
    def test_parts(self, what: str, n: int) -> None:
        assert len(json.loads(run("show", "mine", "--what", what, "--format", "json").stdout)) == n

    def test_an_unknown_table_is_one_line_without_a_traceback(self) -> None:
        result = run("show", "mien", ok=False)
        assert result.output.startswith("Error: no table 'mien'; did you mean mine?")


@pytest.mark.usefixtures("mine")
class TestQuery:
    def test_long(self) -> None:
        frame = frame_of("query", "mine", "optimizer == 'adam' and epoch == 1", "--task", "digits")
        assert frame.columns.tolist() == ["task", "seed", "config_id", "epoch", "value", "seconds"]
        assert frame["value"].tolist() == [0.5, 0.75]
        assert len(frame_of("query", "mine")) == 5

    def test_configs(self) -> None:
        assert frame_of("query", "mine", "lr > 0.05", "--as", "configs")["config_id"].tolist() == [0]

    def test_curves(self) -> None:
        frame = frame_of("query", "mine", "--as", "curves", "--task", "digits")
        assert frame.columns.tolist() == ["config_id", "1", "2"]
        assert frame["1"].tolist()[:2] == [0.625, 0.25]
        frame = frame_of("query", "mine", "config_id == 0", "--as", "curves", "--task", "digits", "--seed", 1)
        assert frame["1"].tolist() == [0.75]
        assert "name it with --task" in run("query", "mine", "--as", "curves", ok=False).output

    def test_value_at_an_epoch(self) -> None:
        assert frame_of("query", "mine", "--as", "epoch", "--epoch", 1).columns.tolist() == [
            "config_id",
            "digits",
            "faces",
        ]
        one = frame_of("query", "mine", "--as", "epoch", "--epoch", 1, "--task", "digits")
        assert one.columns.tolist() == ["config_id", "0", "1"]
        both = frame_of("query", "mine", "--as", "epoch", "--epoch", 1, "--task", "faces", "--task", "digits")
        assert both.columns.tolist() == ["config_id", "faces", "digits"]
        assert "needs --epoch" in run("query", "mine", "--as", "epoch", ok=False).output

    def test_bad_questions(self) -> None:
        assert "cannot be evaluated" in run("query", "mine", "optimiser == 1", ok=False).output
        assert "epochs 1 to 2, 3 asked" in run("query", "mine", "--as", "epoch", "--epoch", 3, ok=False).output
        assert "no metric 'loss'" in run("query", "mine", "--metric", "loss", ok=False).output


@pytest.mark.usefixtures("mine")
class TestBest:
    def test_ranks(self) -> None:
        assert frame_of("best", "mine", "digits")["config_id"].tolist() == [0, 1]
        assert len(frame_of("best", "mine", "digits", "-n", 1, "--by", "final")) == 1

    def test_an_unknown_task(self) -> None:
        assert "no task 'digit' in this table; did you mean digits?" in run("best", "mine", "digit", ok=False).output


@pytest.mark.usefixtures("mine")
class TestFormats:
    def test_a_table_shows_values_as_they_are_and_says_what_it_left_out(self) -> None:
        text = run("query", "mine", "--as", "configs", "--limit", 2).stdout
        assert "[bold]sgd" in text
        assert "1 more rows; --limit 0 shows all" in text
        assert "more rows" not in run("query", "mine", "--as", "configs", "--limit", 0).stdout

    def test_a_limit_holds_in_every_format_and_files_have_none_of_their_own(self, tmp_path: Path) -> None:
        configs = ("query", "mine", "--as", "configs")
        assert len(json.loads(run(*configs, "--format", "json", "--limit", 2).stdout)) == 2
        assert len(json.loads(run(*configs, "--format", "json").stdout)) == 3
        run(*configs, "-o", tmp_path / "two.csv", "--limit", 2)
        assert len((tmp_path / "two.csv").read_text().splitlines()) == 3

    def test_json_has_null_where_something_is_missing(self) -> None:
        records = json.loads(run("show", "mine", "--what", "configs", "--format", "json").stdout)
        assert records[2] == {"config_id": 2, "lr": None, "optimizer": "adam"}

    def test_parquet_goes_to_a_pipe_or_a_file(self, tmp_path: Path) -> None:
        data = run("query", "mine", "--format", "parquet").stdout_bytes
        assert len(pd.read_parquet(io.BytesIO(data))) == 5
        run("query", "mine", "-o", tmp_path / "x.parquet")
        assert len(pd.read_parquet(tmp_path / "x.parquet")) == 5

    def test_a_file_takes_no_table(self, tmp_path: Path) -> None:
        assert "for the screen" in run("list", "--format", "table", "-o", tmp_path / "x", ok=False).output
        assert "ends in .csv, .json or .parquet" in run("list", "-o", tmp_path / "x.txt", ok=False).output


@pytest.mark.usefixtures("mine")
class TestExport:
    def test_the_whole_table(self, home: Path, tmp_path: Path) -> None:
        run("export", "mine", tmp_path / "copy.h5")
        original = LearningCurveTable.from_hdf5(home / "tables" / "mine.h5")
        assert LearningCurveTable.from_hdf5(tmp_path / "copy.h5").equals(original)

    @pytest.mark.parametrize("fmt", ["csv", "json", "parquet"])
    def test_what_is_exported_can_be_imported(self, fmt: str, home: Path, tmp_path: Path) -> None:
        curves, configs = tmp_path / f"out-curves.{fmt}", tmp_path / f"out-configs.{fmt}"
        run("export", "mine", curves)
        run("export", "mine", configs, "--what", "configs")
        run("import", curves, configs, "--name", "again")
        back, original = (LearningCurveTable.from_hdf5(home / "tables" / f"{n}.h5") for n in ("again", "mine"))
        np.testing.assert_array_equal(back.curves(), original.curves())
        assert [back.config(i) for i in (0, 1, 2)] == [original.config(i) for i in (0, 1, 2)]

    def test_a_folder_in_the_way(self, tmp_path: Path) -> None:
        (tmp_path / "x.csv").mkdir()
        assert "it is a folder" in run("export", "mine", tmp_path / "x.csv", ok=False).output


class TestFetch:
    def test_a_missing_mirror_and_an_unknown_name(self, home: Path, tmp_path: Path) -> None:
        assert "no folder" in run("fetch", "--mirror", tmp_path / "absent", ok=False).output
        assert "did you mean hyperrec" in run("fetch", "hyprec", "--mirror", tmp_path, ok=False).output
        assert "no such file in the mirror" in run("fetch", "--mirror", tmp_path, ok=False).output

    def test_says_each_step_unless_quiet(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = {}

        def fetch(names: tuple[str, ...], **options: object) -> None:
            asked.update(options, names=names)
            options["on_step"]("lcbench: is there")  # type: ignore[operator]

        monkeypatch.setattr("at2.tables.fetch_tables", fetch)
        assert "lcbench: is there" in run("fetch", "lcbench", "--force").stderr
        assert (asked["names"], asked["force"], asked["mirror"]) == (("lcbench",), True, None)
        assert run("fetch", "-q").output == ""
        assert asked["names"] == ("hyperrec", "lcbench")

    @pytest.mark.authors
    def test_the_real_files(self, home: Path, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config) -> None:
        import os

        monkeypatch.undo()
        mirror = os.environ["AT2_MIRROR"]
        monkeypatch.setenv("AT2_HOME", str(home))
        result = run("fetch", "lcbench", "--mirror", mirror)
        assert "converted to" in result.stderr
        assert frame_of("list").set_index("name").loc["lcbench", ["tasks", "epochs"]].tolist() == [35, 52]


def test_a_table_of_batches_and_notes_is_summed_up(tmp_path: Path) -> None:
    table = LearningCurveTable(
        {"loss": [[[[1.0]]]]},
        tasks=["a"],
        configs=pd.DataFrame({"lr": [0.1]}),
        metrics=[Metric("loss", maximize=False)],
        notes={"split": {"train": 0.6}},
    )
    table.to_hdf5(tmp_path / "t.h5")
    facts = frame_of("show", tmp_path / "t.h5").set_index("fact")["value"]
    assert facts["metrics"] == "loss (lower is better)"
    assert facts["split"] == '{"train": 0.6}'
