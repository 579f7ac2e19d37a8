"""The data of the figures, and their errors; these tests do not check how figures look."""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
import sklearn.manifold  # noqa: F401  (loads the threads that a test limits)
import threadpoolctl
from matplotlib.patches import Rectangle

import vaelite
from vaelite import plots


@pytest.fixture(scope="module")
def deep(digits, quick):
    return vaelite.fit(digits[0][:500], **quick, latent_dim=3)


def image(ax):
    return np.ma.filled(ax.images[0].get_array(), np.nan)


def test_learning_curve_shows_the_history(vae):
    ax = plots.learning_curve(vae)
    assert np.array_equal(ax.lines[1].get_ydata(), vae.history["eval_loss"])
    assert "nats" in ax.get_ylabel()
    ax = plots.learning_curve(vae, elbo=True)
    assert np.array_equal(ax.lines[1].get_ydata(), np.negative(vae.history["eval_loss"]))
    assert ax.get_ylim()[0] < ax.get_ylim()[1]


def test_a_model_trained_by_hand_has_no_learning_curve():
    with pytest.raises(vaelite.NotFittedError, match="no history: it was not trained by fit"):
        plots.learning_curve(vaelite.VAE().build(4, rng=0))


def test_learning_curve_of_test_rows(digits, quick):
    ax = plots.learning_curve(vaelite.fit(digits[0][:500], digits[0][500:], **quick))
    labels = [line.get_label() for line in ax.lines]
    assert labels == ["training rows, during the epoch", "test rows, after it"]


def test_learning_curve_marks_the_best_held_out_epoch(digits, quick):
    heldout = {"stopping": "heldout", "patience": 1, "learning_rate": 0.05, "max_epochs": 60}
    vae = vaelite.fit(digits[0], **{**quick, **heldout})
    ax = plots.learning_curve(vae)
    assert ax.lines[2].get_xdata()[0] == vae.best_epoch


def test_latent_means_draws_every_row_at_its_mean(vae, digits):
    ax = plots.latent_means(vae, *digits)
    points = np.concatenate([np.asarray(points.get_offsets()) for points in ax.collections])
    assert np.sort(points, axis=0) == pytest.approx(np.sort(vae.encode(digits[0])[0], axis=0))
    assert [text.get_text() for text in ax.texts] == list("0123456789")


@pytest.fixture
def one_thread():
    """Several threads of t-SNE add in a random order, and wait for each other."""
    with threadpoolctl.threadpool_limits(1, "openmp"):
        yield


@pytest.mark.usefixtures("one_thread")
def test_codes_without_labels_are_drawn_in_one_color(vae, deep, digits):
    X = digits[0][:50]
    for ax in (plots.latent_means(vae, X), plots.tsne_means(deep, X)):
        (points,) = ax.collections
        assert len(points.get_offsets()) == 50
        assert not ax.texts
        assert "class" not in ax.get_title()


def test_latent_means_of_chosen_axes(deep, digits):
    ax = plots.latent_means(deep, *digits, axes=(2, 0))
    zeros = deep.codes(digits[0])[digits[1] == 0]
    assert np.asarray(ax.collections[0].get_offsets()) == pytest.approx(zeros[:, [2, 0]])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("mean of z3", "mean of z1")


@pytest.mark.usefixtures("one_thread")
def test_tsne_draws_every_row(deep, digits):
    X, y = digits[0][:100], digits[1][:100]
    points = []
    for _ in range(2):
        ax = plots.tsne_means(deep, X, y, rng=0)
        points.append(np.concatenate([np.asarray(c.get_offsets()) for c in ax.collections]))
    assert points[0].shape == (100, 2)
    assert np.array_equal(*points)


def test_tsne_names_its_extra(deep, digits, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    with pytest.raises(ImportError, match=r"vaelite\[tsne\]"):
        plots.tsne_means(deep, *digits)


@pytest.mark.parametrize("kind", ["model", "guide"])
def test_the_arrows_of_graphical_models_point_the_right_way(kind):
    ax = plots.graphical_model(kind)
    heights = {text.get_text(): text.get_position()[1] for text in ax.texts if text.get_text()}
    arrow = next(text for text in ax.texts if text.get_text() == "")
    start, end = arrow.xyann[1], arrow.xy[1]
    nodes = (heights["$z_i$"], heights["$x_i$"])
    assert (start, end) == (nodes if kind == "model" else nodes[::-1])
    assert ("phi" in str(list(heights))) == (kind == "guide")


def test_graphical_models_of_other_kinds():
    with pytest.raises(ValueError, match="'model', 'guide'"):
        plots.graphical_model("prior")


def test_average_reconstructions_average_each_class(vae, digits):
    X, y = digits
    ax = plots.average_reconstructions(vae, X, y)
    ones = vae.reconstruct(X)[y == 1]
    assert image(ax)[1:9, 10:18] == pytest.approx(ones.mean(axis=0).reshape(8, 8), abs=1e-6)


def test_reconstructions_are_below_their_images(vae, digits):
    ax = plots.reconstructions(vae, digits[0], n=4)
    assert image(ax)[1:9, 1:9] == pytest.approx(digits[0][0].reshape(8, 8))
    assert image(ax)[10:18, 1:9] == pytest.approx(vae.reconstruct(digits[0][:4])[0].reshape(8, 8))


def test_samples_are_the_models(vae):
    expected = vae.sample(5, rng=0, mean=True)[0].reshape(8, 8)
    assert image(plots.samples(vae, 5, rng=0))[1:9, 1:9] == pytest.approx(expected)


def test_latent_grid_grows_right_and_up(vae):
    ax = plots.latent_grid(vae, n=3)
    quantile = 0.9674215661  # the standard normal's quantile of 5/6
    corner = vae.decode(np.full((9, 2), quantile))[0][2].reshape(8, 8)  # top right
    assert image(ax)[1:9, 19:27] == pytest.approx(corner, abs=1e-6)


def test_the_ticks_of_a_grid_are_symmetric(vae):
    for n in (1, 2, 3, 4, 10, 15, 20):
        ax = plots.latent_grid(vae, n=n)
        labels = [label.get_text() for label in ax.get_xticklabels()]
        numbers = [float(label.replace("\N{MINUS SIGN}", "-")) for label in labels]
        assert numbers == [-number for number in numbers[::-1]], n
        assert len(set(numbers)) == len(numbers) <= 5, n
        assert not any("-" in label for label in labels), n  # a hyphen is no minus sign


def test_all_draw_into_given_axes_and_show_nothing(vae, digits, monkeypatch):
    monkeypatch.setattr(plt, "show", lambda *args: pytest.fail("plt.show was called"))
    _, axes = plt.subplots(2, 3)
    X, y = digits
    calls = [
        (plots.learning_curve, ()),
        (plots.latent_means, (X, y)),
        (plots.average_reconstructions, (X, y)),
        (plots.reconstructions, (X,)),
        (plots.samples, ()),
        (plots.latent_grid, ()),
    ]
    for (draw, arguments), ax in zip(calls, axes.flat, strict=True):
        assert draw(vae, *arguments, ax=ax) is ax
    assert len(plt.get_fignums()) == 1


def test_images_of_other_shapes(quick):
    X = np.random.default_rng(0).random((30, 12))
    vae = vaelite.fit(X, **{**quick, "batch_size": 10})
    assert image(plots.samples(vae, 4, image_shape=(3, 4))).shape == (2 * 4 + 1, 2 * 5 + 1)
    for draw in (plots.samples, lambda v, **k: plots.reconstructions(v, X, **k), plots.latent_grid):
        with pytest.raises(ValueError, match="pass image_shape"):
            draw(vae)
        with pytest.raises(ValueError, match="image_shape"):
            draw(vae, image_shape=(5, 5))


def test_figures_that_cannot_be_drawn(vae, deep, digits):
    X, y = digits
    with pytest.raises(ValueError, match="latent_dim=2"):
        plots.latent_grid(deep)
    with pytest.raises(ValueError, match="latent_dim is 2"):
        plots.latent_means(vae, X, y, axes=(0, 2))
    with pytest.raises(ValueError, match=r"shape \(1797,\), got \(10,\)"):
        plots.latent_means(vae, X, y[:10])
    with pytest.raises(vaelite.NotFittedError):
        plots.samples(vaelite.VAE())


def test_posterior_draws_the_exact_one_and_every_q(vae, digits):
    x = digits[0][5]
    other = np.array([[0.5, -0.5]]), np.array([[-1.0, -2.0]])
    ax = plots.posterior(vae, x, {"another": other}, n_nodes=101)
    encoders, another = ax.patches
    mu, logsigma = (array[0] for array in vae.encode(digits[0][5:6]))
    diameter = 2 * np.sqrt(-2 * np.log(0.05))
    assert encoders.center == pytest.approx(mu)
    assert (encoders.width, encoders.height) == pytest.approx(diameter * np.exp(logsigma))
    assert (another.width, another.height) == pytest.approx(diameter * np.exp([-1, -2]))
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["encoder's q(z|x), 95 %", "another, 95 %"]
    # an ellipse contains 95 % of its q
    z = np.random.default_rng(0).standard_normal((20_000, 2)) * np.exp([-1, -2])
    inside = ((z / [another.width / 2, another.height / 2]) ** 2).sum(axis=1) < 1
    assert inside.mean() == pytest.approx(0.95, abs=0.01)
    assert ax.get_aspect() == 1  # equal axes
    assert ax.get_xlim()[0] < mu[0] < ax.get_xlim()[1]


def test_posterior_needs_two_latents(deep, digits):
    with pytest.raises(ValueError, match="latent_dim=2, this model has 3"):
        plots.posterior(deep, digits[0][0])


def test_inference_gaps_shows_the_means(vae, digits):
    gaps = vaelite.inference_gaps(vae, digits[0][:20], n_samples=50, n_steps=20)
    ax = plots.inference_gaps(gaps)
    levels = [gaps.elbo, gaps.refined_elbo, gaps.log_evidence]
    assert ax.lines[0].get_xdata() == pytest.approx([level.value.mean() for level in levels])
    assert f"{gaps.amortization.mean():.3f} nats" in ax.texts[0].get_text()
    assert f"{gaps.approximation.mean():.3f} nats" in ax.texts[1].get_text()


def test_estimator_variances_are_those_that_were_measured():
    model = vaelite.ProbabilisticPCA(np.array([[1.5, -0.5]]), np.zeros(2), 0.8)
    x, q = np.array([[1.0, 0.5]]), (np.array([[0.3]]), np.array([[-0.4]]))

    def nll(z):
        return vaelite.negloglikelihood(np.broadcast_to(x, (*z.shape[:-1], 2)), *model.decode(z))

    ax = plots.estimator_variances(nll, *q, n_samples=(2, 4), repetitions=50)
    estimators = vaelite.gradient_estimators
    labels = [line.get_label() for line in ax.lines]
    assert labels == [name.replace("_", " ") for name in estimators.ESTIMATORS]
    for line, estimator in zip(ax.lines, estimators.ESTIMATORS.values(), strict=True):
        found = estimators.measure(estimator, nll, *q, n_samples=4, repetitions=50)
        assert line.get_ydata()[1] == pytest.approx(found.variance.sum())


def test_completions_keep_what_was_observed(vae, digits):
    X, observed = digits[0][:3], np.arange(64) < 32
    q = vaelite.infer(vae, X, observed=observed, n_steps=20)
    canvas = image(plots.completions(vae, X, observed, q))
    top, middle, bottom = (canvas[1 + 9 * row : 9 + 9 * row, 1:9] for row in range(3))
    assert top == pytest.approx(X[0].reshape(8, 8))
    assert middle[:4] == pytest.approx(top[:4])
    assert np.isnan(middle[4:]).all()
    assert bottom[:4] == pytest.approx(top[:4])
    expected = vae.likelihood.expectation(*vae.decode(q[0]))
    assert bottom[4:].ravel() == pytest.approx(expected[0, 32:])


def test_a_graph_has_its_nodes_and_an_arrow_for_each_edge():
    nodes, edges = {"a": (0, 0), "b": (2, 0), "c": (4, 1)}, [("a", "b"), ("b", "c")]
    ax = plots.graph(nodes, edges, observed=["c"], computed=["b"], bare=["a"])
    shapes = [type(patch).__name__ for patch in ax.patches]
    assert shapes == ["Circle", "Rectangle", "Circle"]
    assert [patch.get_linewidth() for patch in ax.patches] == [0, 1.5, 1.5]
    assert [patch.get_facecolor()[0] for patch in ax.patches] == [1, 1, 0.8]
    arrows = [text for text in ax.texts if text.get_text() == ""]
    assert [arrow.xy for arrow in arrows] == [(2, 0), (4, 1)]


def arrows(ax):
    """The arrows of a graph: (start, end, width)."""
    found = [text for text in ax.texts if text.get_text() == ""]
    return [(text.xyann, text.xy, text.arrow_patch.get_linewidth()) for text in found]


@pytest.mark.parametrize(("kind", "passes"), [("sampled", False), ("reparameterized", True)])
def test_the_gradient_reaches_phi_only_if_z_is_computed(kind, passes):
    ax = plots.gradient_graph(kind)
    names = {text.get_text(): np.array(text.get_position()) for text in ax.texts}
    z, phi, f = (names[name] for name in ("$z$", r"$\phi$", "$f$"))
    (down_from_f, at_z, _), (from_z, at_phi, _) = [a for a in arrows(ax) if a[2] == 3]
    for end, node in ((down_from_f, f), (at_z, z), (from_z, z), (at_phi, phi)):
        assert np.linalg.norm(end - node) < 0.7  # begins and ends beside the nodes
    crosses = [line for line in ax.lines if line.get_marker() == "x"]
    assert len(crosses) == (0 if passes else 1)
    if not passes:  # the cross is on the way from z to phi
        cross = np.array([crosses[0].get_xdata()[0], crosses[0].get_ydata()[0]])
        assert cross == pytest.approx(np.mean([from_z, at_phi], axis=0))
    assert (r"$\epsilon$" in names) == passes
    z_node = next(patch for patch in ax.patches if patch.contains_point(ax.transData.transform(z)))
    assert type(z_node).__name__ == ("Rectangle" if passes else "Circle")


def test_gradient_graphs_of_other_kinds():
    with pytest.raises(ValueError, match="'sampled', 'reparameterized'"):
        plots.gradient_graph("blocked")


def test_the_diagram_of_a_vae_shows_its_numbers(vae, digits):
    x = digits[0][3]
    ax = plots.vae_diagram(vae, x, rng=5)
    given, decoded = (np.asarray(image.get_array()) for image in ax.images)
    assert np.array_equal(given, x.reshape(8, 8))
    expected = vae.reconstruct(x[None], sample=True, rng=5)
    assert decoded == pytest.approx(expected.reshape(8, 8), abs=1e-6)
    mu, logsigma = (array[0] for array in vae.encode(x[None]))
    written = [text.get_text().replace("\N{MINUS SIGN}", "-") for text in ax.texts]
    numbers = [float(text) for text in written if text.lstrip("-")[:1].isdigit()]
    assert numbers[:4] == pytest.approx([*mu, *np.exp(logsigma)], abs=0.0051)
    assert numbers[6:] == pytest.approx(mu + np.exp(logsigma) * numbers[4:6], abs=0.02)


def test_the_diagram_of_many_latents_has_a_cell_for_each(digits, quick):
    vae = vaelite.fit(digits[0][:200], **quick, latent_dim=9)
    ax = plots.vae_diagram(vae, digits[0][0])
    cells = [patch for patch in ax.patches if isinstance(patch, Rectangle) and patch.get_fill()]
    assert len(cells) == 4 * 9  # mu, sigma, eps, z
    assert not any(text.get_text()[-1:].isdigit() for text in ax.texts)
