"""How fits start and end: near probabilistic PCA, or with a warning; scores and a summary."""

import numpy as np
import pytest

import vaelite
from vaelite.fit.plan import Plan
from vaelite.stopping import HeldOut

REAL = vaelite.Gaussian(mean="identity", sigma="shared")
SMALL = {"hidden_dim": 32, "rng": 0}
QUICKLY = {**SMALL, "learning_rate": 5e-3, "patience": 5}


def plane(seed, n_features, n=1000):
    """Rows near a plane: two latents and noise, with a standard deviation of about 3."""
    rng = np.random.default_rng(seed)
    W, mean = 2 * rng.standard_normal((2, n_features)), rng.standard_normal(n_features)
    return rng.standard_normal((n, 2)) @ W + mean + 0.5 * rng.standard_normal((n, n_features))


@pytest.fixture(scope="module")
def fitted(digits):
    return vaelite.fit(digits[0], **QUICKLY)


def test_a_linear_model_reaches_probabilistic_pca():
    X = plane(0, 10, 500)
    linear = {"hidden_dim": (), "likelihood": REAL, "learning_rate": 1e-2}
    vae = vaelite.fit(X, patience=5, rng=0, **linear)
    assert vae.converged
    assert vae.score(X) > vaelite.ProbabilisticPCA.fit(X, 2).score(X) - 1


@pytest.mark.slow
@pytest.mark.parametrize("n_features", [6, 10, 15, 20])
@pytest.mark.parametrize("seed", range(5))
def test_the_default_fit_of_a_linear_model_reaches_probabilistic_pca(seed, n_features):
    X = plane(seed, n_features)
    vae = vaelite.fit(X, hidden_dim=(), likelihood=REAL, rng=seed)  # a warning would be an error
    assert vae.converged
    assert vae.score(X) > vaelite.ProbabilisticPCA.fit(X, 2).score(X) - 1


def test_ten_outlying_rows_do_not_end_training():
    X = 0.2 * plane(0, 10)
    X[:10] = 5
    vae = vaelite.fit(X, likelihood=REAL, **QUICKLY)
    assert vae.score(X) > vaelite.ProbabilisticPCA.fit(X, 2).score(X)


def test_a_fit_that_learned_nothing_has_not_converged(digits):
    with pytest.warns(vaelite.FitWarning) as caught:
        vae = vaelite.fit(digits[0][:600], **(QUICKLY | {"learning_rate": 1e-7}))
    messages = [str(warning.message) for warning in caught]
    assert messages[0].startswith("not converged: for 3 epochs the held-out loss has not improved")
    assert "nothing was learned" in messages[0]
    assert not vae.converged
    assert "nothing was learned" in vae.stop_reason
    assert any("2 of 2 latents carry less than" in message for message in messages)


def test_data_of_a_tiny_scale_end_with_a_warning(digits):
    real = vaelite.Gaussian(mean="identity")
    with pytest.warns(vaelite.FitWarning):
        vaelite.fit(1e-4 * digits[0][:300], likelihood=real, max_epochs=10, **QUICKLY)


def test_a_fixed_number_of_epochs_ends_without_warnings(digits, quick):
    vaelite.fit(1e-4 * digits[0], **quick)  # a warning would be an error


class Recorded(HeldOut):
    """Keeps the mean of all losses that it was given, in a list that its copies share."""

    def __init__(self, seen):
        super().__init__(patience=3)
        self.seen = seen

    def __deepcopy__(self, memo):
        return Recorded(self.seen)

    def update(self, losses):
        self.seen.append(losses)
        return super().update(losses)


def test_the_rule_sees_the_loss_of_each_held_out_row(digits):
    X, seen = digits[0], []
    settings = SMALL | {"stopping": Recorded(seen), "max_epochs": 4, "beta": 2}
    with pytest.warns(vaelite.ConvergenceWarning):
        vae = vaelite.fit(X[:1000], X[1000:], **settings)
    assert [losses.shape for losses in seen] == [(100,)] * 4
    assert np.mean(seen, axis=1) == pytest.approx(vae.history["val_loss"], rel=1e-5)
    history = {name: np.array(values) for name, values in vae.history.items()}
    for part in "val_nll", "test_loss":  # what it must not look at
        assert abs(history["val_loss"] - history[part]).min() > 0.01


def test_the_kept_parameters_are_those_of_the_lowest_held_out_loss(fitted):
    losses = np.array(fitted.history["val_loss"])
    assert fitted.best_epoch == 1 + np.argmin(losses)
    assert fitted.scores["held-out"] == pytest.approx(-losses.min(), rel=1e-5)


def test_the_noise_of_held_out_rows_is_the_same_in_each_epoch(digits):
    settings = SMALL | {"learning_rate": 1e-30, "max_epochs": 3}
    with pytest.warns(vaelite.ConvergenceWarning):
        vae = vaelite.fit(digits[0][:300], **settings)
    losses = vae.history["val_loss"]
    assert losses == pytest.approx([losses[0]] * 3, abs=1e-6)


def test_held_out_stopping_does_not_end_inside_a_warm_up(digits):
    settings = QUICKLY | {"patience": 1, "warmup_epochs": 20}
    vae = vaelite.fit(digits[0][:600], **settings)
    assert vae.best_epoch >= 20
    assert vae.n_epochs > 20
    ended = {"callbacks": lambda model, state: state.epoch == 3}
    short = vaelite.fit(digits[0], **ended, **settings)
    assert short.best_epoch == 3


def test_steps_per_epoch_bounds_the_rows_that_are_evaluated(digits, monkeypatch):
    rows, evaluate = {}, Plan.evaluate

    def spy(run, name, params, epoch):
        parts = evaluate(run, name, params, epoch)
        rows[name] = parts.shape[1]
        return parts

    monkeypatch.setattr(Plan, "evaluate", spy)
    settings = SMALL | {"steps_per_epoch": 2, "batch_size": 30, "max_epochs": 1}
    vaelite.fit(digits[0], stopping="lecture", **settings)
    with pytest.warns(vaelite.ConvergenceWarning):
        vaelite.fit(digits[0], digits[0][:500], **settings)
    assert rows == {"eval": 60, "val": 60, "test": 500}


def test_evaluated_rows_are_spread_over_the_data(digits, monkeypatch):
    X = digits[0].copy()
    X[:, 0] = np.arange(len(X)) / len(X)  # the first pixel identifies the row
    seen, evaluate = [], Plan.evaluate

    def spy(run, name, params, epoch):
        seen.extend(batch.x[:, 0] for batch in run.evaluation_batches(name, epoch))
        return evaluate(run, name, params, epoch)

    monkeypatch.setattr(Plan, "evaluate", spy)
    settings = SMALL | {"steps_per_epoch": 2, "batch_size": 30, "max_epochs": 1}
    vaelite.fit(X, stopping="lecture", **settings)
    rows = np.concatenate(seen)
    assert rows == pytest.approx(np.arange(60) / 60, abs=1 / 60)


def test_the_summary_says_why_and_what(fitted):
    training, held_out = (fitted.scores[name] for name in ("training", "held-out"))
    assert fitted.summary() == (
        f"converged after {fitted.n_epochs} epochs ({fitted.stop_reason}); the model is epoch "
        f"{fitted.best_epoch}'s: ELBO {training:.2f} (training rows), {held_out:.2f} (held-out "
        f"rows), gap {training - held_out:.2f} nats per example"
    )


def test_the_training_score_is_the_models(fitted, digits):
    assert fitted.scores["training"] == pytest.approx(fitted.score(digits[0]), abs=0.5)


def test_an_autoencoders_summary_is_about_its_loss(digits, quick):
    X = digits[0]
    ae = vaelite.fit_autoencoder(X, **quick)
    loss = ae.reconstruction_loss(X).mean()
    assert f"log p(x|z) {-loss:.2f} (training rows) nats per example" in ae.summary()


def test_scores_are_saved(fitted, tmp_path):
    fitted.save(tmp_path / "digits.npz")
    assert vaelite.load(tmp_path / "digits.npz").summary() == fitted.summary()


def test_a_model_that_was_not_fitted_has_no_summary():
    with pytest.raises(vaelite.NotFittedError):
        vaelite.VAE().summary()
