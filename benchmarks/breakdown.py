"""Where the time of a training step goes, on the lecture's network.

    python benchmarks/breakdown.py

It prints the median time of each part, in milliseconds and in percent of a step; where numba is
installed, also that of Adam's compiled loop, which replaces NumPy's in longer fits. "Tape and
Python" is the time of a step of a tiny network: almost no arithmetic. "Elementwise formulas,
small products" is the rest.
"""

import statistics
import time

import numpy as np
from peers import MatrixProducts, Work

import vaelite
from vaelite import training
from vaelite.arrays import compiled


def milliseconds(function, batches, times=300):
    """The median time of a call, in milliseconds; each call gets the next batch."""
    found = []
    for i in range(times):
        start = time.perf_counter()
        function(*batches[i % len(batches)])
        found.append(time.perf_counter() - start)
    return 1e3 * statistics.median(found[times // 5 :])


def step_of(work):
    """A model's parameters and objective, batches, and a function that takes one step."""
    vae, adam, rng = work.vae(), vaelite.Adam(), np.random.default_rng(0)
    objective, params = vae.loss(), vae.params
    images = rng.random((32, work.batch_size, work.pixels), dtype=np.float32)
    images *= rng.random(images.shape) < 0.2
    noise = rng.standard_normal((32, work.batch_size, work.latent_dim), dtype=np.float32)
    batches = list(zip(images, noise, strict=True))

    def step(x, eps):
        return training.step(objective, params, adam, x, eps)

    return params, objective, batches, step


def main():
    training.keep_freed_memory()
    params, objective, batches, step = step_of(Work())
    *_, tiny_batches, tiny_step = step_of(Work(pixels=4, hidden_dim=(2,), batch_size=2))
    products = MatrixProducts(Work(), params)
    _, grads = vaelite.value_and_grad(objective)(params, *batches[0])
    copies, adam = {name: array.copy() for name, array in params.items()}, vaelite.Adam()

    def update(x, eps):
        adam.update(copies, grads)

    def check(x, eps):
        return [training.is_finite(g) for g in grads.values()]

    whole = milliseconds(step, batches)
    parts = {
        "the five large matrix products": milliseconds(products.step, batches),
        "Adam": milliseconds(update, batches),
        "autograd's tape and Python": milliseconds(tiny_step, tiny_batches),
        "whether all is finite": milliseconds(check, batches),
    }
    parts["elementwise formulas, small products"] = whole - sum(parts.values())
    print(f"a step: {whole:.2f} ms")
    if compiled.has_numba():
        compiled.WORTH = 0
        parts["Adam, compiled by numba"] = milliseconds(update, batches)
    for name, part in parts.items():
        print(f"{name:40s}{part:8.2f} ms {part / whole:7.0%}")


if __name__ == "__main__":
    main()
