"""Everything the library can refuse, one class per person who can fix it.

    EdgeError
    ├── UsageError               the command line          (exit code 2)
    ├── ModelError               the model file
    │   ├── UnsupportedOperator
    │   └── DynamicShape
    ├── TargetError              the target file
    ├── ToolchainError           this machine's compilers
    ├── RunnerError              the device, emulator or connection
    ├── DoesNotFit               the memory budget
    ├── TuneLogError             the tuning log
    ├── ArtifactError            the artefact folder
    └── InputError               images, arrays, labels

A message is one line: fact, place, expectation, remedy. The command line prints it and exits 1
(2 for `UsageError`); any other exception is a bug and shows its traceback.
"""

from __future__ import annotations

__all__ = [
    "ArtifactError",
    "DoesNotFit",
    "DynamicShape",
    "EdgeError",
    "InputError",
    "ModelError",
    "RunnerError",
    "TargetError",
    "ToolchainError",
    "TuneLogError",
    "UnsupportedOperator",
    "UsageError",
    "counted",
    "reason",
]


def counted(count: int, noun: str) -> str:
    """How many there are, for messages: "1 label", "2 classes"."""
    several = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{count} {noun if count == 1 else several}"


def reason(error: Exception) -> str:
    """Why, for messages that name the file themselves: "No such file or directory"."""
    return getattr(error, "strerror", None) or str(error)


class EdgeError(Exception):
    """Base of every error that the user, not the project, can fix."""


class UsageError(EdgeError):
    """The command line or the arguments of a library call contradict each other."""


class ModelError(EdgeError):
    """The model file cannot be read or is not a network that we can compile."""


class UnsupportedOperator(ModelError):  # noqa: N818 - named for the fact, as the message is
    """A node of the model is an operator, or a form of one, that is not taken."""


class DynamicShape(ModelError):  # noqa: N818 - named for the fact, as the message is
    """A tensor of the model has a dimension that is not known at compile time."""


class TargetError(EdgeError):
    """A target name is unknown, or a target file breaks the schema."""


class ToolchainError(EdgeError):
    """A compiler, linker or binary tool is missing or failed."""


class RunnerError(EdgeError):
    """A device or emulator is missing, does not answer, or crashed."""


class DoesNotFit(EdgeError):  # noqa: N818 - named for the fact, as the message is
    """The network needs more memory than the target has."""


class TuneLogError(EdgeError):
    """A tuning log is damaged, foreign or of another metric."""


class ArtifactError(EdgeError):
    """An artefact folder is damaged, tampered with, or of another version."""


class InputError(EdgeError):
    """An image, array or label file does not suit the model."""
