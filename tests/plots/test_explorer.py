"""The page of `plots.explorer`: its file, and in a real browser its numbers, hands and looks."""

import json
import re

import browser
import numpy as np
import pytest

import vaelite
from vaelite.likelihoods import LIKELIHOODS
from vaelite.plots import explorer

IMAGES = np.random.default_rng(0).random((40, 12)).astype(np.float32)
SHAPE = 3, 4
LEVELS = np.rint(IMAGES * 4)
G, C = vaelite.Gaussian, vaelite.Categorical
CASES = {  # by the likelihood's name, so that a new likelihood needs a case
    "gaussian": [
        {"likelihood": G(), "activation": "relu"},
        {"likelihood": G(sigma="pixel", floor=None), "activation": "tanh"},
        {"likelihood": G("identity", "shared"), "activation": "softplus"},
        {"likelihood": G(sigma=0.3), "hidden_dim": (), "prior": vaelite.Mixture(3)},
        {"likelihood": G(), "latent_dim": 1, "dtype": "float64"},
    ],
    "bernoulli": [{"likelihood": "bernoulli", "hidden_dim": (7, 6, 5)}],
    "categorical": [
        {"likelihood": C(5), "activation": "tanh"},
        {"likelihood": C(5, one_hot=True), "latent_dim": 1},
    ],
    "continuous_bernoulli": [{"likelihood": "continuous_bernoulli"}],
}
MODELS = [(name, case) for name in LIKELIHOODS for case in CASES[name]]


def model(case, dtype=np.float32):
    """A model with large random weights, so that nothing is near a simple value."""
    vae = vaelite.VAE(**{"hidden_dim": (9, 8), **case}).build(12, dtype=dtype, rng=3)
    rng = np.random.default_rng(1)
    for array in vae.params.values():
        array += 0.3 * rng.standard_normal(array.shape).astype(array.dtype)
    return vae


def data_for(vae):
    return LEVELS if isinstance(vae.likelihood, C) else IMAGES


# The file


def content(path):
    """What the page knows of its model."""
    found = re.search(r'id="model">(.*?)</script>', path.read_text(encoding="utf-8"))
    return json.loads(found[1])


def test_the_page_is_one_file_that_asks_for_no_other(vae, digits, tmp_path):
    page = explorer(vae, tmp_path / "digits.html", *digits)
    text = page.read_text(encoding="utf-8")
    assert page == tmp_path / "digits.html"
    assert re.findall(r"https?://|<link(?! rel=\"icon\" href=\"data:,\")|@import|src=", text) == []
    assert "{model}" not in text
    assert "/* page.js */" not in text
    assert "/* model.js */" not in text
    found = content(page)
    assert found["labels"][:3] == ["0", "1", "2"]
    assert found["codes"]["shape"] == [1500, 2]
    assert found["images"]["shape"] == [60, 64]


def test_data_cannot_end_the_script_of_the_page(vae, digits, tmp_path):
    X, y = digits[0][:2], ["</script><b>", "a"]
    assert content(explorer(vae, tmp_path / "a.html", X, y))["labels"] == y


REFUSED = {
    "3 latents": ({"latent_dim": 3}, "1 or 2 latents.*this model has 3 latents"),
    "another network": (
        {"encoder": vaelite.Convolutional((8, 8), channels=(2,))},
        "Dense networks.*its encoder is Convolutional",
    ),
    "an own term": ({"neglogprior": lambda z: (z * z).sum(axis=-1)}, "its own neglogprior"),
    "an own likelihood": ({"likelihood": type("Mine", (G,), {})()}, "its likelihood is Mine"),
    "an own prior": ({"prior": type("Mine", (vaelite.StandardNormal,), {})()}, "its prior is Mine"),
    "too many weights": ({"hidden_dim": (4000, 2000)}, "weights, and the page would be too large"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_page_cannot_show_is_refused(name, tmp_path):
    settings, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        explorer(vaelite.VAE(**{"hidden_dim": 4, **settings}).build(64), tmp_path / "a.html")
    assert not list(tmp_path.iterdir())


def test_images_of_no_square_need_their_shape(tmp_path):
    vae = model({})
    with pytest.raises(ValueError, match=r"pass image_shape=\(rows, columns\)"):
        explorer(vae, tmp_path / "a.html")
    explorer(vae, tmp_path / "a.html", image_shape=SHAPE)
    with pytest.raises(ValueError, match="y was passed without X"):
        explorer(vae, tmp_path / "a.html", y=[1], image_shape=SHAPE)


def test_models_without_an_encoder_or_with_a_condition_are_refused(digits, quick, tmp_path):
    X = digits[0][:100]
    with pytest.raises(ValueError, match="MeanField has no encoder"):
        explorer(vaelite.MeanField(hidden_dim=4, max_epochs=1).fit(X), tmp_path / "a.html")
    given = vaelite.VAE(hidden_dim=4).build(64, n_conditions=2)
    with pytest.raises(ValueError, match="without a condition"):
        explorer(given, tmp_path / "a.html")


# In a browser


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    with browser.chromium(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


def in_float64(vae):
    """The model that the page has: its weights as float32, and arithmetic in float64."""
    params = {name: np.float64(np.float32(array)) for name, array in vae.params.items()}
    return model_with(vae, params)


def model_with(vae, params):
    copy = vaelite.VAE(**vae.get_params(deep=False)).build(vae.n_features, dtype="float64")
    copy.params = params
    return copy


COMPUTE = """(() => {
  const x = Float64Array.from(%s), z = %s, eps = %s, q = vae.encode(x);
  const p = vae.decode([z])[0], grid = finish(posterior.grid(posterior.whole(41).box, 41, x));
  const list = (found) => Object.fromEntries(
    Object.entries(found).map(([name, array]) => [name, Array.from(array)]));
  return {
    q: list(q), p: list(p), terms: vae.terms(x, q, z), elbo: vae.elbo(x, q, eps),
    mean: Array.from(vae.likelihood.mean(p)), sigma: Array.from(vae.likelihood.sigma(p)),
    density: Array.from(grid.density()), logJoint: Array.from(grid.logJoint),
    evidence: finish(posterior.refine(x, q)).evidence(),
  };
})()"""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "case"), MODELS)
def test_the_page_computes_what_numpy_computes(name, case, tab, tmp_path):
    vae = model(case)
    tab.open(explorer(vae, tmp_path / "a.html", image_shape=SHAPE))
    tab.wait("posterior.isReady")
    vae, x = in_float64(vae), data_for(vae)[:1].astype(float)
    rng = np.random.default_rng(2)
    z, eps = rng.standard_normal((1, vae.latent_dim)), rng.standard_normal((64, vae.latent_dim))
    found = tab.run(COMPUTE % (x[0].tolist(), z[0].tolist(), eps.tolist()))
    close = {"abs": 1e-9, "rel": 1e-9}

    mu, logsigma = vae.encode(x)
    assert found["q"]["mu"] == pytest.approx(mu[0], **close)
    assert found["q"]["logsigma"] == pytest.approx(logsigma[0], **close)
    outputs = vae.decode(z)
    for mine, expected in zip(found["p"].values(), outputs, strict=True):
        assert mine == pytest.approx(expected[0].ravel(), **close)
    assert found["mean"] == pytest.approx(vae.likelihood.expectation(*outputs)[0], **close)
    check_terms(vae, x, z, eps, found, close)
    check_posterior(vae, x, found, close)
    check_sigma(vae, outputs, found)
    assert tab.errors == []


def check_terms(vae, x, z, eps, found, close):
    """The three terms at a code, and the mean of the ELBO over many."""
    objective, (mu, logsigma) = vae.loss(), vae.encode(x)
    at_z = (z - mu) / np.exp(logsigma)
    nll, nlp, nlq = (term[0] for term in objective.terms(vae.params, x, at_z))
    terms = {"nll": nll, "nlp": nlp, "nlq": nlq, "elbo": nlq - nll - nlp}
    assert found["terms"] == pytest.approx(terms, **close)
    rows = np.repeat(x, len(eps), axis=0)
    elbos = -objective.parts(vae.params, rows, eps)[0]
    assert found["elbo"]["mean"] == pytest.approx(elbos.mean(), **close)
    assert found["elbo"]["error"] == pytest.approx(elbos.std(ddof=1) / 8, **close)


@pytest.mark.filterwarnings("ignore:the grid of 41 nodes", "ignore:the posterior of")
def check_posterior(vae, x, found, close):
    """The grid as `Quadrature` has it, and log p(x) from finer grids."""
    quadrature = vaelite.Quadrature(vae, n_nodes=41)
    exact = quadrature.posterior(x)[0].ravel()
    assert found["density"] == pytest.approx(exact, **close)
    value, error = vaelite.Quadrature(vae).log_evidence(x)
    assert error[0] < 0.01
    assert found["evidence"]["trusted"]
    assert found["evidence"]["value"] == pytest.approx(value[0], abs=0.02)


def check_sigma(vae, outputs, found):
    """Standard deviations of x given z, against draws."""
    repeated = [np.repeat(array, 40_000, axis=0) for array in outputs]
    draws = vae.likelihood.sample(np.random.default_rng(0), *repeated)
    assert found["sigma"] == pytest.approx(draws.std(axis=0), rel=0.05, abs=0.005)


SAMPLES = """(() => {
  const p = vae.decode([%s])[0], draws = Array.from({length: 4000}, () => vae.likelihood.sample(p));
  return [vae.likelihood.mean(p), vae.likelihood.sigma(p)].map((a) => Array.from(a)).concat(
    [draws[0].constructor.name, Array.from(p[Object.keys(p)[0]], () => 0).slice(0, 12).map((_, i) =>
      draws.reduce((total, x) => total + x[i], 0) / draws.length)]);
})()"""


@pytest.mark.slow
def test_samples_of_the_page_have_their_mean(tab, tmp_path):
    for name in LIKELIHOODS:
        vae = model(CASES[name][0])
        tab.open(explorer(vae, tmp_path / "a.html", image_shape=SHAPE))
        mean, sigma, kind, average = tab.run(SAMPLES % "[0.3, -0.2]")
        assert kind == "Float64Array"
        assert np.all(np.abs(np.subtract(average, mean)) < 5 * np.array(sigma) / 4000**0.5)


@pytest.fixture(scope="module")
def page(tmp_path_factory, vae, digits):
    return explorer(vae, tmp_path_factory.mktemp("page") / "digits.html", *digits)


def box_of(tab, name):
    """Left, top and side of a canvas on the screen."""
    where = "{const r = e.getBoundingClientRect(); return [r.x, r.y, r.width]}"
    scroll = "e.scrollIntoView({block: 'center'})"
    return tab.run(f"((e) => {{{scroll}; {where}}})(document.getElementById('{name}'))")


def on_screen(box, points):
    left, top, side = box
    return [(left + side * u, top + side * v) for u, v in points]


def number_in(tab, name):
    """A number that the page shows, with a typographic minus sign."""
    text = tab.run(f"document.getElementById('{name}').textContent")
    return float(text.strip("\N{ALMOST EQUAL TO} ").replace("\N{MINUS SIGN}", "-"))


def settled(tab):
    tab.wait("state.target === null && state.isFine && !isDrawing")


@pytest.mark.slow
@pytest.mark.parametrize("hand", ["drag", "swipe"])
def test_a_drawing_is_encoded_and_z_follows(hand, tab, page, vae):
    tab.size(1000, 1200, touch=hand == "swipe")
    tab.open(page)
    tab.wait("posterior.isReady")
    tab.run("document.getElementById('clear').click()")
    assert tab.run("Math.max(...state.x)") == 0
    getattr(tab, hand)(on_screen(box_of(tab, "image"), [(0.5, 0.1), (0.5, 0.5), (0.55, 0.9)]))
    settled(tab)
    x = np.reshape(tab.run("Array.from(state.x)"), (1, 64))
    assert x.max() == 1
    assert np.isclose(x * 16 % 1, 0).all()
    assert x.reshape(8, 8)[:, [0, 1, 6, 7]].max() == 0
    assert x.reshape(8, 8)[1:7, 3:5].max() == 1
    assert tab.run("state.z") == pytest.approx(vae.encode(x)[0][0], abs=1e-4)
    value, _ = vaelite.Quadrature(vae).log_evidence(x)
    assert number_in(tab, "exact-number") == pytest.approx(value[0], abs=0.06)
    elbo = tab.run("vae.terms(state.x, state.q, state.z).elbo")
    assert number_in(tab, "elbo-number") == pytest.approx(elbo, abs=0.06)
    assert tab.errors == []
    assert tab.requests == [page.as_uri()]


@pytest.mark.slow
@pytest.mark.parametrize("hand", ["drag", "swipe"])
def test_z_is_moved_in_the_plane(hand, tab, page):
    tab.size(1000, 1200, touch=hand == "swipe")
    tab.open(page)
    getattr(tab, hand)(on_screen(box_of(tab, "plane"), [(0.5, 0.5), (0.6, 0.4), (0.75, 0.25)]))
    # The page gets the movements of a finger with its next frames, so later than the call.
    tab.wait("state.z.every((number) => Math.abs(number - REACH / 2) < 0.05)")
    tab.wait("!isDrawing")
    expected = tab.run("state.z[0].toFixed(2)")
    assert tab.run("document.getElementById('z1-number').value") == expected


@pytest.mark.slow
def test_the_keyboard_is_enough(tab, page):
    tab.open(page)
    tab.run("document.getElementById('clear').click()")
    count = "document.querySelectorAll('button, input, canvas[tabindex]').length"
    reached = set()
    for _ in range(tab.run(count) + 2):
        tab.key("Tab")
        reached.add(tab.run("document.activeElement.id || document.activeElement.value"))
    assert reached >= {"image", "plane", "next", "clear", "erase", "z1", "z2", "pictures", "exact"}

    tab.run("document.getElementById('image').focus()")
    tab.key("ArrowRight")
    tab.key(" ")
    assert tab.run("state.x[4 * 8 + 5]") == 1
    tab.key("e")
    tab.key(" ")
    assert tab.run("Math.max(...state.x)") == 0
    tab.run("document.getElementById('plane').focus(); setCode([0, 0])")
    for key, modifiers in (("ArrowRight", 0), ("ArrowUp", 0), ("ArrowUp", 8)):  # 8: Shift
        tab.key(key, modifiers)
    assert tab.run("state.z") == pytest.approx([0.1, 0.11])


LABELS = """Array.from(document.querySelectorAll('button, input, canvas')).filter((e) =>
  !(e.ariaLabel || e.textContent.trim() || e.closest('label')?.textContent.trim()) ).length"""
CONTRAST = """(() => {
  const light = (color) => channels(color).map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((total, c, i) => total + c * [0.2126, 0.7152, 0.0722][i], 0);
  const on = (under) => ['--ink', '--muted', '--q', '--exact', '--z', '--term', '--sum']
    .map((name) => [light(css(name)), light(css(under))]);
  const pairs = on('--paper').concat(on('--ground'));
  return Math.min(...pairs.map(([a, b]) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)));
})()"""

SMALLEST = """Math.min(...[...document.querySelectorAll('main *, header *')]
  .filter((e) => e.textContent.trim()).map((e) => parseFloat(getComputedStyle(e).fontSize)))"""


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True])
def test_the_page_is_legible_on_small_screens_and_in_the_dark(dark, tab, page):
    for width in (1440, 768, 390, 320):
        tab.size(width, 900, dark=dark)
        tab.open(page)
        assert tab.run("document.documentElement.scrollWidth") <= width
    assert tab.run(LABELS) == 0
    assert tab.run(CONTRAST) >= 4.5  # WCAG 2.2, level AA
    assert tab.run(SMALLEST) >= 12
