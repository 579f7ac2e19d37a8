"""The errors and warnings of vaelite. All others are Python's and NumPy's."""


class NotFittedError(ValueError, AttributeError):
    """A method that needs trained networks was called before ``fit``."""


class ModelFileError(ValueError):
    """A file is not a saved model, or it is damaged."""


class TrainingError(FloatingPointError):
    """Training met a number that is not finite.

    The message names the epoch, the batch and the array.
    """


class FitWarning(UserWarning):
    """A fit ended with a problem that `doctor` explains."""


class ConvergenceWarning(FitWarning):
    """Training reached ``max_epochs`` before the stopping rule was satisfied."""
