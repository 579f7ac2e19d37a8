"""A prediction, written down before the result, and answered afterwards."""


def reveal(prediction, answer):
    """Print what a reader predicted, and what is so.

    Parameters
    ----------
    prediction : object
        A number or a text; ``...`` or None if nothing was predicted.
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
    nothing = prediction is None or prediction is ...
    said = "You predicted nothing" if nothing else f"You predicted: {prediction}"
    print(f"{said}. Found: {answer}.")
