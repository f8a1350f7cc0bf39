"""The few errors that at2 raises on purpose; each also derives from the built-in that it refines."""


class At2Error(Exception):
    """Base of every error that at2 raises on purpose."""


class ShapeError(At2Error, ValueError):
    """Arrays whose shapes do not fit each other."""


class UnknownNameError(At2Error, LookupError):
    """A task, configuration, metric, pair or method that nobody knows; the message lists those that exist."""


class SpaceError(At2Error, ValueError):
    """A search space or a configuration that breaks its own rules.

    Args:
        message: What was wanted, what came, and the way out.
        parameter: Name of the hyperparameter in question, if there is one.
    """

    def __init__(self, message: str, *, parameter: str | None = None) -> None:
        super().__init__(message)
        self.parameter = parameter


class FileError(At2Error, OSError):
    """A file that cannot be read, written or trusted.

    Args:
        message: What was wanted, what came, and the way out.
        path: The file in question, if there is one.
    """

    def __init__(self, message: str, *, path: object | None = None) -> None:
        super().__init__(message)
        self.path = path


class CorruptFileError(FileError, ValueError):
    """A file that is truncated, or that does not hold what its kind of file must hold."""


class ChecksumError(FileError):
    """A file whose SHA-256 is not the published one."""


class UnsafePickleError(FileError, ValueError):
    """A pickle that names something outside the allow-list."""


class TableError(At2Error, ValueError):
    """A learning-curve table whose parts do not fit together, or a question it cannot answer."""


class HistoryError(TableError):
    """A journal without the history that it was written with.

    Args:
        message: What was wanted, what came, and the way out.
        table: Name of the table that the journal was written with, if there was one.
    """

    def __init__(self, message: str, *, table: str | None = None) -> None:
        super().__init__(message)
        self.table = table


class BudgetError(At2Error, ValueError):
    """A budget that is empty, negative, or given in two units."""


class FitError(At2Error, ArithmeticError):
    """A model whose training left the finite numbers; the message names the setting to change."""


class TellError(At2Error, ValueError):
    """An observation that does not belong to an open query, or that is not a finite number."""


class MissingExtraError(At2Error, ImportError):
    """A library that only some users need is not installed; the message names the extra."""


class StoppingError(At2Error, ValueError):
    """A stopping rule whose numbers make no sense."""


class DeviceError(At2Error, RuntimeError):
    """A device that this machine, or its PyTorch, does not have."""


class TuneError(At2Error, RuntimeError):
    """A live tuning that cannot go on, such as a training function that gives no number; nothing told is lost."""


class TaskError(At2Error, ValueError):
    """Images and labels that make no task, or a task that a training cannot run on."""


class CheckpointError(FileError, ValueError):
    """A checkpoint, or a recording, that belongs to something else than what is run."""


class PredictorError(At2Error, ValueError):
    """A learning-curve predictor that was asked before it was fitted, or for what it cannot know."""
