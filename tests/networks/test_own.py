"""A network of your own: a recurrent one, against a loop, trained, saved and loaded."""

import autograd.numpy as anp
import numpy as np
import pytest
from helpers import finite_differences

import vaelite

SETTINGS = {"max_epochs": 3, "stopping": "epochs", "start": "network", "rng": 0}


class Recurrent(vaelite.Network):
    """Reads an image row by row; the last state is its only hidden layer."""

    def __init__(self, rows, hidden_dim):
        self.rows, self.hidden_dim = rows, hidden_dim

    def shapes(self, n_inputs, heads):
        H = self.hidden_dim
        own = {"input.W": (n_inputs // self.rows, H), "state.W": (H, H), "state.b": (H,)}
        return {**own, **self.head_shapes(H, heads)}

    def __call__(self, params, h, heads):
        rows = anp.reshape(h, (len(h), self.rows, -1))
        state = anp.tanh(anp.matmul(rows[:, 0], params["input.W"]) + params["state.b"])
        for t in range(1, self.rows):
            new = anp.matmul(rows[:, t], params["input.W"])
            state = anp.tanh(new + anp.matmul(state, params["state.W"]) + params["state.b"])
        return self.outputs(params, state, heads)


def test_it_is_trained(digits):
    X = digits[0][:600]
    vae = vaelite.fit(X, encoder=Recurrent(8, 16), hidden_dim=32, **SETTINGS)
    assert vae.history["eval_loss"][-1] < vae.history["eval_loss"][0] - 5
    W = vae.params["encoder.state.W"]
    assert W.shape == (16, 16)
    assert abs(W).max() <= np.sqrt(6 / 32) + 0.1  # Glorot's limit, and a short training
    assert {array.dtype for array in vae.params.values()} == {np.dtype(np.float32)}


def test_it_reads_row_by_row(rng):
    network = Recurrent(3, 4)
    shapes = network.shapes(6, {"mu": vaelite.Head(2)})
    p = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    x = rng.standard_normal((5, 6))
    (mu,) = network(p, x, {"mu": vaelite.Head(2)})
    for image, expected in zip(x.reshape(5, 3, 2), mu, strict=True):
        state = np.zeros(4)
        for row in image:
            state = np.tanh(row @ p["input.W"] + state @ p["state.W"] + p["state.b"])
        assert state @ p["mu.W"] + p["mu.b"] == pytest.approx(expected)


def test_its_gradients_are_finite_differences(rng):
    vae = vaelite.VAE(2, encoder=Recurrent(2, 3), hidden_dim=4).build(6, np.float64, rng=0)
    objective, x, eps = vae.loss(), rng.random((4, 6)), rng.standard_normal((4, 2))
    _, grads = vaelite.value_and_grad(objective)(vae.params, x, eps)
    for name, array in vae.params.items():
        loss = lambda a, name=name: objective({**vae.params, name: a}, x, eps)
        expected = finite_differences(loss, array)
        assert grads[name] == pytest.approx(expected, rel=1e-4, abs=1e-6), name


def test_it_is_saved_and_loaded_if_the_network_is_passed_again(digits, tmp_path):
    X = digits[0][:300]
    vae = vaelite.fit(X, encoder=Recurrent(8, 5), **SETTINGS)
    vae.save(tmp_path / "vae.npz")
    loaded = vaelite.load(tmp_path / "vae.npz", encoder=Recurrent(8, 5))
    assert np.array_equal(loaded.encode(X)[0], vae.encode(X)[0])


class Wrong(Recurrent):
    def __call__(self, params, h, heads):
        return super().__call__(params, h, heads)[:1]


def test_a_network_with_too_few_outputs_is_explained(digits):
    with pytest.raises(ValueError, match=r"Wrong should return 2 outputs \(mu, logsigma\), got 1"):
        vaelite.fit(digits[0], encoder=Wrong(8, 4), **SETTINGS)


class Misshapen(Recurrent):
    def __call__(self, params, h, heads):
        return tuple(out[:, :1] for out in super().__call__(params, h, heads))


def test_a_network_with_outputs_of_another_shape_is_explained(digits):
    message = r"output mu of Misshapen should be .* \(3, 2\) .* got ndarray of shape \(3, 1\)"
    with pytest.raises(ValueError, match=message):
        vaelite.fit(digits[0], encoder=Misshapen(8, 4), **SETTINGS)


class Transposed(vaelite.Dense):
    """Weights as PyTorch has them, turned round: their memory is in another order."""

    def init_params(self, rng, shapes, dtype):
        return {k: rng.normal(0, 0.3, shape[::-1]).T.astype(dtype) for k, shape in shapes.items()}


def test_weights_in_any_memory_order_are_trained(digits):
    X = digits[0][:200]
    before = vaelite.VAE(encoder=Transposed(8)).build(64, rng=0).params
    after = vaelite.fit(X, encoder=Transposed(8), **SETTINGS).params
    assert all(array.flags.c_contiguous for array in after.values())
    assert not [name for name in after if np.array_equal(before[name], after[name])]


def test_the_first_weights_are_copied(vae, digits):
    """A network that starts from another model's weights does not change that model."""

    class Warm(vaelite.Dense):
        def init_params(self, rng, shapes, dtype):
            return {name: vae.params[f"encoder.{name}"] for name in shapes}

    before = {name: array.copy() for name, array in vae.params.items()}
    vaelite.fit(digits[0][:200], encoder=Warm(32), **SETTINGS)
    assert all(np.array_equal(array, vae.params[name]) for name, array in before.items())


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        (None, TypeError, "the parameters of encoder should be a dict of arrays, got None"),
        ({"W": np.zeros(3)}, ValueError, "the parameters of encoder should be 0.W, 0.b, .* got W"),
    ],
)
def test_first_weights_that_do_not_fit(params, error, message, digits):
    class Bad(vaelite.Dense):
        def init_params(self, rng, shapes, dtype):
            return params

    with pytest.raises(error, match=message):
        vaelite.fit(digits[0], encoder=Bad(8), **SETTINGS)


def test_first_weights_of_another_shape_and_dtype(digits):
    class Other(vaelite.Dense):
        def init_params(self, rng, shapes, dtype):
            return {name: rng.normal(0, 0.1, shape) for name, shape in shapes.items()}

    vae = vaelite.fit(digits[0][:200], encoder=Other(8), **SETTINGS)
    assert {array.dtype for array in vae.params.values()} == {np.dtype(np.float32)}

    class Misshapen(vaelite.Dense):
        def init_params(self, rng, shapes, dtype):
            return {name: np.zeros(1) for name in shapes}

    with pytest.raises(
        ValueError, match=r"0.W of encoder should be an array of floats of shape \(64, 8\)"
    ):
        vaelite.fit(digits[0], encoder=Misshapen(8), **SETTINGS)


def test_a_network_without_parameters(digits):
    class Fixed(vaelite.Network):
        def shapes(self, n_inputs, heads):
            return {}

        def __call__(self, params, h, heads):
            return tuple(h[:, : head.size] - 0.5 for head in heads.values())

    vae = vaelite.fit(digits[0][:200], encoder=Fixed(), **SETTINGS)
    assert not any(name.startswith("encoder") for name in vae.params)
    assert np.array_equal(vae.encode(digits[0][:5])[0], digits[0][:5, :2] - 0.5)
