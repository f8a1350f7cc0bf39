"""A task that trains in no time."""

import pytest

from at2.training import ImageTask, load_task


@pytest.fixture(scope="session")
def task() -> ImageTask:
    """150 digits of five classes to train on, 180 each to evaluate."""
    return load_task("digits-low").with_train(150)
