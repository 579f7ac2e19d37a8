"""Saving and loading: the same model comes back, and every other file is refused."""

import collections
import io
import json
import os
import pickle
import subprocess
import sys
import time
import tracemalloc
import zipfile

import autograd.numpy as anp
import numpy as np
import pytest

import vaelite
from vaelite import ModelFileError
from vaelite.saving import storage


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


def refused_truncations(path, lengths):
    content, slowest = path.read_bytes(), 0.0
    for length in lengths:
        path.write_bytes(content[:length])
        start = time.process_time()
        with pytest.raises(ModelFileError):
            vaelite.load(path)
        slowest = max(slowest, time.process_time() - start)
    assert slowest < 1
    return len(lengths), slowest


def refused_bit_flips(path, count):
    """Of files with one bit flipped; a file that is not refused has the same model."""
    expected, content, refused, slowest = vaelite.load(path), path.read_bytes(), 0, 0.0
    rng, names = np.random.default_rng(0), ("history", "log", "stop_reason", "scores", "likelihood")
    for _ in range(count):
        flipped = bytearray(content)
        flipped[rng.integers(len(content))] ^= 1 << rng.integers(8)
        path.write_bytes(flipped)
        start = time.process_time()
        try:
            found = vaelite.load(path)
        except ModelFileError:
            refused += 1
            continue
        finally:
            slowest = max(slowest, time.process_time() - start)
        for name, array in expected.params.items():
            assert np.array_equal(found.params[name], array), name
        assert all(getattr(found, name) == getattr(expected, name) for name in names)
    assert slowest < 1
    return refused, slowest


def test_truncations_are_detected(tiny):
    size = tiny.stat().st_size
    refused_truncations(tiny, [*range(0, size - 99, 99), *range(size - 99, size, 5)])


def test_bit_flips_are_detected_or_harmless(tiny):
    assert refused_bit_flips(tiny, 200)[0] > 100


@pytest.mark.slow
def test_every_truncation_is_detected(tiny):
    count, slowest = refused_truncations(tiny, range(tiny.stat().st_size))
    print(f"{count} truncations, all refused; the slowest took {slowest * 1e3:.1f} ms")


@pytest.mark.slow
def test_two_thousand_bit_flips(tiny):
    tracemalloc.start()
    try:
        refused, slowest = refused_bit_flips(tiny, 2000)
        peak = tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()
    print(f"2000 bit flips tried: {refused} refused, the others the same model;", end=" ")
    print(f"the slowest took {slowest * 1e3:.1f} ms, the largest {peak:.1f} MB")
    assert peak < 20


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


def edit_settings(**entries):
    def change(members):
        manifest = json.loads(members["manifest.json"])
        manifest["settings"] |= entries
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
        edit_settings(encoder={"Dense": {"depth": 3}}),
        edit_settings(latent_dims=5),
        edit_settings(likelihood={"Poisson": {}}),
        edit_manifest(settings=3),
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


class Payload:
    """A pickle that would write a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def pickled(path):
    return npy(np.array([Payload(path)], object), allow_pickle=True)


def bomb(path, content):
    """A member that unpacks to 200 MB, in a file of 195 kB."""
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.npy", bytes(200_000_000))
    assert 190_000 < path.stat().st_size - len(content) < 200_000


def with_shape(shape):
    """An array that says it has another shape, also in the manifest."""

    def change(members):
        name, manifest = "encoder.mu.b", json.loads(members["manifest.json"])
        manifest["arrays"][name][1] = list(shape)
        member = npy(np.zeros(1))
        text = b"'shape': (1,), }"
        assert text in member
        members[f"{name}.npy"] = member.replace(
            text.ljust(48), f"{text[:9].decode()} {shape!r}, }}".ljust(48).encode()
        )
        assert members[f"{name}.npy"] != member
        members["manifest.json"] = json.dumps(manifest).encode()

    return change


HOSTILE = {
    "a pickle as an array": lambda path, trap: rewrite(
        path, replace_member("encoder.mu.b.npy", pickled(trap))
    ),
    "a pickle as a member": lambda path, trap: rewrite(
        path, replace_member("encoder.mu.b.npy", pickle.dumps(Payload(trap)))
    ),
    "a pickle as the manifest": lambda path, trap: rewrite(
        path, replace_member("manifest.json", pickle.dumps(Payload(trap)))
    ),
    "a pickle as the file": lambda path, trap: path.write_bytes(pickle.dumps(Payload(trap))),
    "a member that is no array": lambda path, trap: rewrite(
        path, replace_member("encoder.mu.b.npy", b"#!/bin/sh")
    ),
    "a member above the folder": lambda path, trap: rewrite(
        path, replace_member(f"../{trap.name}", b"x")
    ),
    "7 TiB": lambda path, trap: rewrite(path, with_shape((7 * 2**37,))),
    "7 TiB in rows": lambda path, trap: rewrite(path, with_shape((2**20, 7 * 2**17))),
    "more than an address": lambda path, trap: rewrite(path, with_shape((2**62, 2**62))),
    "a bomb": lambda path, trap: bomb(path, path.read_bytes()),
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow) if n == "a bomb" else n for n in HOSTILE],
)
def test_hostile_files_are_refused_before_anything_happens(name, tiny):
    trap = tiny.parent / "trap"
    HOSTILE[name](tiny, trap)
    assert peak_of_refusal(tiny, "cannot be loaded|is not a vaelite model") < 1
    assert sorted(tiny.parent.iterdir()) == [tiny]


def test_a_bomb_is_not_unpacked(tiny):
    with zipfile.ZipFile(tiny, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", b" " * 20_000_000)
    assert peak_of_refusal(tiny, "compressed") < 1


def test_a_repeated_member_is_refused(tiny):
    with zipfile.ZipFile(tiny, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("encoder.mu.b.npy", npy(np.ones(1)))
    with pytest.raises(ModelFileError):
        vaelite.load(tiny)


def peak_of_refusal(path, match):
    """The peak of memory, in MB, while a file is refused."""
    tracemalloc.start()
    try:
        with pytest.raises(ModelFileError, match=match) as raised:
            vaelite.load(path)
        assert "allow_pickle" not in str(raised.value)
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def test_a_large_manifest_is_not_parsed(tiny):
    """Lists need 20 times the memory of their text."""
    rewrite(tiny, replace_member("manifest.json", b"[" + b"[]," * 7_000_000 + b"1]"))
    assert peak_of_refusal(tiny, "its manifest has more than") < 1
    rewrite(tiny, replace_member("manifest.json", b"[" + b"[]," * 1_000_000 + b"1]"))
    assert peak_of_refusal(tiny, "at most .* lists") < 10


def test_a_large_compressed_size_is_not_read(tiny):
    """One bit of the archive's list of members: zipfile would allocate a gigabyte."""
    content = bytearray(tiny.read_bytes())
    entry = content.index(b"PK\1\2")
    content[entry + 23] ^= 1 << 6  # the highest byte of the compressed size
    tiny.write_bytes(content)
    assert peak_of_refusal(tiny, "compressed or larger than the file") < 1


def test_many_members_are_not_listed(tiny):
    with zipfile.ZipFile(tiny, "w") as archive:
        for i in range(9_000):
            archive.writestr(f"{i:0200d}", b"")
    assert peak_of_refusal(tiny, "far more parts than a model") < 1


def test_a_large_size_in_the_manifest_is_not_allocated(tiny):
    rewrite(tiny, edit_manifest(n_features=10**9))
    assert peak_of_refusal(tiny, "n_features is 1000000000, but it has") < 5
    rewrite(tiny, edit_manifest(n_features=3))
    rewrite(tiny, edit_settings(likelihood={"Categorical": {"levels": 10**9, "one_hot": True}}))
    assert peak_of_refusal(tiny, "outputs, more than it has weights") < 5


def test_a_long_header_brings_no_advice_to_trust_it(tiny):
    """NumPy's own message recommends allow_pickle=True."""
    array = np.zeros(1)
    header = repr({"descr": array.dtype.str, "fortran_order": False, "shape": (1,)}).encode()
    header = header.ljust(20_000 - 1) + b"\n"
    long = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + array.tobytes()
    rewrite(tiny, replace_member("encoder.mu.b.npy", long))
    with pytest.raises(ModelFileError) as raised:
        vaelite.load(tiny)
    assert "pickle" not in str(raised.value)


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null"])
def test_devices_are_not_read(path):
    with pytest.raises(ModelFileError, match="it is a device or a pipe"):
        vaelite.load(path)


def as_dtype(dtype):
    """Write all weights and the manifest in another dtype."""

    def change(members):
        manifest = json.loads(members["manifest.json"])
        for name, spec in manifest["arrays"].items():
            if not name.startswith(("history.", "log.")):
                array = np.load(io.BytesIO(members[f"{name}.npy"])).astype(dtype)
                members[f"{name}.npy"], spec[0] = npy(array), array.dtype.str
        members["manifest.json"] = json.dumps(manifest).encode()

    return change


@pytest.mark.parametrize("dtype", ["float16", "longdouble", "int64", "complex64", "bool"])
def test_weights_of_other_dtypes_are_refused(tiny, dtype):
    rewrite(tiny, as_dtype(dtype))
    with pytest.raises(ModelFileError, match="dtype|float32 or all float64"):
        vaelite.load(tiny)


def test_the_order_of_bytes_does_not_matter(tiny):
    expected = vaelite.load(tiny)
    rewrite(tiny, as_dtype(">f8"))
    found = vaelite.load(tiny)
    for name, array in expected.params.items():
        assert found.params[name].dtype == np.float64
        assert found.params[name].dtype.isnative
        assert np.array_equal(found.params[name], array)
    X = np.random.default_rng(0).random((5, 3))
    assert np.array_equal(found.score_samples(X), expected.score_samples(X))


WRONG = [None, True, False, -1, 0, 1.5, "x", "", [], {}, [None], ["x"], {"x": 1}, 10**12, 1e400]
WRONG += [[10**12], [[1]], [1, "a"], float("nan"), 10**30]


def places(tree, place=()):
    """The way to every part of nested dicts and lists."""
    yield place
    if isinstance(tree, dict | list):
        keys = tree if isinstance(tree, dict) else range(len(tree))
        for key in keys:
            yield from places(tree[key], (*place, key))


def replaced(tree, place, value):
    if not place:
        return value
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    copy[place[0]] = replaced(tree[place[0]], place[1:], value)
    return copy


def wrong_manifests(path, every=1):
    """Refuse a manifest with one part replaced, or load a model that works; the counts."""
    with zipfile.ZipFile(path) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    X, tried, refused = np.random.default_rng(0).random((5, 3)), 0, 0
    for place in places(manifest):
        for value in WRONG if place[:1] != ("provenance",) or len(place) < 2 else ():
            tried += 1
            if tried % every == 0:
                content = json.dumps(replaced(manifest, place, value)).encode()
                rewrite(path, replace_member("manifest.json", content))
                try:
                    model = vaelite.load(path)
                except ModelFileError:
                    refused += 1
                else:
                    with np.errstate(all="ignore"):  # sigma may be very large
                        assert model.score_samples(X).shape == (5,)
                        assert model.sample(2, rng=0).shape == (2, 3)
                    assert model.summary()
    return tried // every, refused


def test_manifests_with_entries_of_wrong_types_are_refused(tiny):
    tried, refused = wrong_manifests(tiny, every=41)
    assert refused > 0.5 * tried  # some settings may have several types


@pytest.mark.slow
def test_all_manifests_with_entries_of_wrong_types(tiny):
    tried, refused = wrong_manifests(tiny)
    print(f"{tried} manifests: {refused} refused, {tried - refused} models that work, 0 others")


def test_what_cannot_be_loaded_is_not_saved(tmp_path):
    def refuse(change, match):
        model = vaelite.VAE(1, 2).build(3)
        change(model)
        with pytest.raises(ValueError, match="this model cannot be saved: " + match):
            model.save(tmp_path / "model.npz")
        assert not list(tmp_path.iterdir())

    def nan(model):
        model.params["encoder.mu.b"][0] = np.nan

    def mixed(model):
        model.params["encoder.mu.b"] = np.zeros(1)

    def shape(model):
        model.params["encoder.mu.b"] = np.zeros(2, np.float32)

    refuse(nan, "array encoder.mu.b has numbers that are not finite")
    refuse(mixed, "its weights should all be float32 or all float64")
    refuse(shape, "the arrays encoder.mu.b do not fit the networks")
    refuse(lambda model: model.history.update(epoch=["one"]), "its history should have numbers")
    refuse(lambda model: model.log.update(a=[1], b=[]), "the columns of its log have different")
    refuse(lambda model: setattr(model.solution, "stop_reason", None), "its stop_reason should be")


def test_a_link_stays_a_link(vae, tmp_path):
    (tmp_path / "real").mkdir()
    link, real = tmp_path / "link.npz", tmp_path / "real" / "model.npz"
    link.symlink_to(real)
    for _ in range(2):  # where nothing is there, and over a file
        vae.save(link)
        assert link.is_symlink()
        assert np.array_equal(vaelite.load(real).params["encoder.mu.W"], vae.params["encoder.mu.W"])
    assert [path.name for path in (tmp_path / "real").iterdir()] == ["model.npz"]


def test_permissions_are_those_of_the_old_file_or_of_the_umask(vae, tmp_path):
    path, before = tmp_path / "model.npz", os.umask(0o027)
    try:
        vae.save(path)
        assert path.stat().st_mode & 0o777 == 0o640
        os.umask(0o022)
        path.chmod(0o600)
        vae.save(path)
        assert path.stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)


def test_a_device_or_a_pipe_is_not_replaced(vae, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in tmp_path / "pipe", "/dev/null":
        with pytest.raises(OSError, match="a device or a pipe, not a file"):
            vae.save(path)
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]
    assert not os.path.isfile("/dev/null")
    with pytest.raises(ModelFileError, match="device or a pipe"):  # and does not wait for a writer
        vaelite.load(tmp_path / "pipe")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into every file")
def test_a_read_only_file_is_not_replaced(vae, saved):
    saved.chmod(0o400)
    with pytest.raises(PermissionError, match="read-only"):
        vae.save(saved)


def test_the_longest_names_can_be_saved(vae, tmp_path):
    path = tmp_path / ("m" * 251 + ".npz")
    vae.save(path)
    assert vaelite.load(path).n_epochs == vae.n_epochs


@pytest.mark.parametrize(
    "tree",
    [
        {"a": [1, 2], "b": [1.5, float("inf")], "c": {"d": None, "e": "x", "f": True}, "g": []},
        [np.arange(6).reshape(2, 3), {"x": np.float32(2)}, [[1, 2.5], "y"], -0.0, 2**70],
        {"tuples": ((1, 2), (0.5,), (), ("a", [None])), "long": [1, 2**70]},
        {"empty": {}, "scalar": np.float64("nan"), "flag": np.array([True, False])},
    ],
)
def test_trees_come_back(tree, tmp_path):
    plain, arrays = storage.pack(tree, "tree")
    storage.save(tmp_path / "x.npz", {"tree": plain}, arrays)
    manifest, arrays = storage.load(tmp_path / "x.npz")
    found = storage.unpack(manifest["tree"], arrays)
    assert repr(found) == repr(tree)


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (0, 2, 1)])
def test_arrays_in_trees_keep_the_order_of_their_axes_in_memory(axes, tmp_path):
    array = np.arange(24.0).reshape(2, 3, 4).transpose(axes)
    plain, arrays = storage.pack([array], "x")
    storage.save(tmp_path / "x.npz", {"tree": plain}, arrays)
    manifest, arrays = storage.load(tmp_path / "x.npz")
    (found,) = storage.unpack(manifest["tree"], arrays)
    assert np.array_equal(found, array)
    assert found.strides == array.strides == array.copy("K").strides


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({1: 2.0}, "x has the key 1; a file holds texts as keys only"),
        ({"a": {(0, 1): 2.0}}, r"x\.a has the key \(0, 1\)"),
        ([collections.OrderedDict()], r"x\.0 is a OrderedDict"),
        ({"a": collections.defaultdict(float)}, r"x\.a is a defaultdict, which a file cannot"),
        ({"a": np.ma.masked_array([1.0], [True])}, r"x\.a is a MaskedArray"),
        ({"a": np.random.default_rng(0)}, r"x\.a is a Generator"),
        ({"a": {1, 2}}, r"x\.a is a set"),
    ],
)
def test_trees_that_would_come_back_as_others_are_refused(tree, message):
    with pytest.raises(TypeError, match=message):
        storage.pack(tree, "x")


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
    resource = pytest.importorskip("resource", reason="the system has no limits for processes")
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
