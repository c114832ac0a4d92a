"""Every exception that a caller of the library may want to catch.

Messages follow one form: *what · where · got · how to mend*. They name columns and row numbers, never account ids.
What they quote is shown with every sign visible; see `muledetect.visible`.
"""

from muledetect.visible import visible_message


class MuleDetectError(Exception):
    """Root of all errors that this library raises on purpose."""

    def __str__(self) -> str:
        return visible_message(super().__str__())


class DataError(MuleDetectError, ValueError):
    """A data set cannot be used as it is: a required column is missing, years are Buddhist, times are naive ..."""


class FeatureError(MuleDetectError, ValueError):
    """A feature, window or parameter is unknown, registered twice, or returns the wrong shape."""


class ModelError(MuleDetectError, ValueError):
    """A model cannot be trained, loaded or applied to this table."""


class OptionError(MuleDetectError, ValueError):
    """An option has a value that the function does not know."""


class OutputError(OptionError):
    """An output would replace, or be written into, what is not ours; see `muledetect.outputs`."""


class EngineError(MuleDetectError, RuntimeError):
    """A cluster did not do its part of the work; what it finished stays, see `muledetect.engine.spark`."""
