"""Convolutional networks: shapes, heads, the forward pass by hand, gradients, a short training."""

import itertools
import pickle
from functools import partial

import autograd.numpy as anp
import numpy as np
import pytest
from autograd.test_util import check_grads
from helpers import check_each

import vaelite
from vaelite import Convolutional, Head, TransposedConvolutional, training
from vaelite.arrays import dispatch
from vaelite.networks.convolution import convolve, convolve_transposed

CODE = {"mu": Head(3), "logsigma": Head(3)}
LIKELIHOODS = [
    vaelite.Gaussian(),
    vaelite.Gaussian(sigma="pixel"),
    vaelite.Gaussian(sigma="shared"),
    vaelite.Bernoulli(),
    vaelite.Categorical(5),
]


def heads_of(likelihood, n_features):
    return {name: Head(*head) for name, head in likelihood.heads(n_features).items()}


def new_params(network, n_inputs, heads, rng, dtype=np.float64):
    """Initial parameters, with biases that are not 0."""
    params = network.init_params(rng, network.shapes(n_inputs, heads), np.dtype(dtype))
    noise = {name: 0.1 * rng.standard_normal(array.shape) for name, array in params.items()}
    return {name: array + noise[name].astype(dtype) for name, array in params.items()}


def new_vae(encoder, decoder, likelihood, rng, dtype=np.float32):
    """An objective and its parameters, for images of the encoder's image_shape and 3 latents."""
    n_features = int(np.prod(encoder.image_shape))
    heads = heads_of(likelihood, n_features)
    of_encoder = new_params(encoder, n_features, CODE, rng, dtype)
    of_decoder = new_params(decoder, 3, heads, rng, dtype)
    params = {f"encoder.{name}": array for name, array in of_encoder.items()}
    params |= {f"decoder.{name}": array for name, array in of_decoder.items()}

    def part(params, name):
        return {key.removeprefix(name): params[key] for key in params if key.startswith(name)}

    def encode(params, x):
        return encoder(part(params, "encoder."), likelihood.encoder_input(x), CODE)

    def decode(params, z):
        return likelihood.parameters(*decoder(part(params, "decoder."), z, heads))

    return vaelite.NegELBO(encode, decode, likelihood.negloglikelihood), params


def test_settings_are_normalized_compared_shown_and_pickled():
    encoder = Convolutional([28, 28], 16, hidden_dim=64)
    assert encoder == Convolutional((28, 28, 1), (16,), 4, 2, (64,), "relu")
    assert encoder != Convolutional((28, 28), 16)
    assert hash(encoder) == hash(pickle.loads(pickle.dumps(encoder)))
    assert eval(repr(encoder)) == encoder
    with pytest.raises(AttributeError):
        encoder.kernel = 3


def test_the_decoder_has_the_encoders_layers_in_reverse_order():
    settings = {"kernel": 3, "activation": "tanh"}
    encoder = Convolutional((9, 7, 2), (4, 5), hidden_dim=(20, 10), **settings)
    decoder = encoder.transposed()
    assert decoder == TransposedConvolutional((9, 7, 2), (5, 4), hidden_dim=(10, 20), **settings)
    assert encoder.shapes(126, {"mu": Head(6)}) == layers(
        {
            "0": [(3, 3, 2, 4), (4,)],
            "1": [(3, 3, 4, 5), (5,)],
            "2": [(3 * 2 * 5, 20), (20,)],
            "3": [(20, 10), (10,)],
            "mu": [(10, 6), (6,)],
        }
    )
    assert decoder.shapes(6, {"mu": Head(126), "logsigma": Head(1)}) == layers(
        {
            "0": [(6, 10), (10,)],
            "1": [(10, 20), (20,)],
            "2": [(20, 3 * 2 * 5), (30,)],
            "3": [(3, 3, 4, 5), (4,)],
            "mu": [(3, 3, 2, 4), (2,)],
            "logsigma": [(30, 1), (1,)],
        }
    )


def layers(shapes):
    """The shapes of all arrays, from a pair of shapes per layer: its weights and its biases."""
    return {f"{name}.{kind}": pair[kind == "b"] for name, pair in shapes.items() for kind in "Wb"}


def test_the_encoder_by_hand(rng):
    encoder = Convolutional((6, 5, 2), (3, 4), kernel=3, hidden_dim=7, activation="tanh")
    heads = {"mu": Head(2), "logsigma": Head(1, varies=False)}
    p, h = new_params(encoder, 60, heads, rng), rng.standard_normal((8, 60))
    mu, logsigma = encoder(p, h, heads)
    h = np.tanh(convolve(h.reshape(8, 6, 5, 2), p["0.W"], 2) + p["0.b"])
    h = np.tanh(convolve(h, p["1.W"], 2) + p["1.b"]).reshape(8, -1)
    h = np.tanh(h @ p["2.W"] + p["2.b"])
    assert mu == pytest.approx(h @ p["mu.W"] + p["mu.b"])
    assert np.broadcast_to(logsigma, (8, 1)) == pytest.approx(np.full((8, 1), p["logsigma.b"]))


def test_the_decoder_by_hand(rng):
    decoder = TransposedConvolutional((6, 5), (4, 3), kernel=3, activation="tanh")
    heads = {"logsigma": Head(1), "mu": Head(60), "constant": Head(30, varies=False)}
    p, z = new_params(decoder, 2, heads, rng), rng.standard_normal((8, 2))
    logsigma, mu, constant = decoder(p, z, heads)
    h = np.tanh(z @ p["0.W"] + p["0.b"])
    assert logsigma == pytest.approx(h @ p["logsigma.W"] + p["logsigma.b"])
    h = convolve_transposed(h.reshape(8, 2, 2, 4), p["1.W"], 2, (8, 3, 3, 3))
    h = np.tanh(h + p["1.b"])
    image = convolve_transposed(h, p["mu.W"], 2, (8, 6, 5, 2)) + p["mu.b"]
    assert mu == pytest.approx(image.reshape(8, 60))  # two channels for each pixel, channels last
    assert np.broadcast_to(constant, (8, 30)) == pytest.approx(np.tile(p["constant.b"], (8, 1)))


def test_a_kernel_as_large_as_the_image_makes_dense_layers(rng):
    encoder = Convolutional((4, 4), 5, kernel=4, stride=4)
    p, x = new_params(encoder, 16, CODE, rng), rng.standard_normal((6, 16))
    dense = np.maximum(x @ p["0.W"].reshape(16, 5) + p["0.b"], 0)
    assert encoder(p, x, CODE)[0] == pytest.approx(dense @ p["mu.W"] + p["mu.b"])
    decoder, heads = encoder.transposed(), {"mu": Head(16)}
    p, z = new_params(decoder, 3, heads, rng), rng.standard_normal((6, 3))
    dense = np.maximum(z @ p["0.W"] + p["0.b"], 0)
    assert decoder(p, z, heads)[0] == pytest.approx(dense @ p["mu.W"].reshape(16, 5).T + p["mu.b"])


@pytest.mark.parametrize("hidden_dim", [(), (7,)])
def test_numbers_after_the_image_enter_after_the_convolutions(hidden_dim, rng):
    encoder, heads = Convolutional((6, 6), (3, 4), hidden_dim=hidden_dim), {"mu": Head(2)}
    name = "2.W" if hidden_dim else "mu.W"
    p, x, others = new_params(encoder, 36 + 5, heads, rng), rng.random((6, 36)), rng.random((6, 5))
    assert p["0.W"].shape == (4, 4, 1, 3)
    assert len(p[name]) == 2 * 2 * 4 + 5
    joined, alone = np.concatenate([x, others], axis=1), {**p, name: p[name][:16]}
    p[name][16:] = 0
    assert encoder(p, joined, heads)[0] == pytest.approx(encoder(alone, x, heads)[0])
    p[name][16:] = 1
    assert not np.allclose(encoder(p, joined, heads)[0], encoder(alone, x, heads)[0])


def test_every_likelihood_and_image_shape(rng):
    pairs = itertools.product(LIKELIHOODS, [(8, 8), (7, 5), (1, 6), (6, 4, 3)])
    check_each({str(pair): (*pair, rng) for pair in pairs}, check_a_loss_and_its_gradient)


def check_a_loss_and_its_gradient(likelihood, shape, rng):
    encoder = Convolutional(shape, (3, 4), kernel=3)
    objective, params = new_vae(encoder, encoder.transposed(), likelihood, rng)
    x = rng.integers(2, size=(6, np.prod(shape))).astype(np.float32)
    eps = rng.standard_normal((6, 3), dtype=np.float32)
    loss, grads = vaelite.value_and_grad(objective)(params, x, eps)
    assert np.isfinite(loss)
    for name, array in params.items():
        assert grads[name].dtype == array.dtype == np.float32
        assert grads[name].any(), name


@pytest.mark.parametrize("kernel", [3, 4])
def test_gradients_of_a_whole_vae(kernel, rng):
    encoder = Convolutional((5, 4), (2, 3), kernel=kernel, hidden_dim=3, activation="tanh")
    likelihood = vaelite.Gaussian()
    objective, params = new_vae(encoder, encoder.transposed(), likelihood, rng, np.float64)
    x, eps = rng.random((3, 20)), rng.standard_normal((3, 3))
    for name, array in params.items():

        def of_one(array, name=name):
            return objective({**params, name: array}, x, eps)

        check_grads(of_one, modes=["rev"], order=1)(array)


def test_glorot_weights_and_zero_biases(rng):
    encoder = Convolutional((8, 8), (30, 40))
    params = encoder.init_params(rng, encoder.shapes(64, CODE), np.dtype(np.float32))
    W, limit = params["1.W"], np.sqrt(6 / (16 * 30 + 16 * 40))
    assert W.dtype == np.float32
    assert 0.99 * limit < abs(W).max() <= limit * (1 + 1e-6)
    assert not any(array.any() for name, array in params.items() if name.endswith("b"))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_short_training_lowers_the_loss(dtype, rng):
    X = vaelite.load_digits()[0].astype(dtype)
    encoder = Convolutional((8, 8), (8, 16), kernel=3)
    objective, params = new_vae(encoder, encoder.transposed(), vaelite.Gaussian(), rng, dtype)
    adam = vaelite.Adam(learning_rate=3e-3)

    def take_step(batch):
        return training.step(objective, params, adam, *batch)

    losses = [training.epoch(take_step, batches(X, rng, dtype)) for _ in range(5)]
    assert losses[-1] < losses[0] - 20
    assert all(array.dtype == dtype for array in params.values())


def batches(X, rng, dtype):
    for rows in np.array_split(rng.permutation(len(X)), len(X) // 64):
        yield X[rows], rng.standard_normal((len(rows), 3)).astype(dtype)


@pytest.mark.parametrize("likelihood", LIKELIHOODS[:4], ids=repr)
def test_a_step_on_a_device_is_the_step_in_numpy(likelihood, device, rng):
    encoder = Convolutional((6, 6), (3, 4), hidden_dim=5)
    objective, params = new_vae(encoder, encoder.transposed(), likelihood, rng)
    x = rng.integers(2, size=(6, 36)).astype(np.float32)
    eps = rng.standard_normal((6, 3), dtype=np.float32)
    moved = {name: device.asarray(array) for name, array in params.items()}
    before = dict(device.transfers)
    loss, grads = vaelite.value_and_grad(objective)(moved, device.asarray(x), device.asarray(eps))
    assert device.transfers["to host"] == before["to host"]
    assert device.transfers["to device"] == before["to device"] + 2  # x and eps
    expected, expected_grads = vaelite.value_and_grad(objective)(params, x, eps)
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)
    for name, grad in grads.items():
        assert dispatch.on_device(grad)
        assert device.asnumpy(grad) == pytest.approx(expected_grads[name], rel=1e-4, abs=1e-5)


def test_numbers_after_the_image_on_a_device(device, rng):
    encoder = Convolutional((6, 6), (3, 4))
    p, x = new_params(encoder, 41, CODE, rng), rng.random((6, 41))
    moved = {name: device.asarray(array) for name, array in p.items()}

    def total(params, x):
        return vaelite.ops.mean(encoder(params, x, CODE)[0])

    loss, grads = vaelite.value_and_grad(total)(moved, device.asarray(x))
    expected, expected_grads = vaelite.value_and_grad(total)(p, x)
    assert float(loss) == pytest.approx(expected)
    for name, grad in grads.items():
        assert device.asnumpy(grad) == pytest.approx(expected_grads[name])


REFUSED = [
    (partial(Convolutional, 28, 16), ValueError, r"image_shape should be \(height, width\)"),
    (partial(Convolutional, (28, 28, 1, 1), 16), ValueError, "image_shape should be"),
    (partial(Convolutional, (28, 0), 16), ValueError, "image_shape should be 1 or more, got 0"),
    (partial(Convolutional, (28, 28.0), 16), TypeError, "image_shape should be an int"),
    (partial(Convolutional, (28, 28), ()), ValueError, "channels should have one number or more"),
    (partial(Convolutional, (28, 28), (8, 0)), ValueError, "channels should be 1 or more, got 0"),
    (partial(Convolutional, (28, 28), 8, kernel=0), ValueError, "kernel should be 1 or more"),
    (partial(Convolutional, (28, 28), 8, stride=1.5), TypeError, "stride should be an int"),
    (partial(Convolutional, (28, 28), 8, hidden_dim=-1), ValueError, "hidden_dim should be 1"),
    (partial(Convolutional, (28, 28), 8, activation="rely"), ValueError, "did you mean 'relu'"),
    (
        partial(Convolutional((28, 28), 8).shapes, 64, CODE),
        ValueError,
        r"images of 28 x 28 x 1 = 784 numbers, but a row has 64; pass image_shape=",
    ),
    (
        partial(vaelite.VAE(encoder=Convolutional((4, 4), 8)).build, 64),
        ValueError,
        r"images of 4 x 4 x 1 = 16 numbers, but a row has 64; pass image_shape=",
    ),
    (
        partial(TransposedConvolutional((28, 28), 8).shapes, 2, {"mu": Head(64)}),
        ValueError,
        r"images of 28 x 28 = 784 pixels.*the outputs have mu: 64; pass image_shape=",
    ),
]


@pytest.mark.parametrize(("make", "error", "message"), REFUSED)
def test_settings_that_cannot_work_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_networks_can_be_differentiated_twice(rng):
    encoder = Convolutional((4, 4), 2, activation="softplus")
    decoder, heads = encoder.transposed(), {"mu": Head(16)}
    p, q = new_params(encoder, 16, CODE, rng), new_params(decoder, 3, heads, rng)

    def there_and_back(x):
        return anp.sum(decoder(q, encoder(p, x, CODE)[0], heads)[0] ** 2)

    check_grads(there_and_back, modes=["rev"], order=2)(rng.random((2, 16)))


class Plain(vaelite.Gaussian):
    """A likelihood whose heads are plain tuples."""

    def heads(self, n_features):
        return {"mu": (n_features, True), "logsigma": (1, True)}


def test_heads_may_be_plain_tuples(digits):
    decoder = TransposedConvolutional((8, 8), (4, 3))
    settings = {"max_epochs": 1, "stopping": "epochs", "rng": 0}
    vae = vaelite.fit(digits[0][:200], decoder=decoder, likelihood=Plain(), **settings)
    assert vae.params["decoder.mu.W"].shape == (4, 4, 1, 3)


def test_a_condition_joins_after_the_convolutions(digits):
    X, C = digits[0][:200], np.eye(10)[digits[1][:200]]
    encoder = Convolutional((8, 8), (3, 4))
    settings = {"max_epochs": 2, "stopping": "epochs", "rng": 0}
    vae = vaelite.fit(X, condition=C, encoder=encoder, decoder=encoder.transposed(), **settings)
    assert vae.params["encoder.0.W"].shape == (4, 4, 1, 3)
    assert vae.params["encoder.mu.W"].shape == (2 * 2 * 4 + 10, 2)
    assert vae.params["decoder.0.W"].shape == (2 + 10, 2 * 2 * 4)
    assert vae.sample(3, rng=0, condition=C[0]).shape == (3, 64)
