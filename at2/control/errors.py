"""What can go wrong on purpose when a training is controlled."""

from at2.errors import At2Error


class InstanceError(At2Error, ValueError):
    """An instance of a controlled training whose values make no sense.

    Args:
        message: What was wanted, what came, and the way out.
        parameter: Name of the field in question, if there is one.
    """

    def __init__(self, message: str, *, parameter: str | None = None) -> None:
        super().__init__(message)
        self.parameter = parameter


class ActionError(At2Error, ValueError):
    """An action that no optimizer can take: negative, not a number, too large, or of the wrong shape."""


class EpisodeError(At2Error, RuntimeError):
    """A step of an environment before its reset, or after the end of its episode."""


class ControlSettingError(At2Error, ValueError):
    """A setting of an environment, benchmark or controller that does not exist or makes no sense."""
