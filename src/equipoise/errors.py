"""Errors in what the user gave, each with an exit status."""


class UserError(Exception):
    """A mistake of the user, reported in one line: what was expected and found, where, and what to do.

    The commands print ``str(error)`` without a traceback, and exit with ``exit_status``.
    """

    exit_status = 1


class UsageError(UserError):
    """A wrong argument: an unknown option, a missing argument, a path that does not exist."""

    exit_status = 2


class DataError(UserError):
    """A fault in the data: a missing or broken image or label, an unknown label value, a wrong size."""

    exit_status = 3


class RecipeError(UserError):
    """A fault in a recipe or data description: an unknown key, a wrong type, a value out of range."""

    exit_status = 4


class RunError(UserError):
    """A fault in a run: a folder that exists already, a checkpoint that is broken or of another version."""

    exit_status = 5


class OutOfMemoryError(RunError):
    """The device or the machine has too little memory for what was asked."""

    exit_status = 6


class NonFiniteError(UserError):
    """A loss or gradient that is not finite; training stopped before the step."""

    exit_status = 6
