"""What went wrong with something the user gave: one line, and an exit status of its own."""


class UserError(Exception):
    """A mistake in what the user gave, reported in one line: expected, found, where, and what to do.

    The commands print ``str(error)`` and exit with ``exit_status``; no traceback is shown.
    """

    exit_status = 1


class UsageError(UserError):
    """The command line: an unknown option, a missing argument, a path that is not there."""

    exit_status = 2


class DataError(UserError):
    """The data: a missing or broken image or label, an unknown label value, a wrong size."""

    exit_status = 3


class RecipeError(UserError):
    """The recipe or the data description: an unknown key, a wrong type, a value out of range."""

    exit_status = 4


class RunError(UserError):
    """The run: a folder that exists, a checkpoint that is broken or of another version."""

    exit_status = 5


class NonFiniteError(UserError):
    """Training met a loss or gradient that is not finite, and stopped before the step."""

    exit_status = 6
