"""The verdict on a plot of codes: the points of the picture and their colors."""

import numpy as np

from .answers import Answer, Fault, as_numbers
from .verdict import Verdict

CASES = ((60, 3), (41, 4))  # points and classes
NEAR = 1e-6


def points_of(picture):
    """The points of a picture, (n, 6): x, y, and the color as red, green, blue, alpha.

    Parameters
    ----------
    picture : matplotlib Axes, Figure or Artist
        Of a figure, its first axes. Texts are points if there are no others.

    Returns
    -------
    array, shape (n, 6), or None
        None if it is no picture.
    """
    ax = getattr(picture, "axes", picture)
    ax = ax[0] if isinstance(ax, list) and ax else ax
    if not (hasattr(ax, "collections") and hasattr(ax, "lines")):
        return None
    parts = [*map(_of_collection, ax.collections), *filter(len, map(_of_line, ax.lines))]
    if not any(map(len, parts)):
        parts = [_points(np.array([text.get_position()]), text.get_color()) for text in ax.texts]
    return np.concatenate([np.zeros((0, 6)), *parts])


def _of_collection(collection):
    collection.update_scalarmappable()
    return _points(np.ma.filled(collection.get_offsets(), np.nan), collection.get_facecolor())


def _of_line(line):
    """The points of a line that has markers."""
    if line.get_marker() in ("None", "none", None, "", " "):
        return np.zeros((0, 6))
    return _points(line.get_xydata(), line.get_markerfacecolor())


def _points(places, colors):
    from matplotlib.colors import to_rgba_array

    colors = to_rgba_array(colors)
    colors = colors if len(colors) else np.zeros((1, 4))
    return np.hstack([places, np.resize(colors, (len(places), 4))])


def verdict_on_plot(function, seed):
    """Judge a plot of codes by the figure's data."""
    rng, answer = np.random.default_rng(seed), None
    broken = None
    try:
        answer = Answer(function, ("mu", "labels"))
        for n, classes in CASES:
            mu = np.round(8 * rng.normal(size=(n, 2))) / 8
            mu[:, 0] = rng.permutation(n) / 8 - 3  # no two points are in the same place
            labels = rng.permutation(np.resize(np.arange(classes), n))
            points = _shown(answer(mu, labels))
            broken = broken or _first_broken(points, mu, labels)
    except Fault as fault:
        broken = fault.mistake, fault.says
    printed = (answer.printed if answer else "") or ""
    if broken is None:
        return Verdict(True, 1.0, printed=printed)
    return Verdict(False, 0.0, *broken, printed=printed)


def _shown(result):
    """The points of a picture, or of one in another process; the figure is closed."""
    points = points_of(result)
    if points is None:
        points = as_numbers(result)
    else:
        import matplotlib.pyplot as plt

        plt.close(getattr(result, "figure", result))
    if points.ndim != 2 or points.shape[1] != 6:
        raise Fault("no picture", "It should return the axes that it draws into.")
    return points


def _first_broken(points, mu, labels):
    """The first rule that a picture breaks, as (mistake, what to say), or None."""
    broken = ((name, says) for name, says, is_broken in FAULTS if is_broken(points, mu, labels))
    return next(broken, None)


def _same(found, expected):
    """Whether numbers are the same, in any order of the rows."""
    found, expected = np.atleast_2d(np.asarray(found).T).T, np.atleast_2d(np.asarray(expected).T).T
    if found.shape != expected.shape:
        return False
    ordered = (rows[np.lexsort(rows.T)] for rows in (found, expected))
    return bool(np.allclose(*ordered, atol=NEAR))


def _axes_average(points, mu, labels):
    return any(_same(points[:, axis], mu.mean(axis=1)) for axis in (0, 1))


def _latents_average(points, mu, labels):
    """Whether points are averages over images, where each latent should be an axis."""
    centers = [mu[labels == label].mean(axis=0) for label in np.unique(labels)]
    return _same(points[:, :2], centers)


def _one_latent(points, mu, labels):
    shown = [any(_same(points[:, axis], mu[:, k]) for axis in (0, 1)) for k in (0, 1)]
    return sum(shown) == 1


def _part(points, mu, labels):
    where = {tuple(np.round(place, 6)) for place in points[:, :2]}
    return len(points) < len(mu) and where <= {tuple(np.round(place, 6)) for place in mu}


def _other_points(points, mu, labels):
    return not _same(points[:, :2], mu)


def _alike(points, mu, labels):
    """Whether some classes have the same colors, or a class has several."""
    color_of = {tuple(np.round(row[:2], 6)): tuple(np.round(row[2:], 3)) for row in points}
    pairs = {(label, color_of[tuple(np.round(z, 6))]) for z, label in zip(mu, labels, strict=True)}
    return not len(pairs) == len({color for _, color in pairs}) == len(set(labels))


FAULTS = (
    ("nothing drawn", "The picture has no points.", lambda points, *_: not len(points)),
    (
        "latent axes averaged",
        "An axis shows the average of the latent variables. Each of them is an axis: plot z1 "
        "against z2.",
        _axes_average,
    ),
    (
        "averages of the classes",
        "It shows one point per class, their average: show a point for every image.",
        _latents_average,
    ),
    (
        "axes swapped",
        "z1 is on the vertical axis. By custom it is the horizontal one.",
        lambda points, mu, labels: _same(points[:, :2], mu[:, ::-1]),
    ),
    ("one latent only", "One of the two latent variables is not shown.", _one_latent),
    ("points missing", "Some images have no point.", _part),
    ("other points", "The points are not the codes.", _other_points),
    (
        "classes look alike",
        "A color should stand for one class, and a class should have one color.",
        _alike,
    ),
)
