"""Priors: densities and samples against scipy and quadrature; trained, saved, loaded, scored."""

import autograd.numpy as anp
import numpy as np
import pytest
from helpers import check_all_grads
from scipy import special, stats

import vaelite

SETTINGS = {"hidden_dim": 16, "max_epochs": 3, "stopping": "epochs", "rng": 0}


class Laplace(vaelite.Prior):
    """A prior without parameters."""

    def neglogprior(self, z):
        return anp.sum(anp.abs(z) + anp.log(2.0), axis=-1)

    def sample(self, rng, shape, dtype):
        return rng.laplace(size=shape).astype(dtype)


class Shifted(vaelite.Prior):
    """N(shift, 1) with a trained shift."""

    def shapes(self, latent_dim):
        return {"shift": (latent_dim,)}

    def neglogprior(self, z, shift):
        return vaelite.neglogprior(z - shift)

    def sample(self, rng, shape, dtype, shift):
        return shift + rng.standard_normal(shape, dtype)


def mixture(rng, K=3, latent_dim=2):
    """A mixture and parameters for it."""
    logits, mu = rng.normal(size=K), 2 * rng.normal(size=(K, latent_dim))
    return vaelite.Mixture(K), (logits, mu, rng.uniform(-1, 0.5, (K, latent_dim)))


def scipy_logpdf(z, logits, mu, logsigma):
    log_w = logits - special.logsumexp(logits)
    logs = [
        log_w[k] + stats.norm(mu[k], np.exp(logsigma[k])).logpdf(z).sum(axis=1)
        for k in range(len(logits))
    ]
    return special.logsumexp(logs, axis=0)


def grid():
    """The nodes of a trapezoid rule on a square, and the area of a cell."""
    axis = np.linspace(-12, 12, 241)
    return np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2), (axis[1] - axis[0]) ** 2


@pytest.mark.parametrize("K", [1, 4])
def test_the_density_of_a_mixture_is_scipys(rng, K):
    prior, p = mixture(rng, K)
    z = 4 * rng.normal(size=(9, 2))
    assert prior.neglogprior(z, *p) == pytest.approx(-scipy_logpdf(z, *p), rel=1e-12)
    dropped = prior.neglogprior(z, *p) - prior.neglogprior(z, *p, normalized=False)
    assert dropped == pytest.approx(np.full(9, np.log(2 * np.pi)))  # 2 latents


def test_a_mixture_integrates_to_one(rng):
    prior, p = mixture(rng)
    z, cell = grid()
    assert cell * np.exp(-prior.neglogprior(z, *p)).sum() == pytest.approx(1, abs=1e-9)


def test_its_derivatives_are_finite_differences(rng):
    prior, p = mixture(rng)
    check_all_grads(prior.neglogprior, rng.normal(size=(4, 2)), *p)


def test_codes_far_from_all_components_have_a_finite_density(rng):
    prior, p = mixture(rng)
    p = [np.float32(array) for array in p]
    far = prior.neglogprior(np.full((2, 2), 1e4, np.float32), *p)
    assert far.dtype == np.float32
    assert np.isfinite(far).all()


def test_its_samples_have_its_distribution(rng):
    """Each latent against its own mixture's distribution function, and the mean of -log p."""
    prior, p = mixture(rng)
    logits, mu, logsigma = p
    z = prior.sample(np.random.default_rng(1), (4000, 2), np.float64, *p)
    w = special.softmax(logits)
    for k in range(2):
        normals = stats.norm(mu[:, k], np.exp(logsigma[:, k]))
        cdf = lambda t, normals=normals: normals.cdf(np.asarray(t)[..., None]) @ w
        assert stats.kstest(z[:, k], cdf).pvalue > 1e-3
    nats = prior.neglogprior(z, *p)
    nodes, cell = grid()
    log_p = scipy_logpdf(nodes, *p)
    entropy = -cell * np.sum(np.exp(log_p) * log_p)
    assert abs(nats.mean() - entropy) < 4 * nats.std() / np.sqrt(len(nats))


def test_the_standard_normal_prior_is_the_default(digits):
    X = digits[0][:300]
    models = [vaelite.fit(X, prior=prior, **SETTINGS) for prior in (None, vaelite.StandardNormal())]
    assert repr(models[0]) == repr(models[1])
    assert np.array_equal(models[0].sample(4, rng=0), models[1].sample(4, rng=0))
    assert models[0].score(X) == models[1].score(X)


@pytest.mark.parametrize("kind", [vaelite.VAE, vaelite.MeanField])
def test_a_mixture_is_trained_saved_and_loaded(kind, digits, tmp_path):
    X = digits[0][:200]
    model = kind(hidden_dim=8, prior=vaelite.Mixture(4))
    before = {name: a.copy() for name, a in model.build(64, rng=0).params.items()}
    model.set_params(max_epochs=3, stopping="epochs", rng=0).fit(X)
    names = [name for name in model.params if name.startswith("prior.")]
    assert names == ["prior.logits", "prior.mu", "prior.logsigma"]
    for name in names:
        assert not np.array_equal(model.params[name], before[name]), name
        assert model.params[name].dtype == np.float32
    model.save(tmp_path / "m.npz")
    loaded = vaelite.load(tmp_path / "m.npz")
    assert loaded.prior == vaelite.Mixture(4)
    assert repr(loaded) == repr(model)
    assert np.array_equal(loaded.sample(5, rng=0), model.sample(5, rng=0))
    assert np.array_equal(loaded.score_samples(X[:20]), model.score_samples(X[:20]))


def test_a_mixture_learns_where_the_codes_are(rng):
    """Two far clusters: with two components the ELBO is higher than with N(0, I)."""
    X = np.repeat([[-3.0], [3.0]], 100, axis=0) + 0.1 * rng.normal(size=(200, 1))
    settings = {
        "latent_dim": 1,
        "hidden_dim": (),
        "likelihood": vaelite.Gaussian(mean="identity", sigma=0.3),
        "learning_rate": 0.05,
        "max_epochs": 20,
        "stopping": "epochs",
        "rng": 0,
    }
    scores = {K: vaelite.fit(X, prior=vaelite.Mixture(K), **settings).score(X) for K in (1, 2)}
    assert scores[2] > scores[1] + 0.3


def test_log_evidence_is_that_of_quadrature(digits):
    """Quadrature shares neither the samples nor the proposal."""
    X = digits[0][:200]
    vae = vaelite.fit(X, prior=vaelite.Mixture(3), **(SETTINGS | {"max_epochs": 10}))
    exact, error = vaelite.Quadrature(vae, n_nodes=101).log_evidence(X[:4])
    found = vaelite.log_evidence(vae, X[:4], n_samples=2000)
    assert error.max() < 0.01
    assert abs(found.value - exact) == pytest.approx(0, abs=5 * found.standard_error.max())
    assert (vae.score_samples(X[:4]) < exact + 3).all()


def test_samples_come_from_the_prior(digits):
    X = digits[0][:200]
    vae = vaelite.fit(X, prior=Shifted(), learning_rate=0.05, **SETTINGS)
    vae.params["prior.shift"][...] = 50
    far = vae.decode(np.random.default_rng(0).standard_normal((4, 2)) + 50)[0]
    assert vae.sample(4, rng=0, mean=True) == pytest.approx(far, abs=0.2)
    assert vae.sample(0).shape == (0, 64)


def test_the_order_of_parameters_in_a_dict_does_not_matter(digits):
    vae = vaelite.VAE(hidden_dim=4, prior=vaelite.Mixture(3)).build(64, rng=0)
    before = vae.score(digits[0][:50])
    vae.params = dict(reversed(vae.params.items()))
    assert vae.score(digits[0][:50]) == pytest.approx(before)


def test_an_own_prior_is_passed_again_to_load(digits, tmp_path):
    X, path = digits[0][:200], tmp_path / "own.npz"
    for prior in (Laplace(), Shifted()):
        vae = vaelite.fit(X, prior=prior, **SETTINGS)
        vae.save(path)
        loaded = vaelite.load(path, prior=prior)
        assert np.array_equal(loaded.score_samples(X), vae.score_samples(X))
        assert np.array_equal(loaded.sample(3, rng=0), vae.sample(3, rng=0))
        with pytest.raises(vaelite.ModelFileError, match=r"needs your own prior: load\(path, pri"):
            vaelite.load(path)
    with pytest.raises(TypeError, match=r"prior should be an object, got the class Laplace"):
        vaelite.load(path, prior=Laplace)
    vaelite.fit(X, **SETTINGS).save(path)
    with pytest.raises(vaelite.ModelFileError, match="was not fitted with your own prior"):
        vaelite.load(path, prior=Laplace())


def test_a_bare_neglogprior_warns_that_it_has_no_samples(digits):
    X = digits[0][:200]
    bare = vaelite.fit(X, neglogprior=Laplace().neglogprior, **SETTINGS)
    whole = vaelite.fit(X, prior=Laplace(), **SETTINGS)
    assert bare.score(X) == pytest.approx(whole.score(X), rel=1e-4)
    message = r"codes come from N\(0, I\), not from your neglogprior.* fit with prior="
    with pytest.warns(UserWarning, match=message):
        bare.sample(3)
    with pytest.warns(UserWarning, match=message) as raised:
        vaelite.plots.samples(bare, 4)
    assert raised[0].filename == __file__
    whole.sample(3)  # a warning would fail the test
    vaelite.fit(X, neglogprior=vaelite.neglogprior, **SETTINGS).sample(3)


def test_what_needs_the_normal_prior_refuses_another(digits):
    X = digits[0][:100]
    vae = vaelite.fit(X, prior=vaelite.Mixture(2), **SETTINGS)
    with pytest.raises(ValueError, match="own neglogprior"):
        vaelite.kl_split(vae, X)
    with pytest.raises(ValueError, match='pass kl="sample"'):
        vae.loss(kl="analytic")
    with pytest.raises(ValueError, match='pass kl="sample"'):
        vae.set_params(kl="analytic").fit(X)
    ledger = vaelite.ledger(vae, X)
    assert "-log p(z)" in ledger.terms
    assert ledger.loss["nats per image"] == pytest.approx(-vae.score(X), rel=1e-5)


class NoSample(Laplace):
    def sample(self, rng, shape, dtype):
        return rng.laplace(size=shape[0])


class NoDensity(Laplace):
    def neglogprior(self, z):
        return anp.sum(anp.abs(z))


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"prior": "mixture"}, TypeError, r"prior should be an object like Mixture\(10\)"),
        ({"prior": vaelite.Mixture}, TypeError, r"the class Mixture; pass Mixture\(\)"),
        ({"prior": Laplace().neglogprior}, TypeError, "an object like Mixture"),
        ({"prior": NoSample()}, ValueError, r"sample of NoSample .* shape \(7, 2\), got .*\(7,\)"),
        ({"prior": NoDensity()}, ValueError, r"NoDensity.neglogprior should return one number"),
        ({"prior": Laplace(), "neglogprior": np.sum}, ValueError, "both passed"),
    ],
)
def test_mistakes_are_explained_before_training(settings, error, message, digits):
    with pytest.raises(error, match=message):
        vaelite.fit(digits[0][:100], **settings, **SETTINGS)


def test_samples_of_the_standard_normal():
    z = vaelite.StandardNormal().sample(np.random.default_rng(0), (4, 2), np.float32)
    assert np.array_equal(z, np.random.default_rng(0).standard_normal((4, 2), np.float32))


def test_weights_that_overflow_outside_log_space():
    p = np.array([1000.0, 0.0]), np.array([[5.0], [-5.0]]), np.full((2, 1), -9.0)
    z = vaelite.Mixture(2).sample(np.random.default_rng(0), (50, 1), np.float64, *p)
    assert z == pytest.approx(np.full((50, 1), 5.0), abs=0.01)
    nats = vaelite.Mixture(2).neglogprior(z, *p)
    assert nats == pytest.approx(-stats.norm(5, np.exp(-9)).logpdf(z[:, 0]))


def test_reports_without_constants_keep_an_own_density(digits):
    """`normalized=False` is for terms that know it."""
    X, settings = digits[0][:100], {**SETTINGS, "normalized": False}
    dropped = vaelite.fit(X, prior=Laplace(), **settings).history["eval_kl"]
    kept = vaelite.fit(X, prior=Laplace(), **SETTINGS).history["eval_kl"]
    of_q = np.log(2 * np.pi)  # of log q(z|x), for 2 latents
    assert dropped == pytest.approx(np.array(kept) + of_q, rel=1e-4)
    for prior in (vaelite.Mixture(3), None):  # they drop their constant, as q does
        kl = [vaelite.fit(X, prior=prior, **s).history["eval_kl"] for s in (settings, SETTINGS)]
        assert kl[0] == pytest.approx(kl[1], rel=1e-4)


def test_a_mixture_has_ten_components():
    assert vaelite.Mixture() == vaelite.Mixture(10)


def test_a_mixture_needs_components():
    with pytest.raises(ValueError, match="n_components should be 1 or more"):
        vaelite.Mixture(0)
