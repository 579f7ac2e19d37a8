"""A newcomer's first mistakes: each ends in a message with the cure, and the cure works."""

import autograd.numpy as anp
import numpy as np
import pytest

import vaelite
from vaelite.vae import OTHER_NAMES

X, y = (array[:200] for array in vaelite.load_digits())
QUICK = {"hidden_dim": 8, "max_epochs": 1, "stopping": "epochs", "rng": 0}


@pytest.fixture(scope="module")
def names():
    """What a newcomer has: data, a fitted model, a shorthand."""
    rng = np.random.default_rng(0)
    return {
        "np": np,
        "anp": anp,
        "vaelite": vaelite,
        "X": X,
        "y": y,
        "images": X.reshape(-1, 8, 8),
        "gray": X * 255,
        "Z": rng.standard_normal((200, 5)),
        "table": np.column_stack([y, np.uint8(X * 255)]).astype(np.uint8),
        "vae": vaelite.fit(X, **QUICK),
        "quick": QUICK,
    }


# What is typed, what the message should contain, and what then works and contains it.
MISTAKES = {
    "images are not flat": (
        "vaelite.fit(images, **quick)",
        "X.reshape(len(X), -1)",
        "X = images; vaelite.fit(X.reshape(len(X), -1), **quick)",
    ),
    "labels, as for a classifier": (
        "vaelite.fit(X, y, **quick)",
        "fit takes no labels: leave y out",
        "vaelite.fit(X, **quick)",
    ),
    "the whole data set": (
        "vaelite.fit(vaelite.load_digits(), **quick)",
        "pass the first part: X[0]",
        "X = vaelite.load_digits(); vaelite.fit(X[0], **quick)",
    ),
    "gray levels up to 255": (
        "vaelite.fit(gray, **quick)",
        "divide by 255",
        "vaelite.fit(gray / 255, **quick)",
    ),
    "standardized data for a logistic mean": (
        "vaelite.fit(Z, likelihood=vaelite.Gaussian(mean='logistic', sigma='pixel'), **quick)",
        'Gaussian(mean="identity")',
        'vaelite.fit(Z, likelihood=vaelite.Gaussian(mean="identity"), **quick)',
    ),
    "a label column": (
        "vaelite.fit(table, **quick)",
        "np.delete(X, 0, axis=1)",
        "X = table; vaelite.fit(np.delete(X, 0, axis=1), **quick)",
    ),
    "other names of settings": (
        "vaelite.fit(X, epochs=1)",
        "did you mean 'max_epochs'?",
        "vaelite.fit(X, **{**quick, 'max_epochs': 1})",
    ),
    "sizes without names": (
        "vaelite.VAE(64, 8, 2)",
        "VAE(latent_dim, hidden_dim) got 3 arguments without a name",
        "vaelite.VAE(latent_dim=2, hidden_dim=8)",
    ),
    "a model that is not trained": (
        "vaelite.VAE().sample(3)",
        "call fit(X) first",
        "vaelite.VAE(hidden_dim=8, max_epochs=1, stopping='epochs').fit(X).sample(3)",
    ),
    "one image": ("vae.reconstruct(X[0])", "X[:1]", "vae.reconstruct(X[:1])"),
    "both outputs of encode": (
        "vae.decode(vae.encode(X))",
        "pass the codes: z[0], or codes(X)",
        "z = vae.encode(X); vae.decode(z[0]); vae.decode(vae.codes(X))",
    ),
    "a method of scikit-learn": ("vae.predict(X)", "mean reconstruct(X)", "vae.reconstruct(X)"),
    "a method of PyTorch": ("vae.forward(X)", "did you mean reconstruct(X)", "vae.reconstruct(X)"),
    "another name of sample": ("vae.generate(3)", "did you mean sample(n)", "vae.sample(3)"),
    "plain NumPy in a term": (
        "vaelite.fit(X, neglogprior=lambda z: np.einsum('ij,ij->i', z, z) / 2, **quick)",
        "import autograd.numpy as np",
        "np = anp; vaelite.fit(X, neglogprior=lambda z: np.einsum('ij,ij->i', z, z) / 2, **quick)",
    ),
    "a mean over the batch in a term": (
        "vaelite.fit(X, neglogprior=lambda z: anp.mean(z**2) / 2, **quick)",
        "axis=-1",
        "vaelite.fit(X, neglogprior=lambda z: anp.sum(z**2, axis=-1) / 2, **quick)",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_message_has_the_cure_and_the_cure_works(mistake, names):
    typed, cure, works = MISTAKES[mistake]
    with pytest.raises((TypeError, ValueError, AttributeError)) as raised:
        exec(typed, dict(names))
    said = str(raised.value)
    assert cure in said, said
    assert "\n" not in said
    assert len(said) < 500
    exec(works, dict(names))


def test_the_number_of_mistakes(capsys):
    with capsys.disabled():
        print(f"\n{len(MISTAKES)} first mistakes tried, each with a cure that works")
    assert len(MISTAKES) >= 10


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_names_of_other_libraries_are_no_attributes(name, names):
    for model in names["vae"], vaelite.VAE():
        assert not hasattr(model, name)
        with pytest.raises(AttributeError, match=f"VAE has no attribute '{name}'; did you mean "):
            getattr(model, name)


def test_other_errors_of_attributes_are_pythons():
    with pytest.raises(AttributeError, match="'VAE' object has no attribute 'latent_dims'"):
        vaelite.VAE().latent_dims  # noqa: B018
    with pytest.raises(vaelite.NotFittedError):
        vaelite.VAE().params  # noqa: B018
