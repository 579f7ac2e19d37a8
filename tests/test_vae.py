"""fit, and the methods of a fitted model: determinism, dtypes, custom terms, samples."""

import inspect
import re

import autograd.numpy as anp
import numpy as np
import pytest
from helpers import spy_on_decoder
from scipy import stats

import vaelite
from vaelite.fit.plan import Plan
from vaelite.networks import dense


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def losses(vae):
    return {key: values for key, values in {**vae.history, **vae.log}.items() if key != "elapsed"}


def test_fit_learns_the_digits(digits):
    vae = vaelite.fit(digits[0], hidden_dim=64, max_epochs=30, rng=0, stopping="epochs")
    assert vae.history["train_loss"][-1] < vae.history["train_loss"][0] - 10
    assert vae.score(digits[0]) > 5
    mu, _ = vae.encode(digits[0])
    nearest = [np.argsort(((mu - m) ** 2).sum(axis=1))[1:6] for m in mu[::20]]
    same_digit = digits[1][nearest] == digits[1][::20, None]
    assert same_digit.mean() > 0.5  # for neighbors in the latent plane; 0.1 by chance


@pytest.mark.parametrize("stopping", ["heldout", "lecture", "epochs"])
def test_the_same_seed_gives_the_same_bits(digits, quick, stopping, capsys):
    def evaluate_everything(vae, state):
        vae.score(digits[0], rng=None)
        vae.sample(3)
        np.random.default_rng().random(10)

    settings = {**quick, "stopping": stopping, "log_every": 10}
    if stopping == "heldout":
        settings.update(patience=2, learning_rate=0.02, max_epochs=100)
    silent = vaelite.fit(digits[0], **settings)
    loud = vaelite.fit(digits[0], **{**settings, "progress": True}, callbacks=[evaluate_everything])
    assert same(silent.params, loud.params)
    assert same(losses(silent), losses(loud))
    assert silent.stop_reason == loud.stop_reason
    assert re.search(r"\*\* epoch: 1, (val|eval)_loss:", capsys.readouterr().out)


def test_log_every_does_not_change_training(digits, quick):
    fits = [vaelite.fit(digits[0], **quick, log_every=n) for n in (1, 1000)]
    assert same(*(vae.params for vae in fits))


def test_other_seeds_give_other_fits(digits, quick):
    first, second = (vaelite.fit(digits[0], **{**quick, "rng": rng}) for rng in (0, 1))
    assert not same(first.params, second.params)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sigma", ["image", "shared", "pixel", 0.1])
@pytest.mark.filterwarnings("ignore:.*constant")
def test_dtypes_stay(digits, quick, dtype, sigma, monkeypatch):
    seen = []
    update = vaelite.Adam.update

    def spy(adam, params, grads):
        update(adam, params, grads)
        seen.extend(a.dtype for arrays in (params, grads, adam.m, adam.v) for a in arrays.values())

    monkeypatch.setattr(vaelite.Adam, "update", spy)
    X = digits[0].astype(dtype)[:200]
    vae = vaelite.fit(X, **quick, likelihood=vaelite.Gaussian(sigma=sigma))
    results = [*vae.params.values(), *vae.encode(X), *vae.decode(np.zeros((2, 2)))]
    results += [vae.reconstruct(X), vae.reconstruct(X, sample=True, rng=0)]
    results += [vae.sample(3), vae.score_samples(X)]
    assert {result.dtype for result in results} | set(seen) == {np.dtype(dtype)}


def test_dtype_by_choice(digits, quick):
    assert vaelite.fit(digits[0], **quick, dtype="float64").sample(1).dtype == np.float64
    assert vaelite.fit((digits[0] * 255).astype(np.uint8), **quick).sample(1).dtype == np.float32


def test_uint8_is_the_same_as_its_floats(digits, quick):
    levels = (digits[0] * 255).astype(np.uint8)
    floats = levels * np.float32(1 / 255)
    a, b = (vaelite.fit(X, **quick) for X in (levels, floats))
    assert same(a.params, b.params)
    assert a.score(levels) == b.score(floats)


def test_a_memmap_trains_without_being_changed_or_copied(digits, quick, tmp_path):
    levels = (digits[0] * 255).astype(np.uint8)
    np.save(tmp_path / "x.npy", levels)
    on_disk = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert same(vaelite.fit(on_disk, **quick).params, vaelite.fit(levels, **quick).params)


def test_anything_with_rows_trains(digits, quick):
    class OnlyRows:
        shape, dtype = digits[0].shape, digits[0].dtype

        def __getitem__(self, rows):
            return digits[0][rows]

    assert same(vaelite.fit(OnlyRows(), **quick).params, vaelite.fit(digits[0], **quick).params)


def test_lists_are_arrays(quick):
    rows = np.random.default_rng(0).random((20, 3))
    settings = {**quick, "batch_size": 10}
    assert same(vaelite.fit(rows.tolist(), **settings).params, vaelite.fit(rows, **settings).params)


def test_held_out_rows_are_not_trained_on(digits, quick, monkeypatch):
    X = digits[0].copy()
    X[:, 0] = np.arange(len(X)) / len(X)  # the first pixel identifies the row
    names = {"step": set(), "evaluate": set()}
    step, evaluate = vaelite.training.step, Plan.evaluate

    def spy_on_step(objective, params, adam, x, eps):
        names["step"].update(x[:, 0].tolist())
        return step(objective, params, adam, x, eps)

    def spy_on_evaluate(run, name, params, epoch):
        batches = run.evaluation_batches(name, epoch)
        names["evaluate"].update(name for batch in batches for name in batch.x[:, 0].tolist())
        return evaluate(run, name, params, epoch)

    monkeypatch.setattr(vaelite.training, "step", spy_on_step)
    monkeypatch.setattr(Plan, "evaluate", spy_on_evaluate)
    heldout = {"stopping": "heldout", "patience": 1, "learning_rate": 0.05, "max_epochs": 60}
    vaelite.fit(X, **{**quick, **heldout})
    assert not names["step"] & names["evaluate"]
    assert names["step"] | names["evaluate"] == set(X[:, 0].tolist())
    assert len(names["evaluate"]) == round(0.1 * len(X))


def test_shapes_and_values_of_the_methods(vae, digits):
    X, _ = digits
    mu, logsigma = vae.encode(X)
    assert mu.shape == logsigma.shape == (1797, 2)
    mu_x, logsigma_x = vae.decode(mu)
    assert (mu_x.shape, logsigma_x.shape) == ((1797, 64), (1797, 1))
    assert vae.reconstruct(X) == pytest.approx(mu_x)
    assert not np.allclose(vae.reconstruct(X, sample=True, rng=0), mu_x)
    assert vae.score(X) == pytest.approx(vae.score_samples(X).mean(), rel=1e-5)
    assert vae.sample(0).shape == (0, 64)


def test_score_is_the_elbo_with_all_constants(vae, digits):
    X = digits[0][:300]
    mu, logsigma = vae.encode(X)
    rng, again = (np.random.default_rng(np.random.SeedSequence(5)) for _ in range(2))
    z = mu + np.exp(logsigma) * rng.standard_normal(mu.shape, dtype=np.float32)
    mu_x, logsigma_x = vae.decode(z)
    elbo = stats.norm(mu_x, np.exp(logsigma_x)).logpdf(X).sum(axis=1)
    elbo += stats.norm.logpdf(z).sum(axis=1)
    elbo -= stats.norm(mu, np.exp(logsigma)).logpdf(z).sum(axis=1)
    assert vae.score_samples(X, rng=again) == pytest.approx(elbo, abs=1e-3)


def test_the_score_of_shared_draws_is_the_mean_elbo_of_pairs(vae, digits):
    """For 4 draws, eps and -eps, with log densities of scipy.stats."""
    X = digits[0][:300]
    mu, logsigma = vae.encode(X)
    rng, again = (np.random.default_rng(np.random.SeedSequence(5)) for _ in range(2))
    first, second = rng.standard_normal((2, 2), dtype=np.float32)
    elbo = np.zeros(300)
    for eps in (first, second, -first, -second):
        z = mu + np.exp(logsigma) * eps
        mu_x, logsigma_x = vae.decode(z)
        elbo += stats.norm(mu_x, np.exp(logsigma_x)).logpdf(X).sum(axis=1) / 4
        elbo += stats.norm.logpdf(z).sum(axis=1) / 4
        elbo -= stats.norm(mu, np.exp(logsigma)).logpdf(z).sum(axis=1) / 4
    found = vae.score_samples(X, rng=again, n_samples=4)
    assert found == pytest.approx(elbo, abs=1e-3)
    assert vae.score(X, n_samples=4) == pytest.approx(
        vae.score_samples(X, n_samples=4).mean(), rel=1e-5
    )
    for odd in (3, 1):
        with pytest.raises(ValueError, match=f"n_samples should be even.*got {odd}"):
            vae.score_samples(X, n_samples=odd)


def test_the_score_of_shared_draws_does_not_depend_on_the_position(vae, digits, rng):
    X = np.concatenate([digits[0], digits[0]])  # 3594 rows are 4 batches
    order = rng.permutation(len(X))
    found = vae.score_samples(X, n_samples=4)
    assert vae.score_samples(X[order], n_samples=4) == pytest.approx(found[order], abs=3e-4)
    assert found[:1797] == pytest.approx(found[1797:], abs=3e-4)
    assert np.abs(np.diff(vae.score_samples(X).reshape(2, -1), axis=0)).max() > 1  # each its own


def test_more_shared_draws_have_less_noise(vae, digits):
    X = digits[0][:500]
    expected = vaelite.elbo(vae, X, n_samples=1000).value
    errors = {}
    for n in (None, 4, 16):
        found = [vae.score_samples(X, rng=seed, n_samples=n) for seed in range(10)]
        errors[n] = np.sqrt(np.mean((np.array(found) - expected) ** 2))
    assert errors[4] < errors[None] / 1.5
    assert errors[16] < errors[4] / 1.5


def test_every_row_has_its_own_noise_in_all_batches(vae, digits):
    X = np.concatenate([digits[0], digits[0]])  # 3594 rows are 4 batches
    batches = list(vae.noisy_batches(X, np.random.default_rng(0)))
    eps = np.concatenate([batch.eps for batch in batches])
    assert len(batches) > 1
    assert len(np.unique(eps, axis=0)) == len(X)


def test_scores_do_not_depend_on_other_rows(vae, digits):
    X = digits[0]
    # Rounding differs, because NumPy multiplies a batch of 10 rows with other code:
    # 64 pixels * 32 nats * the eps of float32.
    assert vae.score_samples(X)[:10] == pytest.approx(vae.score_samples(X[:10]), abs=3e-4)


def test_samples_come_from_the_prior(vae, monkeypatch):
    codes = spy_on_decoder(monkeypatch)
    vae.sample(5000, rng=0)
    z = np.concatenate(codes)
    assert stats.kstest(z.ravel(), stats.norm.cdf).pvalue > 0.01
    assert np.corrcoef(z.T)[0, 1] == pytest.approx(0, abs=0.05)


def test_samples_have_pixel_noise_but_means_do_not(vae):
    mean, sample = vae.sample(500, rng=0, mean=True), vae.sample(500, rng=0)
    z = np.random.default_rng(0).standard_normal((500, 2), dtype=np.float32)
    sigma = np.exp(vae.decode(z)[1])
    assert (sample - mean).std() == pytest.approx(np.sqrt((sigma**2).mean()), rel=0.2)
    assert np.array_equal(mean, vae.sample(500, rng=0, mean=True))
    assert not np.array_equal(vae.sample(5), vae.sample(5))


LOG_2PI = float(np.log(2 * np.pi))


def test_a_students_terms_replace_vaelites(digits, quick):
    called = set()

    def nll(x, mu, logsigma):
        called.add("negloglikelihood")
        D = x.shape[1]
        m0 = anp.sum(((x - mu) / anp.exp(logsigma)) ** 2, axis=1)
        return D * logsigma[:, 0] + m0 / 2 + D / 2 * LOG_2PI

    def nlp(z):
        called.add("neglogprior")
        return anp.sum(z**2, axis=1) / 2 + z.shape[1] / 2 * LOG_2PI

    def nlq(z, mu, logsigma):
        called.add("neglogposterior")
        m0 = anp.sum(((z - mu) / anp.exp(logsigma)) ** 2, axis=1)
        return anp.sum(logsigma, axis=1) + m0 / 2 + z.shape[1] / 2 * LOG_2PI

    def sample(mu, logsigma, eps):
        called.add("reparameterize")
        return mu + anp.exp(logsigma) * eps

    terms = {"negloglikelihood": nll, "neglogprior": nlp, "neglogposterior": nlq}
    terms["reparameterize"] = sample
    X = digits[0].astype(np.float64)
    found, expected = vaelite.fit(X, **quick, **terms), vaelite.fit(X, **quick)
    assert called == set(terms)
    for name, array in found.params.items():
        assert array == pytest.approx(expected.params[name], abs=1e-7), name
    assert found.score(X) == pytest.approx(expected.score(X))


def test_a_wrong_term_trains_another_model(digits, quick):
    def squared_error(x, mu, logsigma):
        return anp.sum((x - mu) ** 2, axis=1) + 0 * logsigma[:, 0]

    wrong = vaelite.fit(digits[0], **quick, negloglikelihood=squared_error)
    assert not same(wrong.params, vaelite.fit(digits[0], **quick).params)


def test_normalized_false_changes_only_the_reported_losses(digits, quick):
    with_constants = vaelite.fit(digits[0], **quick)
    without = vaelite.fit(digits[0], **quick, normalized=False)
    dropped = np.subtract(with_constants.history["eval_loss"], without.history["eval_loss"])
    assert dropped == pytest.approx(32 * np.log(2 * np.pi), abs=1e-3)
    assert without.score(digits[0]) == pytest.approx(with_constants.score(digits[0]), abs=1e-3)


def test_callbacks_see_the_model_at_its_current_parameters(digits, quick):
    scores = []

    def watch(vae, state):
        scores.append((vae.score(digits[0][:100]), state.epoch))
        return len(scores) == 3

    vae = vaelite.fit(digits[0], **quick, callbacks=watch)
    assert vae.n_epochs == 3
    assert scores[2][0] > scores[0][0]
    assert vae.score(digits[0][:100]) == scores[-1][0]


def test_fitting_again_starts_from_new_weights(digits, quick):
    model = vaelite.VAE(hidden_dim=quick["hidden_dim"])
    settings = {name: value for name, value in quick.items() if name != "hidden_dim"}
    first = {
        name: array.copy()
        for name, array in model.set_params(**settings).fit(digits[0]).params.items()
    }
    message = (
        r"this VAE has been trained for 4 epochs; fit starts again .*\(warm_start=True resumes"
    )
    with pytest.warns(UserWarning, match=message):
        assert same(first, model.set_params(**settings).fit(digits[0]).params)


def test_help_shows_the_settings():
    parameters = inspect.signature(vaelite.fit).parameters
    assert next(iter(parameters)) == "X"
    assert parameters["latent_dim"].default == 2
    assert parameters["learning_rate"].default == 1e-3


@pytest.mark.parametrize("hidden_dim", [(), 8, [8, 4]])
@pytest.mark.parametrize("activation", ["relu", "tanh", "softplus"])
def test_any_number_of_hidden_layers(digits, quick, hidden_dim, activation):
    networks = {"hidden_dim": hidden_dim, "activation": activation}
    vae = vaelite.fit(digits[0], latent_dim=3, **{**quick, **networks})
    assert vae.encode(digits[0][:5])[0].shape == (5, 3)
    assert vae.history["eval_loss"][-1] < vae.history["eval_loss"][0]


def test_a_term_cannot_change_the_data(digits, quick):
    def nll(x, mu, logsigma):
        x[x == 0] = 0.01
        return vaelite.negloglikelihood(x, mu, logsigma)

    X = digits[0].copy()
    with pytest.raises(ValueError, match="read-only"):
        vaelite.fit(X, **quick, negloglikelihood=nll)
    assert np.array_equal(X, digits[0])


def test_a_terms_float64_does_not_spread(digits, quick, monkeypatch):
    def prior(z):
        assert z.dtype == np.float32
        return anp.sum(z * z + np.log(2 * np.pi), axis=1) / 2  # np.log gives a float64 scalar

    seen, original = set(), dense.layer

    def spy(h, *args):
        seen.add(h.dtype)
        return original(h, *args)

    monkeypatch.setattr(dense, "layer", spy)
    vae = vaelite.fit(digits[0], **quick, neglogprior=prior)
    assert vae.score_samples(digits[0]).dtype == np.float32
    assert seen == {np.dtype(np.float32)}
    x, eps = digits[0][:9], np.ones((9, 2), np.float32)
    value, grads = vaelite.value_and_grad(vae.loss())(vae.params, x, eps)
    assert {value.dtype, *(grad.dtype for grad in grads.values())} == {np.dtype(np.float32)}


def test_a_fit_that_fails_leaves_the_model_as_it_was(digits, quick):
    settings = {name: value for name, value in quick.items() if name != "hidden_dim"}
    model = vaelite.VAE(hidden_dim=8)
    with pytest.raises(ZeroDivisionError):
        model.set_params(**settings, callbacks=lambda vae, state: 1 / 0).fit(digits[0])
    with pytest.raises(vaelite.NotFittedError):
        model.encode(digits[0])
    model.set_params(callbacks=()).fit(digits[0])
    solution, before = model.solution, {k: array.copy() for k, array in model.params.items()}
    with (
        pytest.warns(UserWarning, match="fit starts again from new weights"),
        pytest.raises(ZeroDivisionError),
    ):
        model.set_params(**settings, callbacks=lambda vae, state: 1 / 0).fit(digits[0][:, :10])
    assert model.solution is solution
    assert same(model.params, before)


def test_a_callback_can_save_the_model_of_every_epoch(digits, quick, tmp_path):
    def save(vae, state):
        vae.save(tmp_path / f"{state.epoch}.npz")

    vae = vaelite.fit(digits[0], **quick, callbacks=save)
    second, last = (vaelite.load(tmp_path / f"{epoch}.npz") for epoch in (2, 4))
    assert (second.n_epochs, second.history["epoch"]) == (2, [1, 2])
    assert second.stop_reason == "still training"
    assert same(last.params, vae.params)


def test_callbacks_cannot_change_training(digits, quick):
    def meddle(vae, state):
        vae.params["decoder.mu.b"][:] = 0

    with pytest.raises(ValueError, match="read-only"):
        vaelite.fit(digits[0], **quick, callbacks=meddle)


def test_callbacks_with_all_their_methods(digits, quick):
    class Listener:
        calls = []

        def __call__(self, vae, state):
            self.calls.append("epoch")
            return vae.score_samples(digits[0]).mean() > -1e9  # a NumPy bool

        def on_iteration(self, vae, state):
            self.calls.append(state.iteration)

        def on_end(self, vae, state):
            self.calls.append("end")

    settings = quick | {"log_every": 10, "batch_size": 128}  # 15 iterations
    vae = vaelite.fit(digits[0], **settings, callbacks=[Listener()])
    assert Listener.calls == [0, 10, "epoch", "end"]
    assert vae.stop_reason == "a callback returned True"


def test_an_interrupt_keeps_the_finished_epochs(digits, quick):
    def press_ctrl_c(vae, state):
        if state.epoch == 2:
            raise KeyboardInterrupt

    with pytest.warns(
        UserWarning, match="interrupted after epoch 2; the model keeps the .* epoch 2"
    ):
        vae = vaelite.fit(digits[0], **quick, callbacks=press_ctrl_c)
    assert (vae.n_epochs, vae.converged) == (2, False)
    assert same(vae.params, vaelite.fit(digits[0], **{**quick, "max_epochs": 2}).params)


def test_reconstruct_samples_with_a_custom_reparameterize(digits, quick):
    def mean(mu, logsigma, eps):
        return mu + 0 * logsigma

    vae = vaelite.fit(digits[0], **quick, reparameterize=mean)
    sampled = vae.reconstruct(digits[0], sample=True, rng=1)
    assert sampled == pytest.approx(vae.reconstruct(digits[0]))


def test_codes_are_not_grey_levels(vae):
    codes = np.array([[1, 2]], np.uint8)
    assert np.array_equal(vae.decode(codes)[0], vae.decode(codes.astype(float))[0])


def test_samples_do_not_share_the_users_stream(vae, monkeypatch):
    codes = spy_on_decoder(monkeypatch)
    vae.sample(5, rng=0)
    users = np.random.default_rng(0).standard_normal((5, 2), dtype=np.float32)
    assert not np.array_equal(codes[0], users)


def test_every_batch_of_every_epoch_has_its_own_noise_and_order(digits, quick, monkeypatch):
    noise, order = [], []
    original = vaelite.training.step

    def spy(objective, params, adam, x, eps):
        noise.append(eps[:5].copy())
        order.append(x[:5].copy())
        return original(objective, params, adam, x, eps)

    monkeypatch.setattr(vaelite.training, "step", spy)
    vaelite.fit(digits[0], **quick, batch_size=128)
    for seen in (noise, order):
        assert len({array.tobytes() for array in seen}) == len(seen) == 4 * 15
    assert stats.kstest(np.ravel(noise), stats.norm.cdf).pvalue > 0.01


def test_steps_per_epoch_ends_an_epoch_early(digits, quick):
    log = []

    def watch(vae, state):
        log.append(state.iteration)

    vae = vaelite.fit(digits[0], **quick, steps_per_epoch=3, log_every=1, callbacks=watch)
    assert log == [2, 5, 8, 11]
    assert len(vae.log["iteration"]) == 12
    whole = vaelite.fit(digits[0], **quick, steps_per_epoch=10_000)
    assert same(whole.params, vaelite.fit(digits[0], **quick).params)
    with pytest.raises(ValueError, match="steps_per_epoch should be 1 or more"):
        vaelite.fit(digits[0], **quick, steps_per_epoch=0)


def test_models_that_a_callback_keeps_stay_as_they_were(digits, quick):
    X, kept = digits[0][:200], []
    vaelite.fit(X, **quick, callbacks=lambda vae, state: kept.append((vae, vae.score(X))))
    assert [len(model.history["epoch"]) for model, _ in kept] == [1, 2, 3, 4]
    assert len({score for _, score in kept}) == 4
    assert all(model.score(X) == score for model, score in kept)


def test_parameters_can_be_replaced_by_others_that_fit(vae):
    model = vaelite.VAE(hidden_dim=32).build(64, rng=1)
    model.params = vae.params
    assert np.array_equal(model.sample(3, rng=0), vae.sample(3, rng=0))
    without = {name: array for name, array in vae.params.items() if name != "encoder.0.b"}
    with pytest.raises(ValueError, match="the parameters of the model should be encoder.0.W"):
        model.params = without
    with pytest.raises(ValueError, match=r"encoder.0.b of the model should be .* of shape \(32,\)"):
        model.params = {**vae.params, "encoder.0.b": np.zeros(1, np.float32)}


def test_build_has_the_models_dtype():
    assert vaelite.VAE(dtype="float64").build(6).params["encoder.0.W"].dtype == np.float64
