"""Tests of exercises: right answers in several forms pass, and tempting wrong ones do not."""

import autograd.numpy as anp
import numpy as np
import pytest
from scipy import stats

import vaelite
from vaelite.classroom import check, mine_if_right, reveal
from vaelite.classroom.exercises import gradients, latent_variables, mean_field, three_ways

X, _ = vaelite.load_digits()


def kl_between(mu1, logsigma1, mu2, logsigma2):
    sigma1, sigma2 = np.exp(logsigma1), np.exp(logsigma2)
    of_latents = logsigma2 - logsigma1 + (sigma1**2 + (mu1 - mu2) ** 2) / (2 * sigma2**2) - 0.5
    return of_latents.sum(axis=1)


def one_sample_elbo(model, x, mu, logsigma, eps):
    z = mu + np.exp(logsigma) * eps
    mean, logsigma_x = model.decode(z)
    rows = [
        stats.norm(m, np.exp(logsigma_x)).logpdf(row).sum() for row, m in zip(x, mean, strict=True)
    ]
    prior, guide = stats.norm.logpdf(z), stats.norm(mu, np.exp(logsigma)).logpdf(z)
    return rows + (prior - guide).sum(axis=1)


def exact_q(model, x):
    precision = 1 + np.sum(model.W**2, axis=1) / model.sigma**2
    mu = (x - model.mean) @ model.W.T / model.sigma**2 / precision
    return mu, np.broadcast_to(-np.log(precision) / 2, mu.shape)


def best_logsigma(W, sigma):
    return [-np.log(1 + row @ row / sigma**2) / 2 for row in W]


def best_mean_field(model, X, learning_rate, n_steps):
    q = {name: np.zeros((len(X), len(model.W))) for name in ("mu", "logsigma")}
    gradient = vaelite.value_and_grad(lambda q: anp.sum(model.elbo(X, q["mu"], q["logsigma"])))
    for _ in range(n_steps):
        _, grads = gradient(q)
        q = {name: q[name] + learning_rate * grads[name] for name in q}
    return q["mu"], q["logsigma"]


def complete(vae, X, observed):
    mu, _ = vaelite.infer(vae, X, observed=observed)
    return np.where(observed, X, vae.likelihood.expectation(*vae.decode(mu)))


def as_lists(answer):
    return lambda *arguments: np.asarray(answer(*arguments)).tolist()


RIGHT = [
    (kl_between, latent_variables.agrees_with_the_integral),
    (one_sample_elbo, three_ways.averages_to_the_elbo),
    (exact_q, three_ways.has_no_noise),
    (best_logsigma, mean_field.has_the_largest_elbo),
    (best_mean_field, mean_field.climbs_the_elbo),
    (complete, mean_field.completes_by_inference),
]


@pytest.mark.parametrize(("answer", "test"), RIGHT, ids=lambda thing: thing.__name__)
def test_right_answers_pass(answer, test):
    verdict = check(as_lists(answer), test)
    assert verdict.ok, verdict


def test_a_right_slope():
    assert check(-1, gradients.is_the_slope_of_a_mean).ok


# Wrong answers, each with a part of what the verdict says.


def with_signs_changed(model, x, mu, logsigma, eps):
    return -one_sample_elbo(model, x, mu, logsigma, eps)


def with_log_qs_sign_changed(model, x, mu, logsigma, eps):
    z = vaelite.reparameterize(mu, logsigma, eps)
    neglogposterior = vaelite.neglogposterior(z, mu, logsigma)
    return one_sample_elbo(model, x, mu, logsigma, eps) - 2 * neglogposterior


def without_a_constant(model, x, mu, logsigma, eps):
    return one_sample_elbo(model, x, mu, logsigma, eps) + np.log(2 * np.pi)


def with_variances(model, x):
    mu, logsigma = exact_q(model, x)
    return mu, 2 * logsigma


def closed_form_elbo(model, x, mu, logsigma, eps):
    return model.elbo(x, mu, logsigma)


def without_noise(model, x, mu, logsigma, eps):
    """The average is right, if each draw is the mean of eps and -eps."""
    pair = [one_sample_elbo(model, x, mu, logsigma, sign * eps) for sign in (1, -1)]
    return np.mean(pair, axis=0)


def of_the_first_row(model, x):
    return exact_q(model, 0 * x + x[:1])


def with_the_prior_ignored(model, x):
    precision = np.sum(model.W**2, axis=1) / model.sigma**2
    mu = (x - model.mean) @ model.W.T / np.sum(model.W**2, axis=1)
    return mu, np.broadcast_to(-np.log(precision) / 2, mu.shape)


def of_the_posterior(W, sigma):
    return np.log(np.diag(np.linalg.inv(np.eye(len(W)) + W @ W.T / sigma**2))) / 2


def of_W_transposed(W, sigma):
    return -np.log(1 + np.sum(W**2, axis=0) / sigma**2) / 2


def closed_form(model, X, learning_rate, n_steps):
    best = model.diagonal_posterior(X)
    return best if n_steps else tuple(0 * array for array in best)


def with_a_mean_over_rows(model, X, learning_rate, n_steps):
    return best_mean_field(model, X, learning_rate / len(X), n_steps * len(X))


def of_adam(model, X, learning_rate, n_steps):
    best = np.array(model.diagonal_posterior(X))
    return tuple(np.sign(best) * np.minimum(np.abs(best), learning_rate * n_steps))


def by_nearest_neighbors(vae, images, observed):
    known = np.resize(X, (len(X), len(observed)))
    distance = ((images[:, None, observed] - known[:, observed]) ** 2).sum(axis=2)
    mean = known[np.argsort(distance, axis=1)[:, :15]].mean(axis=1)
    return np.where(observed, images, mean)


def by_regression(vae, images, observed):
    rows = vae.sample(50, rng=0)
    design = np.c_[rows[:, observed], np.ones(len(rows))]
    weights = np.linalg.lstsq(design, rows[:, ~observed], rcond=None)[0]
    found = images.copy()
    found[:, ~observed] = np.c_[images[:, observed], np.ones(len(images))] @ weights
    return found


def by_the_encoder(vae, images, observed):
    return np.where(observed, images, vae.reconstruct(np.where(observed, images, 0.5)))


def by_inference_from_all(vae, images, observed):
    mu, _ = vaelite.infer(vae, images)
    return np.where(observed, images, vae.likelihood.expectation(*vae.decode(mu)))


def in_place(vae, images, observed):
    images[:, ~observed] = complete(vae, images, observed)[:, ~observed]
    return images


WRONG = [
    (lambda *q: kl_between(*q[2:], *q[:2]), latent_variables.agrees_with_the_integral, "integral"),
    (lambda *q: sum(kl_between(*q)), latent_variables.agrees_with_the_integral, "one number per"),
    (with_signs_changed, three_ways.averages_to_the_elbo, "this is the loss"),
    (
        with_log_qs_sign_changed,
        three_ways.averages_to_the_elbo,
        "log q(z) has the wrong sign",
    ),
    (without_a_constant, three_ways.averages_to_the_elbo, "averaged over all eps"),
    (closed_form_elbo, three_ways.averages_to_the_elbo, "different eps"),
    (without_noise, three_ways.averages_to_the_elbo, "different|single draw"),
    (of_the_first_row, three_ways.has_no_noise, "mu of row 1"),
    (with_the_prior_ignored, three_ways.has_no_noise, "mu of row 0"),
    (with_variances, three_ways.has_no_noise, "logsigma of row 0"),
    (lambda model, x: exact_q(model, x)[0], three_ways.has_no_noise, "two arrays"),
    (-2, gradients.is_the_slope_of_a_mean, "coin"),
    (-0.5, gradients.is_the_slope_of_a_mean, "coin"),
    (of_the_posterior, mean_field.has_the_largest_elbo, "larger"),
    (of_W_transposed, mean_field.has_the_largest_elbo, "shape"),
    (closed_form, mean_field.climbs_the_elbo, "gradient step"),
    (with_a_mean_over_rows, mean_field.climbs_the_elbo, "proportional|other rows"),
    (of_adam, mean_field.climbs_the_elbo, "gradient step|other rows|after 200"),
    (by_nearest_neighbors, mean_field.completes_by_inference, "linear decoder"),
    (by_regression, mean_field.completes_by_inference, "linear decoder"),
    (by_the_encoder, mean_field.completes_by_inference, "linear decoder"),
    (by_inference_from_all, mean_field.completes_by_inference, "depends on what X holds"),
    (in_place, mean_field.completes_by_inference, "changes its argument images"),
]


@pytest.mark.parametrize(
    ("answer", "test", "says"), WRONG, ids=lambda thing: getattr(thing, "__name__", str(thing))
)
def test_wrong_answers_are_told_so(answer, test, says):
    verdict = check(answer, test)
    assert not verdict.ok
    assert any(part in verdict.diagnosis for part in says.split("|")), verdict


def test_a_wrong_answer_does_not_go_on(capsys):
    test = mean_field.completes_by_inference
    assert mine_if_right(by_regression, test, otherwise="the library's") == "the library's"
    assert "by_regression: the library's" in capsys.readouterr().out


def test_a_prediction_is_answered(capsys):
    reveal(3, 16.5)
    reveal(None, 16.5)
    reveal((..., ...), 16.5)
    reveal(("low", 60), "low, 62")
    assert capsys.readouterr().out == (
        "You predicted: 3. Found: 16.5.\n"
        + 2 * "You predicted nothing. Found: 16.5.\n"
        + "You predicted: low, 60. Found: low, 62.\n"
    )
