"""Adam against two steps by hand, against the textbook's algorithm, and against PyTorch."""

import numpy as np
import pytest

from vaelite import Adam
from vaelite.arrays.adam_step import BLOCK, FLUSH_EVERY, SMALL, TINY


def textbook_adam(param, grads, learning_rate=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-8):
    """Algorithm 1 of Kingma & Ba (2015), line by line."""
    m = v = np.zeros_like(param)
    for t, g in enumerate(grads, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        param = param - learning_rate * m_hat / (np.sqrt(v_hat) + epsilon)
    return param


def test_two_steps_by_hand():
    params, adam = {"w": np.array([1.0])}, Adam(learning_rate=0.1)
    adam.update(params, {"w": np.array([2.0])})  # m_hat = 2, v_hat = 4: a step of 0.1 * 2 / 2
    assert params["w"] == pytest.approx([0.9], abs=1e-8)
    adam.update(params, {"w": np.array([-1.0])})
    m_hat = (0.9 * 0.2 - 0.1) / (1 - 0.81)  # 0.08 / 0.19
    v_hat = (0.999 * 0.004 + 0.001) / (1 - 0.999**2)  # 0.004996 / 0.001999
    assert params["w"] == pytest.approx([0.9 - 0.1 * m_hat / v_hat**0.5], abs=1e-8)


OTHER = {"learning_rate": 0.1, "beta1": 0.5, "beta2": 0.9, "epsilon": 1e-3}


@pytest.mark.parametrize("settings", [{}, OTHER])
@pytest.mark.parametrize("scale", [1e-6, 1, 1e3])
def test_a_hundred_steps_of_the_textbook(settings, scale, rng):
    param, grads = rng.standard_normal((3, 4)), scale * rng.standard_normal((100, 3, 4))
    params, adam = {"w": param.copy()}, Adam(**settings)
    for g in grads:
        adam.update(params, {"w": g})
    assert params["w"] == pytest.approx(textbook_adam(param, grads, **settings), rel=1e-12)


@pytest.mark.parametrize("size", [784 * 512, BLOCK, BLOCK + 1, 2 * BLOCK + 17, 5 * BLOCK - 1])
def test_blocks_do_not_change_the_result(size, rng):
    params, grads = {"w": np.zeros(size)}, rng.standard_normal((3, size))
    adam = Adam()
    for g in grads:
        adam.update(params, {"w": g})
    np.testing.assert_allclose(params["w"], textbook_adam(np.zeros(size), grads), 1e-12, 1e-14)


def test_small_arrays_that_are_updated_together_move_as_they_do_alone(rng):
    sizes = {"a": (3,), "b": (2, 5), "large": (SMALL + 1,), "c": (1,), "d": (4, 2)}
    start = {name: rng.standard_normal(shape) for name, shape in sizes.items()}
    start |= {"e": start["a"].astype(np.float32), "b": np.asfortranarray(start["b"])}
    together, adam = {name: w.copy("K") for name, w in start.items()}, Adam(weight_decay=0.1)
    alone = {name: (w.copy("K"), Adam(weight_decay=0.1)) for name, w in start.items()}
    for _ in range(3):
        grads = {name: rng.standard_normal(w.shape).astype(w.dtype) for name, w in start.items()}
        adam.update(together, grads)
        for name, (w, own) in alone.items():
            own.update({name: w}, {name: grads[name]})
    for name, (w, own) in alone.items():
        assert together[name].dtype == adam.m[name].dtype == w.dtype
        for found, expected in zip(
            (together[name], adam.m[name], adam.v[name]), (w, own.m[name], own.v[name]), strict=True
        ):
            np.testing.assert_allclose(found, expected, rtol=1e-5 if name == "e" else 1e-12)


def layouts(w):
    """The same numbers in arrays that are arranged in other ways in memory."""
    strided = np.zeros((*w.shape[:-1], 2 * w.shape[-1]), w.dtype)[..., ::2]
    reversed_ = np.zeros_like(w)[::-1]
    for array in strided, reversed_:
        array[...] = w
    turned = np.moveaxis(np.ascontiguousarray(np.moveaxis(w, 0, -1)), -1, 0)
    return {"Fortran": w.copy("F"), "strided": strided, "reversed": reversed_, "turned": turned}


@pytest.mark.parametrize("name", ["Fortran", "strided", "reversed", "turned"])
@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4), (30, 70)], ids=str)
def test_any_layout_is_updated_in_place(shape, name, rng):
    start, grads = rng.standard_normal(shape), rng.standard_normal((3, *shape))
    params = {"w": layouts(start)[name]}
    w, strides, adam = params["w"], params["w"].strides, Adam()
    assert not w.flags.c_contiguous
    for g in grads:
        adam.update(params, {"w": layouts(g)[name]})
    assert params["w"] is w
    assert w.strides == strides
    assert w == pytest.approx(textbook_adam(start, grads), rel=1e-12)


def test_scalars_and_empty_arrays():
    params, adam = {"a": np.array(1.0), "b": np.zeros((0, 3))}, Adam(0.1)
    adam.update(params, {"a": np.array(2.0), "b": np.zeros((0, 3))})
    assert params["a"] == pytest.approx(0.9)


@pytest.mark.parametrize("shape", [(1,), (2, 3), (6,), (1, 3, 2), ()])
def test_a_gradient_of_another_shape_is_refused(shape):
    params, adam = {"v": np.zeros(2), "w": np.ones((3, 2))}, Adam()
    with pytest.raises(ValueError, match=r"the gradient of w has shape .*, expected \(3, 2\)"):
        adam.update(params, {"v": np.ones(2), "w": np.ones(shape)})
    assert adam.t == 0
    assert not params["v"].any()


def test_in_place_and_in_the_arrays_dtype():
    w = np.ones((2, 3), np.float32)
    adam = Adam()
    adam.update({"w": w}, {"w": np.ones((2, 3), np.float32)})
    assert w == pytest.approx(0.999)
    assert adam.m["w"].dtype == adam.v["w"].dtype == np.float32


def test_gradients_are_not_changed():
    g = np.array([1.0, 2.0])
    Adam().update({"w": np.zeros(2)}, {"w": g})
    assert np.array_equal(g, [1.0, 2.0])


def test_denormal_moments_become_zero():
    params, adam = {"w": np.zeros(3, np.float32)}, Adam()
    adam.update(params, {"w": np.array([1.0, 1e-3, 0.0], np.float32)})
    for _ in range(30 * FLUSH_EVERY):  # 0.9**960 is 1e-44, a denormal number
        adam.update(params, {"w": np.zeros(3, np.float32)})
    for moments in (adam.m["w"], adam.v["w"]):
        assert np.all((moments == 0) | (abs(moments) > TINY * 0.9**FLUSH_EVERY))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_small_moments_count(dtype, rng):
    """Gradients of 1e-14 have squares of 1e-28: far below 1, far above float32's smallest."""
    grads = 1e-14 * rng.uniform(0.5, 1, (100, 4))
    params, adam = {"w": np.zeros(4, dtype)}, Adam(epsilon=0.0)
    for g in grads:
        adam.update(params, {"w": g.astype(dtype)})
    expected = textbook_adam(np.zeros(4), grads, epsilon=0.0)
    assert params["w"] == pytest.approx(expected, rel=1e-12 if dtype == np.float64 else 1e-4)


def test_float64_is_never_flushed(rng):
    """Its smallest normal number is 2e-308, so it has no denormal moments to avoid."""
    grads = 1e-40 * rng.uniform(0.5, 1, (2 * FLUSH_EVERY, 4))
    params, adam = {"w": np.zeros(4)}, Adam(epsilon=0.0)
    for g in grads:
        adam.update(params, {"w": g})
    expected = textbook_adam(np.zeros(4), grads, epsilon=0.0)
    assert params["w"] == pytest.approx(expected, rel=1e-12)


def test_steps_are_counted_once_for_all_arrays():
    params, adam = {name: np.zeros(2) for name in "abc"}, Adam(0.1)
    for _ in range(3):
        adam.update(params, {name: np.ones(2) for name in "abc"})
    assert adam.t == 3
    for w in params.values():
        assert w == pytest.approx(textbook_adam(np.zeros(2), np.ones((3, 2)), 0.1), rel=1e-12)


@pytest.mark.filterwarnings("ignore")  # PyTorch's own warnings
def test_a_hundred_steps_of_pytorch(rng):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    param, grads = rng.standard_normal((3, 4)), rng.standard_normal((100, 3, 4))
    w, ours, adam = torch.tensor(param, requires_grad=True), {"w": param.copy()}, Adam()
    theirs = torch.optim.Adam([w])
    for g in grads:
        w.grad = torch.tensor(g)
        theirs.step()
        adam.update(ours, {"w": g})
    assert ours["w"] == pytest.approx(w.detach().numpy(), rel=1e-12)


def test_weight_decay_shrinks_weights_and_no_biases(rng):
    weights, bias = rng.standard_normal((3, 2)), rng.standard_normal(2)
    params = {"W": weights.copy(), "b": bias.copy()}
    Adam(0.1, weight_decay=0.5).update(params, {k: np.zeros_like(a) for k, a in params.items()})
    assert params["W"] == pytest.approx(weights * (1 - 0.1 * 0.5))
    assert np.array_equal(params["b"], bias)


def test_weight_decay_is_decoupled_from_the_gradient(rng):
    W, g = rng.standard_normal((2, 3, 2))
    decayed, plain = {"W": W.copy()}, {"W": W * (1 - 0.1 * 0.5)}
    Adam(0.1, weight_decay=0.5).update(decayed, {"W": g})
    Adam(0.1).update(plain, {"W": g})
    assert decayed["W"] == pytest.approx(plain["W"])


def test_a_missing_gradient_is_named():
    adam, params = Adam(), {"a": np.ones(2), "b": np.ones(2)}
    with pytest.raises(ValueError, match="there is no gradient of b: grads should have the names"):
        adam.update(params, {"a": np.ones(2)})
    assert adam.t == 0
    assert (params["a"] == 1).all()


def test_moments_are_not_flushed_in_every_step():
    tiny = np.full(3, TINY / 100, np.float32)
    params, adam = {"w": np.zeros(3, np.float32)}, Adam()
    for _ in range(2):
        adam.update(params, {"w": tiny})
    assert adam.m["w"] == pytest.approx(0.19 * TINY / 100, rel=1e-5, abs=0)


def test_a_loaded_state_is_a_copy(rng):
    g = rng.standard_normal(3)
    first, second, p, q = Adam(), Adam(0.5), {"w": np.zeros(3)}, {"w": np.zeros(3)}
    first.update(p, {"w": g})
    second.update(q, {"w": g})
    second.load_state_dict(first.state_dict())
    first.update(p, {"w": -g})
    assert second.t == 1
    assert second.learning_rate == first.learning_rate
    assert second.m["w"] == pytest.approx(0.1 * g)
    with pytest.raises(ValueError, match="the state should have learning_rate.*, got t"):
        second.load_state_dict({"t": 1})
