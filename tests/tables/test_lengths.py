"""at2/tables/lengths.py: trainings of different lengths become comparable; nothing is made up."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import at2
from at2.errors import TableError, UnknownNameError
from at2.tables import LearningCurveTable, Metric, RunStatus, rescale_epochs

CONFIGS = pd.DataFrame({"lr": [0.1, 0.01]}, index=["x", "y"])


def table(curves: np.ndarray, **more: object) -> LearningCurveTable:
    """A table of one seed from curves ``(n_task, n_config, n_epoch)``."""
    tasks = ["a", "b", "c"][: len(curves)]
    return LearningCurveTable(
        {"acc": curves[:, None]}, tasks=tasks, configs=CONFIGS, metrics=[Metric("acc", True)], **more
    )


class TestValues:
    def test_a_shorter_training_is_stretched_along_straight_lines(self) -> None:
        curves = np.array([[[0.0, 0.1, 0.2, 0.3], [0.4, 0.5, 0.6, 0.7]], [[0.5, 0.7, np.nan, np.nan]] * 2])
        done = rescale_epochs(table(curves), 4)
        assert np.array_equal(done.curves()[0], table(curves).curves()[0])
        assert done.curves()[1, 0, 0] == pytest.approx([0.5, 0.5, 0.6, 0.7])

    def test_a_longer_one_is_read_where_its_shares_are(self) -> None:
        done = rescale_epochs(table(np.arange(1.0, 7.0).reshape(1, 1, 6).repeat(2, 1)), 3)
        assert done.n_epoch == 3
        assert done.curves()[0, 0, 0].tolist() == [2.0, 4.0, 6.0]
        four = rescale_epochs(table(np.arange(1.0, 7.0).reshape(1, 1, 6).repeat(2, 1)), 4)
        assert four.curves()[0, 0, 0] == pytest.approx([1.5, 3.0, 4.5, 6.0])

    def test_a_curve_that_was_cut_off_stays_so(self) -> None:
        curves = np.array([[[0.1, 0.2, 0.3, 0.4], [0.1, 0.2, np.nan, np.nan]]])
        done = rescale_epochs(table(curves), 8).curves()[0, 0]
        assert np.isfinite(done[0]).all()
        assert np.isfinite(done[1]).tolist() == [True] * 4 + [False] * 4

    def test_no_line_goes_over_a_gap(self) -> None:
        done = rescale_epochs(table(np.array([[[0.1, np.nan, 0.3]] * 2])), 6).curves()[0, 0, 0]
        assert done == pytest.approx([0.1, 0.1, np.nan, np.nan, np.nan, 0.3], nan_ok=True)

    def test_of_final_values_alone_nothing_but_the_end_is_known(self) -> None:
        done = rescale_epochs(table(np.array([[[0.7]] * 2])), 4).curves()[0, 0, 0]
        assert done == pytest.approx([np.nan, np.nan, np.nan, 0.7], nan_ok=True)

    def test_a_length_that_no_curve_reached(self) -> None:
        done = rescale_epochs(table(np.array([[[0.1, 0.2]] * 2])), 4, lengths={"a": 8})
        assert done.curves()[0, 0, 0] == pytest.approx([0.2, np.nan, np.nan, np.nan], nan_ok=True)

    def test_a_training_so_long_that_it_fits_nowhere(self) -> None:
        done = rescale_epochs(table(np.array([[[0.1, 0.2]] * 2])), 4, lengths={"a": 10**10})
        assert not np.isfinite(done.curves()).any()

    def test_a_curve_shorter_than_one_new_epoch_leaves_nothing_but_its_status(self) -> None:
        curves = np.array([[[0.1, np.nan, np.nan, np.nan], [0.1, 0.2, 0.3, 0.4]]])
        status = np.array([[[RunStatus.STOPPED_EARLY, RunStatus.OK]]], dtype=np.int8)
        done = rescale_epochs(table(curves, status=status), 2)
        assert done.status.tolist() == status.tolist()
        assert not np.isfinite(done.curves()[0, 0, 0]).any()
        assert done.curves()[0, 0, 1].tolist() == [0.2, 0.4]

    @pytest.mark.parametrize("n_epoch", [1, 3, 7, 12, 100])
    def test_the_end_stays_the_end(self, n_epoch: int) -> None:
        curves = np.random.default_rng(0).random((2, 2, 12))
        curves[1, :, 5:] = np.nan
        done = rescale_epochs(table(curves), n_epoch).curves()[:, 0, :, -1]
        assert np.array_equal(done, np.stack([curves[0, :, -1], curves[1, :, 4]]))


class TestSeconds:
    def test_a_training_takes_as_long_as_before(self) -> None:
        curves, seconds = np.full((2, 2, 6), 0.5), np.random.default_rng(1).random((2, 2, 6))
        curves[1, :, 3:] = seconds[1, :, 3:] = np.nan
        before = table(curves, seconds=seconds[:, None])
        for n_epoch in (2, 4, 9):
            after = rescale_epochs(before, n_epoch).seconds
            assert after is not None
            assert after.sum(-1)[:, 0] == pytest.approx(np.nansum(seconds, -1))

    def test_what_is_not_known_stays_unknown(self) -> None:
        seconds = np.array([[[[1.0, np.nan, 3.0, 4.0]] * 2]])
        after = rescale_epochs(table(np.full((1, 2, 4), 0.5), seconds=seconds), 2).seconds
        assert after is not None
        assert after[0, 0, 0] == pytest.approx([np.nan, 7.0], nan_ok=True)


class TestTheRest:
    def test_configurations_space_and_notes_stay(self) -> None:
        before = table(np.full((2, 2, 3), 0.5))
        after = at2.rescale_epochs(before, 6, name="six")
        assert (after.name, before.name) == ("six", "table")
        assert after.configs.equals(before.configs)
        assert after.notes == {"rescaled_from": {"a": 3, "b": 3}}
        assert not after.has_space
        assert before.space == rescale_epochs(before, 6).space

    def test_written_and_read(self, tmp_path: Path) -> None:
        after = rescale_epochs(table(np.full((2, 2, 3), 0.5)), 6)
        after.to_hdf5(tmp_path / "t.h5")
        assert after.equals(LearningCurveTable.from_hdf5(tmp_path / "t.h5"))

    def test_sources_of_other_lengths_say_so(self) -> None:
        curves = np.full((3, 2, 4), np.nan)
        curves[0, :, :2], curves[1], curves[2] = [[0.3, 0.4]] * 2, 0.5, 0.6
        curves[1, :, 0] = 0.2
        short = at2.Recommender(table(curves), target="c", budget=at2.Budget(epochs=1)).history_report
        assert "2 shorter than a full training; if 2 epochs are one, at2.rescale_epochs" in str(short)
        single = at2.Recommender(table(curves[1:, :, :1]), target="c", n_epoch=4, budget=at2.Budget(epochs=1))
        assert "if 1 epoch is one, at2.rescale_epochs" in str(single.history_report)
        cut = at2.Recommender(table(curves), target="c", n_epoch=2, budget=at2.Budget(epochs=1)).history_report
        assert "2 curves of 2 epochs at most, 4 readings, cut at epoch 2 of 4; at2.rescale_epochs" in str(cut)
        same = rescale_epochs(table(curves), 4)
        assert "rescale" not in str(at2.Recommender(same, target="c", budget=at2.Budget(epochs=1)).history_report)


class TestBadInput:
    before = table(np.full((2, 2, 3), 0.5))

    @pytest.mark.parametrize("n_epoch", [0, -1, 2.5, True, "4"])
    def test_no_number_of_epochs(self, n_epoch: object) -> None:
        with pytest.raises(TableError, match="n_epoch must be a whole number of epochs above zero, got"):
            rescale_epochs(self.before, n_epoch)  # type: ignore[arg-type]

    def test_lengths_that_cannot_be(self) -> None:
        with pytest.raises(UnknownNameError, match="nobody"):
            rescale_epochs(self.before, 4, lengths={"nobody": 3})
        with pytest.raises(TableError, match="task 'a' has a curve of 3 epochs, more than the 2 given"):
            rescale_epochs(self.before, 4, lengths={"a": 2})
        with pytest.raises(TableError, match="the length of task 'a' must be a whole number"):
            rescale_epochs(self.before, 4, lengths={"a": 0})

    def test_more_than_fits_in_memory(self) -> None:
        with pytest.raises(TableError, match="4 runs of 1000000000 epochs do not fit in memory"):
            rescale_epochs(self.before, 10**9)
