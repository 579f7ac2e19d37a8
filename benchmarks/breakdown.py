"""Where the time of a training step goes, on the lecture's network: python benchmarks/breakdown.py

Medians of each part by itself, in milliseconds and in percent of a step. Tape and Python are what a step costs of a
network of some twenty numbers: all but arithmetic. Elementwise formulas and small products are what is left.
"""

import statistics
import time

import numpy as np
from peers import MatrixProducts, Work

import vaelite
from vaelite import training


def milliseconds(function, batches, times=300):
    """The median time of a call, each with the next batch."""
    found = []
    for i in range(times):
        start = time.perf_counter()
        function(*batches[i % len(batches)])
        found.append(time.perf_counter() - start)
    return 1e3 * statistics.median(found[times // 5 :])


def step_of(work):
    """A model's parameters, its step, and batches for it."""
    vae, adam, rng = work.vae(), vaelite.Adam(), np.random.default_rng(0)
    objective, params = vae.objective(), vae.params
    images = rng.random((32, work.batch_size, work.pixels), dtype=np.float32)
    images *= rng.random(images.shape) < 0.2
    noise = rng.standard_normal((32, work.batch_size, work.latent_dim), dtype=np.float32)
    batches = list(zip(images, noise, strict=True))
    return (
        params,
        objective,
        adam,
        batches,
        lambda x, eps: training.step(objective, params, adam, x, eps),
    )


def main():
    training.keep_freed_memory()
    params, objective, _, batches, step = step_of(Work())
    *_, tiny, tiny_step = step_of(Work(pixels=4, hidden_dim=(2,), batch_size=2))
    _, grads = vaelite.value_and_grad(objective)(params, *batches[0])
    copies, adam = {name: array.copy() for name, array in params.items()}, vaelite.Adam()
    whole = milliseconds(step, batches)
    parts = {
        "the five large matrix products": milliseconds(
            MatrixProducts(Work(), params).step, batches
        ),
        "Adam": milliseconds(lambda *_: adam.update(copies, grads), batches),
        "autograd's tape and Python": milliseconds(tiny_step, tiny),
        "whether all is finite": milliseconds(
            lambda *_: [training.is_finite(g) for g in grads.values()], batches
        ),
    }
    parts["elementwise formulas, small products"] = whole - sum(parts.values())
    print(f"a step: {whole:.2f} ms")
    for name, part in parts.items():
        print(f"{name:40s}{part:8.2f} ms {part / whole:7.0%}")


if __name__ == "__main__":
    main()
