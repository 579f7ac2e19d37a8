"""The command ``python -m vaelite``, as a user calls it."""

import subprocess
import sys

import numpy as np
import pytest
from helpers import idx, write_pair

import vaelite
from vaelite.__main__ import main

QUICK = ["--hidden-dim", "16", "--epochs", "2", "--quiet"]
FROM_IMAGES = {"latent_means", "average_reconstructions", "reconstructions"}
PICTURES = {"learning_curve", "samples", "latent_grid", *FROM_IMAGES}


def test_the_digits(tmp_path, capsys):
    assert main([*QUICK, "--out", str(tmp_path / "a" / "b")]) == 0
    written = {path.name for path in (tmp_path / "a" / "b").iterdir()}
    assert written == {f"{name}.png" for name in PICTURES} | {"model.npz"}
    model = vaelite.load(tmp_path / "a" / "b" / "model.npz")
    assert (model.part("encoder").hidden_dim, model.n_epochs) == ((16,), 2)
    out = capsys.readouterr().out
    assert str(tmp_path / "a" / "b") in out
    assert str(vaelite.ledger(model, vaelite.load_digits()[0])) in out


def test_a_folder_of_idx_files_that_are_not_square(tmp_path):
    write_pair(tmp_path / "idx")  # three images of 4 x 5
    out = tmp_path / "out"
    arguments = ["--data", str(tmp_path / "idx"), "--batch-size", "3", "--out", str(out)]
    assert main([*QUICK, *arguments]) == 0
    written = {path.name for path in out.iterdir()}
    assert written == {"model.npz", "learning_curve.png", "latent_means.png"}


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_a_file_of_arrays(tmp_path, name, digits):
    X, y = digits
    if name == "x.npy":
        np.save(tmp_path / name, X.reshape(-1, 8, 8))
    else:
        np.savez(tmp_path / name, X=X, y=y)
    out = tmp_path / "out"
    model = ["--latent-dim", "3", "--sigma", "0.2"]
    assert main(["--data", str(tmp_path / name), *QUICK, *model, "--out", str(out)]) == 0
    assert (out / "samples.png").exists()
    assert (out / "latent_means.png").exists() == (name == "x.npz")
    assert not (out / "latent_grid.png").exists()


def test_labels_that_do_not_fit_are_refused_before_training(tmp_path, digits, capsys):
    path = tmp_path / "x.npz"
    np.savez(path, X=digits[0], y=digits[1][:-1])
    assert main(["--data", str(path), "--out", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"error: {path} has 1797 images, but labels of shape (1796,)\n"


def test_pictures_of_an_earlier_run_are_kept_and_named(tmp_path, capsys):
    assert main([*QUICK, "--out", str(tmp_path)]) == 0
    before = (tmp_path / "latent_grid.png").read_bytes()
    assert "of an earlier one" not in capsys.readouterr().out
    assert main([*QUICK, "--latent-dim", "3", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "latent_grid.png").read_bytes() == before
    said = "not of this model, but of an earlier one: latent_grid.png in "
    assert said in capsys.readouterr().out


def test_beta(tmp_path):
    assert main([*QUICK, "--beta", "8", "--out", str(tmp_path)]) == 0
    settings = {"hidden_dim": 16, "max_epochs": 2, "stopping": "epochs"}
    X, fitted = vaelite.load_digits()[0], vaelite.load(tmp_path / "model.npz")
    losses = [vaelite.fit(X, beta=beta, rng=0, **settings).history for beta in (8, 1)]
    found = [history["eval_loss"][-1] for history in (fitted.history, *losses)]
    assert found[0] == pytest.approx(found[1])
    assert found[0] != pytest.approx(found[2], abs=0.1)


def damaged_files(folder):
    """Files with the names of arrays, by what is wrong with them."""
    np.savez(folder / "whole.npz", X=np.ones((50, 4)))
    content = (folder / "whole.npz").read_bytes()
    yield "short.npz", content[:-40]
    yield "flipped.npz", content[:200] + bytes([content[200] ^ 255]) + content[201:]
    yield "page.npz", b"<html>"
    yield "page.npy", b"<html>"
    yield "empty.npy", b""
    yield "empty.npz", b""
    yield "renamed.npy", content
    np.save(folder / "objects.npy", np.array([{}]), allow_pickle=True)
    yield "objects.npy", (folder / "objects.npy").read_bytes()


def test_damaged_files_are_one_line_and_never_advice_to_load_pickles(tmp_path, capsys):
    for name, content in damaged_files(tmp_path):
        (tmp_path / name).write_bytes(content)
        assert main(["--data", str(tmp_path / name), "--out", str(tmp_path / "out")]) == 1
        err = capsys.readouterr().err
        assert err.startswith(f"error: {tmp_path / name} contains no arrays of numbers"), name
        assert len(err.splitlines()) == 1, name
        assert "pickle" not in err, name
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("fault", "status", "message"),
    [
        (vaelite.TrainingError("epoch 1, batch 0: the loss is not finite"), 1, "epoch 1, batch 0"),
        (MemoryError("6.7 GiB"), 1, "not enough memory (6.7 GiB); take a smaller --hidden-dim"),
        (KeyboardInterrupt(), 130, "interrupted from the keyboard"),
    ],
)
def test_faults_while_training_are_one_line(tmp_path, capsys, monkeypatch, fault, status, message):
    def fail(*args, **settings):
        raise fault

    monkeypatch.setattr(vaelite, "fit", fail)
    assert main([*QUICK, "--out", str(tmp_path)]) == status
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert message in err
    assert len(err.splitlines()) == 1


@pytest.mark.filterwarnings("ignore:.*trying it again with learning_rate")
def test_a_diverging_fit_ends_with_one_line(tmp_path, capsys):
    assert main([*QUICK, "--learning-rate", "1e30", "--out", str(tmp_path)]) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: training stopped in epoch 1")
    assert len(err.splitlines()) == 1


def test_advice_is_printed_unless_quiet(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("vaelite.__main__.advice", lambda: ["set MY_KERNELS=fast"])
    for arguments, expected in ((QUICK[:-1], 1), (QUICK, 0)):
        assert main([*arguments, "--out", str(tmp_path)]) == 0
        assert capsys.readouterr().out.count("> advice: set MY_KERNELS=fast\n") == expected


@pytest.mark.parametrize("likelihood", ["bernoulli", "categorical"])
def test_other_likelihoods_with_a_test_set(tmp_path, likelihood, capsys):
    data, out = tmp_path / "idx", tmp_path / "out"
    images = (vaelite.load_digits()[0] * 255).astype(np.uint8).reshape(-1, 8, 8)
    labels = vaelite.load_digits()[1].astype(np.uint8)
    for name, rows in (("train", slice(300)), ("t10k", slice(300, 360))):
        write_pair(data, name, images=idx(images[rows]), labels=idx(labels[rows]))
    arguments = ["--data", str(data), "--likelihood", likelihood, "--test", "--tsne"]
    assert main([*QUICK, *arguments, "--out", str(out)]) == 0
    assert "test_loss" in vaelite.load(out / "model.npz").history
    assert (out / "tsne.png").exists()
    assert "mean over 60 images" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "cifar"], "--data should be"),
        (["--data", "missing.npy"], "missing.npy"),
        (["--epochs", "0"], "max_epochs should be 1 or more"),
        (["--activation", "rely"], "did you mean 'relu'"),
        (["--sigma", "row"], "sigma should be"),
        (["--likelihood", "bernouli"], "did you mean 'bernoulli'"),
        (["--test"], "--test is for MNIST"),
        (["--beta", "-1"], "beta should be 0 or more"),
        (["--out", __file__], "--out should be a folder"),
    ],
)
def test_mistakes_are_one_line(tmp_path, capsys, arguments, message):
    assert main([*QUICK, "--out", str(tmp_path), *arguments]) == 1
    err = capsys.readouterr().err
    assert message in err
    assert len(err.splitlines()) == 1


def test_as_a_process(tmp_path):
    command = [sys.executable, "-m", "vaelite", *QUICK, "--out", str(tmp_path)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stderr == ""
    text = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout
    assert "--latent-dim" in text
    assert "python -m vaelite --data mnist" in text
