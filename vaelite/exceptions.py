"""The errors and warnings that are vaelite's own; all others are Python's and NumPy's."""


class NotFittedError(ValueError, AttributeError):
    """A method that needs trained networks was called before ``fit``."""


class ModelFileError(ValueError):
    """A file that should hold a saved model does not, or no longer does."""


class TrainingError(FloatingPointError):
    """Training met a number that is not finite; the message names the epoch, the batch and the array."""


class ConvergenceWarning(UserWarning):
    """Training ran into its cap on epochs before the stopping rule was satisfied."""
