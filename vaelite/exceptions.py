"""The errors and warnings of vaelite. All others are Python's and NumPy's."""


class NotFittedError(ValueError, AttributeError):
    """A method that needs trained networks was called before ``fit``."""


class ModelFileError(ValueError):
    """A file that should hold a saved model does not, or is damaged."""


class TrainingError(FloatingPointError):
    """Training met a number that is not finite.

    The message names the epoch, the batch and the array.
    """


class ConvergenceWarning(UserWarning):
    """Training reached ``max_epochs`` before the stopping rule was satisfied."""
