"""A prediction, written down before the result, and answered afterwards."""

NOTHING = "You predicted nothing"


def reveal(prediction, answer):
    """Print what a reader predicted, and what is so.

    Parameters
    ----------
    prediction : object
        A number or a text, or a tuple of them; ``...`` or None is no prediction.
    answer : object
        What was found.

    Examples
    --------
    >>> from vaelite.classroom import reveal
    >>> reveal("mostly", "almost never")
    You predicted: mostly. Found: almost never.
    >>> reveal(..., "16.5 times")
    You predicted nothing. Found: 16.5 times.
    """
    parts = prediction if isinstance(prediction, tuple) else (prediction,)
    made = ", ".join(str(part) for part in parts if part is not None and part is not ...)
    print(f"You predicted: {made}. Found: {answer}." if made else f"{NOTHING}. Found: {answer}.")
