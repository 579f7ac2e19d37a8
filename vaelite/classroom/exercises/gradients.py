"""Tutorial 04: gradients of an expectation."""

import numpy as np


def is_the_slope_of_a_mean(slope):
    """The slope of the variance of a mean of K draws against K, both logarithmic."""
    draws = np.array(np.meshgrid(*[[-1.0, 1.0]] * 8)).reshape(8, -1)  # all of 8 throws of a coin
    variances = [draws[:K].mean(axis=0).var() for K in (1, 8)]
    assert np.isclose(slope, np.log(variances[1] / variances[0]) / np.log(8)), (
        "compare the variance of one throw of a coin, +1 or -1, with that of the mean of eight"
    )
