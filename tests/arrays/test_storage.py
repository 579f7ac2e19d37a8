"""Saving and loading: the same model comes back, and every other file is refused."""

import io
import json
import os
import pickle
import resource
import subprocess
import sys
import zipfile

import autograd.numpy as anp
import numpy as np
import pytest

import vaelite
from vaelite import ModelFileError
from vaelite.arrays import storage


@pytest.fixture
def saved(vae, tmp_path):
    path = tmp_path / "model.npz"
    vae.save(path)
    return path


@pytest.fixture
def tiny(tmp_path):
    """A model with a file so small that a test can try every truncation."""
    path = tmp_path / "tiny.npz"
    X = np.random.default_rng(0).random((20, 3))
    settings = {"batch_size": 10, "max_epochs": 1, "stopping": "epochs"}
    vaelite.fit(X, latent_dim=1, hidden_dim=2, **settings).save(path)
    return path


def test_the_same_model_comes_back(vae, saved, digits):
    again = vaelite.load(saved)
    assert again.params.keys() == vae.params.keys()
    for name, array in vae.params.items():
        assert np.array_equal(array, again.params[name])
        assert array.dtype == again.params[name].dtype
    solution = ("history", "log", "stop_reason", "converged", "n_epochs", "best_epoch")
    for name in (*solution, "encoder", "decoder", "likelihood"):
        assert getattr(again, name) == getattr(vae, name), name
    assert np.array_equal(again.score_samples(digits[0]), vae.score_samples(digits[0]))
    assert np.array_equal(again.sample(3, rng=0), vae.sample(3, rng=0))


def test_numpy_reads_the_arrays(vae, saved):
    with np.load(saved, allow_pickle=False) as file:
        assert np.array_equal(file["encoder.mu.W"], vae.params["encoder.mu.W"])


def test_the_file_name_is_not_changed(vae, tmp_path):
    vae.save(tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_custom_terms_must_be_passed_again(digits, quick, tmp_path):
    path = tmp_path / "own.npz"

    def prior(z):
        return anp.sum(z * z, axis=1) / 2

    own = vaelite.fit(digits[0], **quick, neglogprior=prior)
    own.save(path)
    with pytest.raises(ModelFileError, match=r"neglogprior.*load\(path, neglogprior=...\)"):
        vaelite.load(path)
    assert vaelite.load(path, neglogprior=prior).score(digits[0]) == own.score(digits[0])
    with pytest.raises(TypeError, match="did you mean 'neglogprior'"):
        vaelite.load(path, neglogpriors=prior)


def test_a_term_that_the_model_was_not_fitted_with_is_refused(saved):
    with pytest.raises(ModelFileError, match="was not fitted with your own neglogprior"):
        vaelite.load(saved, neglogprior=lambda z: z)


def test_places_that_do_not_work(vae, tmp_path):
    with pytest.raises(FileNotFoundError):
        vaelite.load(tmp_path / "missing.npz")
    with pytest.raises(IsADirectoryError):
        vaelite.load(tmp_path)
    with pytest.raises(IsADirectoryError):
        vae.save(tmp_path)
    with pytest.raises(FileNotFoundError):
        vae.save(tmp_path / "missing" / "model.npz")
    with pytest.raises(FileNotFoundError, match="no folder .*missing"):
        vae.save(tmp_path / "missing" / "model.npz")
    assert not list(tmp_path.iterdir())


def test_every_truncation_is_detected(tiny):
    content = tiny.read_bytes()
    for length in range(len(content)):
        tiny.write_bytes(content[:length])
        with pytest.raises(ModelFileError):
            vaelite.load(tiny)


def test_bit_flips_are_detected_or_harmless(tiny):
    expected, content, rng = vaelite.load(tiny).params, tiny.read_bytes(), np.random.default_rng(0)
    for _ in range(500):
        flipped = bytearray(content)
        flipped[rng.integers(len(content))] ^= 1 << rng.integers(8)
        tiny.write_bytes(flipped)
        try:
            found = vaelite.load(tiny).params
        except ModelFileError:
            continue
        assert all(np.array_equal(found[name], array) for name, array in expected.items())


def rewrite(path, change):
    """Write a model's file again after ``change`` of its members, a dict of bytes."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members = change(members) or members
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def npy(array, allow_pickle=False):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, version=(1, 0), allow_pickle=allow_pickle)
    return stream.getvalue()


def edit_manifest(**changes):
    def change(members):
        manifest = {**json.loads(members["manifest.json"]), **changes}
        members["manifest.json"] = json.dumps(manifest).encode()

    return change


def drop_array(members):
    del members["encoder.mu.b.npy"]


def drop_array_and_its_entry(members):
    del members["encoder.mu.b.npy"]
    manifest = json.loads(members["manifest.json"])
    del manifest["arrays"]["encoder.mu.b"]
    members["manifest.json"] = json.dumps(manifest).encode()


def replace_array(array, allow_pickle=False):
    return replace_member("encoder.mu.b.npy", npy(array, allow_pickle))


def replace_member(name, content):
    return lambda members: members.update({name: content})


def huge_shape(members):
    shape, huge = b"'shape': (1,), }        ", b"'shape': (10**12,), }   "
    member = members["encoder.mu.b.npy"].replace(shape, huge)
    assert b"10**12" in member
    members["encoder.mu.b.npy"] = member.replace(b"10**12", b"9" * 6)


@pytest.mark.parametrize(
    "change",
    [
        edit_manifest(format=99),
        edit_manifest(n_features=4),
        edit_manifest(networks={"encoder": ["Dense", {"depth": 3}]}),
        edit_manifest(own_terms=5),
        edit_manifest(likelihood=["poisson", {}]),
        edit_manifest(solution={}),
        edit_manifest(arrays=[]),
        drop_array,
        drop_array_and_its_entry,
        replace_member("extra", b"x"),
        replace_member("manifest.json", b"{"),
        replace_array(np.zeros(7)),
        replace_array(np.zeros(1, np.float32)),
        replace_array(np.array([np.nan])),
        replace_array(np.zeros(1, object), allow_pickle=True),
        huge_shape,
    ],
)
def test_files_that_are_almost_a_model(tiny, change):
    rewrite(tiny, change)
    with pytest.raises(ModelFileError) as raised:
        vaelite.load(tiny)
    assert "allow_pickle" not in str(raised.value)


OTHER_FILES = [b"", b"<html>404</html>", pickle.dumps({"w": 1}), b"\x93NUMPY\x01\x00"]


@pytest.mark.parametrize("content", OTHER_FILES)
def test_files_of_another_kind(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ModelFileError):
        vaelite.load(tmp_path / "x")


def test_a_bomb_is_not_unpacked(tiny):
    with zipfile.ZipFile(tiny, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", b" " * 200_000_000)
    with pytest.raises(ModelFileError, match="compressed"):
        vaelite.load(tiny)


def test_a_repeated_member_is_refused(tiny):
    with zipfile.ZipFile(tiny, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("encoder.mu.b.npy", npy(np.ones(1)))
    with pytest.raises(ModelFileError):
        vaelite.load(tiny)


@pytest.mark.parametrize("function", ["fsync", "replace", "chmod"])
def test_a_save_that_fails_leaves_the_old_file(vae, saved, monkeypatch, function):
    before = saved.read_bytes()

    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage.os, function, fail)
    with pytest.raises(OSError, match="No space"):
        vae.save(saved)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


SAVE_ON_A_FULL_DISK = """
import resource, signal, sys, vaelite

vae = vaelite.load(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
vae.save(sys.argv[1])
"""


def test_a_full_disk(saved):
    before = saved.read_bytes()
    command = [sys.executable, "-c", SAVE_ON_A_FULL_DISK, str(saved)]
    result = subprocess.run(command, capture_output=True, text=True, env=os.environ)
    assert "OSError" in result.stderr
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 4096


def test_arrays_of_any_layout_are_saved_in_the_right_order(vae, tmp_path, digits):
    """A trained file holds C order; arrays that users assign may be transposed views."""
    model = vaelite.VAE(hidden_dim=32).build(64, rng=1)
    for name, array in vae.params.items():
        model.params[name] = array.copy("F")
        storage.save(tmp_path / "x.npz", {}, {"w": array[..., ::-1]})
        assert np.array_equal(storage.load(tmp_path / "x.npz")[1]["w"], array[..., ::-1])
    assert not model.params["encoder.0.W"].flags.c_contiguous
    model.save(tmp_path / "model.npz")
    again = vaelite.load(tmp_path / "model.npz")
    for name, array in vae.params.items():
        assert np.array_equal(again.params[name], array), name
    assert np.array_equal(again.score_samples(digits[0]), vae.score_samples(digits[0]))
