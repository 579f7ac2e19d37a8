"""The errors and warnings of vaelite. All others are Python's and NumPy's."""


class NotFittedError(ValueError, AttributeError):
    """A method that needs trained networks was called before ``fit``."""


class ModelFileError(ValueError):
    """A file is not a saved model, or it is damaged."""


class TrainingError(FloatingPointError):
    """Training met a number that is not finite.

    The message names the epoch, the batch and the array. The attribute ``model`` is
    the model after the last whole epoch, if there was one.
    """


class FitWarning(UserWarning):
    """A fit ended with a problem that `doctor` explains."""


class ConvergenceWarning(FitWarning):
    """Training reached ``max_epochs`` before the stopping rule was satisfied."""


def keep_in(error, model):
    """Let the error that ends a fit carry the model as trained so far."""
    error.model = model
    error.add_note(
        f"The {model.n_epochs} epochs before are not lost: the error's attribute `model` has been "
        "trained for them (except Exception as error: model = error.model; in a notebook or "
        "console: sys.last_value.model)"
    )
