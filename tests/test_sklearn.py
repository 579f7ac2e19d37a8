"""The scikit-learn transformer: the official checks, and what a user of scikit-learn relies on."""

import inspect

import numpy as np
import pytest

pytest.importorskip("sklearn", "1.6", reason="scikit-learn 1.6 or later is not installed")
from sklearn import config_context
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import vaelite
from vaelite.sklearn import VAETransformer

QUICK = {"hidden_dim": 16, "max_epochs": 3, "stopping": "epochs", "random_state": 0}
DATA = np.random.default_rng(0).standard_normal((60, 5))


@pytest.fixture(scope="module")
def transformer():
    return VAETransformer(**QUICK).fit(DATA)


@parametrize_with_checks([VAETransformer(hidden_dim=16, max_epochs=20)])
@pytest.mark.filterwarnings("ignore::vaelite.exceptions.FitWarning", "ignore:X has values up to")
def test_official_check(estimator, check):
    """scikit-learn's own checks; none is declared as expected to fail."""
    check(estimator)


def test_settings_have_the_names_and_defaults_of_vaelite():
    ours = inspect.signature(VAETransformer).parameters
    theirs = inspect.signature(vaelite.VAE).parameters
    assert set(ours) - {"n_samples", "random_state"} == set(theirs) - {"rng", "warm_start"}
    for name in set(ours) & set(theirs):
        assert ours[name].default == theirs[name].default, name


def test_vae_itself_is_an_estimator():
    """clone, pipelines and searches work on `VAE`, over its settings and those of its parts."""
    X = 5 + DATA
    vae = vaelite.VAE(hidden_dim=8, max_epochs=2, stopping="epochs", rng=0)
    copied = clone(
        vae.set_params(likelihood=vaelite.Gaussian("identity"), encoder=vaelite.Dense(4))
    )
    assert copied is not vae
    assert repr(copied) == repr(vae)
    steps = make_pipeline(StandardScaler(), vae)
    assert steps.fit_transform(X, np.zeros(len(X))).shape == (len(X), 2)
    assert steps.inverse_transform(steps.transform(X)).shape == X.shape
    grid = {"vae__likelihood__sigma": ["shared", 0.5], "vae__encoder__hidden_dim": [4, (5, 3)]}
    search = GridSearchCV(steps, grid, cv=2, error_score="raise").fit(X)
    best = search.best_estimator_[-1]
    chosen = search.best_params_
    assert best.likelihood.sigma == chosen["vae__likelihood__sigma"]
    sizes = chosen["vae__encoder__hidden_dim"]
    assert best.part("encoder").hidden_dim == (sizes if isinstance(sizes, tuple) else (sizes,))
    scores = search.cv_results_["mean_test_score"]
    assert len(set(scores)) == 4
    assert search.best_score_ == scores.max()


def test_settings_reach_the_fit():
    settings = {
        **{"latent_dim": 3, "hidden_dim": 8, "activation": "tanh", "batch_size": 7},
        **{"learning_rate": 0.01, "max_epochs": 4, "stopping": "epochs", "kl": "analytic"},
        **{"beta": 2.0, "warmup_epochs": 1, "weight_decay": 0.1, "start": "network"},
    }
    ours = VAETransformer(**settings, likelihood="gaussian", random_state=5).fit(abs(DATA / 5))
    rng = np.random.RandomState(5).randint(2**31 - 1)
    theirs = vaelite.fit(abs(DATA / 5), **settings, rng=rng)
    assert ours.vae_.history["train_loss"] == pytest.approx(theirs.history["train_loss"])
    assert repr(ours.vae_) == repr(theirs)


def test_methods_are_those_of_the_model(transformer):
    vae = transformer.vae_
    assert vae.likelihood == vaelite.Gaussian(mean="identity", sigma="shared")
    codes = transformer.transform(DATA)
    assert codes == pytest.approx(vae.encode(DATA)[0])
    assert transformer.inverse_transform(codes) == pytest.approx(vae.decode(codes)[0])
    expected = vae.score_samples(DATA, n_samples=16)
    assert transformer.score_samples(DATA) == pytest.approx(expected)
    assert transformer.score(DATA) == pytest.approx(expected.mean())
    sample = transformer.sample(4, random_state=1)
    assert sample.shape == (4, 5)
    assert np.array_equal(sample, transformer.sample(4, random_state=1))
    assert not np.array_equal(sample, transformer.sample(4, random_state=2))


@pytest.mark.parametrize("method", ["transform", "inverse_transform", "score_samples", "score"])
def test_before_fit(method):
    with pytest.raises(NotFittedError, match="VAETransformer instance is not fitted yet"):
        getattr(VAETransformer(), method)(DATA)
    with pytest.raises(NotFittedError):
        VAETransformer().sample()


def test_the_dtype_of_the_data_is_kept():
    single = VAETransformer(**QUICK).fit(DATA.astype(np.float32))
    assert single.transform(DATA.astype(np.float32)).dtype == np.float32
    assert VAETransformer(**QUICK).fit_transform(DATA).dtype == np.float64


def test_y_is_ignored():
    y = np.arange(len(DATA))
    with_y = VAETransformer(**QUICK).fit(DATA, y).transform(DATA)
    assert np.array_equal(with_y, VAETransformer(**QUICK).fit(DATA).transform(DATA))


@pytest.mark.filterwarnings("ignore::vaelite.exceptions.FitWarning")
def test_at_least_two_rows_are_held_out():
    settings = QUICK | {"stopping": "heldout", "max_epochs": 200}
    model = VAETransformer(**settings).fit(DATA[:11]).vae_  # a tenth of 11 rows would be 1
    theirs = vaelite.VAE(2, 16, likelihood=model.likelihood)
    rng = np.random.RandomState(0).randint(2**31 - 1)
    theirs.set_params(max_epochs=200, rng=rng, validation_fraction=2 / 11).fit(DATA[:11])
    assert model.history["val_loss"] == pytest.approx(theirs.history["val_loss"])
    assert VAETransformer(**settings).fit(DATA[:3]).transform(DATA[:3]).shape == (3, 2)
    with pytest.raises(ValueError, match="validation_fraction should be above 0"):
        VAETransformer(**settings, validation_fraction=-1).fit(DATA)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::vaelite.exceptions.FitWarning")
def test_two_processes_find_the_same_bits_as_one():
    threads = pytest.importorskip("threadpoolctl", reason="threadpoolctl is not installed")
    pipeline = Pipeline([("scale", StandardScaler()), ("vae", VAETransformer(**QUICK))])
    grid = {"vae__latent_dim": [1, 2], "vae__beta": [0.5, 1.0]}
    found = {}
    with threads.threadpool_limits(1):  # more threads may round differently
        for n in (1, 2):
            search = GridSearchCV(pipeline, grid, cv=2, n_jobs=n, error_score="raise").fit(DATA)
            scores = cross_val_score(pipeline, DATA, cv=3, n_jobs=n, error_score="raise")
            found[n] = *search.cv_results_["mean_test_score"], *scores, search.best_score_
    assert found[1] == found[2]
    assert len(set(found[1][:4])) == 4  # the settings make a difference


def test_a_search_chooses_what_has_the_larger_elbo(rng):
    """Two strong latents in six columns: one code loses one of them."""
    X = rng.standard_normal((200, 2)) @ rng.standard_normal((2, 6))
    X += 0.1 * rng.standard_normal(X.shape)
    settings = {"learning_rate": 0.01, "hidden_dim": 16, "stopping": "epochs", "max_epochs": 40}
    search = GridSearchCV(VAETransformer(**settings, random_state=0), {"latent_dim": [1, 2]}, cv=2)
    assert search.fit(X).best_params_ == {"latent_dim": 2}
    assert search.best_estimator_.score(X) < PCA(2).fit(X).score(X) + 1  # a bound, near it


def test_a_pipeline_scales_and_scales_back():
    pipeline = make_pipeline(StandardScaler(), VAETransformer(**QUICK)).fit(5 + DATA)
    back = pipeline.inverse_transform(pipeline.transform(5 + DATA))
    assert back.shape == DATA.shape
    assert back.mean() == pytest.approx(5, abs=1)


def test_tables_keep_their_names():
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    table = pd.DataFrame(DATA, columns=list("abcde"), index=np.arange(60) + 7)
    model = VAETransformer(**QUICK).set_output(transform="pandas").fit(table)
    codes = model.transform(table)
    assert codes.columns.tolist() == ["vaetransformer0", "vaetransformer1"]
    assert codes.index.equals(table.index)
    assert list(model.feature_names_in_) == list("abcde")
    with pytest.raises(ValueError, match="Feature names must be in the same order"):
        model.score(table[list("bacde")])


def test_a_clone_is_not_fitted_and_has_the_same_settings(transformer):
    copy = clone(transformer)
    assert copy.get_params() == transformer.get_params()
    with pytest.raises(NotFittedError):
        copy.transform(DATA)


def test_a_notebook_shows_the_model_below_scikit_learns_diagram(transformer):
    new = VAETransformer()
    card = transformer.vae_._repr_html_()
    for shown in transformer._repr_html_(), transformer._repr_mimebundle_()["text/html"]:
        assert "sk-top-container" in shown
        assert shown.endswith(card)
    assert "sk-top-container" in new._repr_html_()
    assert "nats per example" not in new._repr_html_()
    with config_context(display="text"):
        assert not hasattr(transformer, "_repr_html_")
        assert list(transformer._repr_mimebundle_()) == ["text/plain"]
