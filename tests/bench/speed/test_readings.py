import pytest

from at2.bench.speed.readings import Reading, measure_speed, peak_memory_mb


def test_this_process_holds_some_memory() -> None:
    assert 10 < peak_memory_mb() < 100_000


@pytest.mark.authors
@pytest.mark.slow
def test_every_reading_has_a_unit_and_times_have_a_ratio() -> None:
    readings = list(measure_speed(["hyperrec"], budget_epochs=2))
    assert all(isinstance(reading, Reading) and reading.value > 0 for reading in readings)
    assert [reading.unit for reading in readings] == [*["s", "ms", "ms", "MB"] * 2, "s"]
    assert all((reading.ratio is None) == (reading.unit == "MB") for reading in readings)
