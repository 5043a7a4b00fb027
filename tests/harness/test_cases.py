"""Batches: drawn once from a seed, hashed, written bit for bit, and computed exactly for every library at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from lossbench.harness.cases import BatchKey, compute_exact, draw_batch, save_batch
from lossbench.reference import FORMS, evaluate, form_of
from lossbench.reference.formats import FORMATS, MEASURED, decode
from lossbench.suites import SUITES

BINARY = BatchKey("sigmoid_bce", "binary", "float32", 1)
INDEX = BatchKey("softmax_xent", "index", "float16", 4)
BLOCK = BatchKey("softmax", "-", "bfloat16", 4)
SUITES_OF = {
    BINARY: ["landmarks", "extreme_logits", "non_finite"],
    INDEX: ["landmarks", "confident", "shifted"],
    BLOCK: ["landmarks", "extreme_logits", "shifted"],
}
KEYS = [pytest.param(key, id=key.name) for key in SUITES_OF]


def draw(key, suites=None, tier="quick", seed=0):
    return draw_batch(key, suites or SUITES_OF[key], tier, seed)


@pytest.mark.parametrize("key", KEYS)
def test_same_seed_same_bits(key):
    first, again = draw(key), draw(key)
    assert first.x.tobytes() == again.x.tobytes()
    assert (first.y is None) == (again.y is None)
    assert first.y is None or first.y.tobytes() == again.y.tobytes()
    assert first.hashes == again.hashes
    assert first.region.tolist() == again.region.tolist()


@pytest.mark.parametrize("key", KEYS)
def test_cases_of_a_suite_do_not_depend_on_the_other_suites(key):
    whole = draw(key)
    for suite in SUITES_OF[key]:
        alone = draw(key, [suite])
        start, stop = whole.slices[suite]
        assert whole.x[start:stop].tobytes() == alone.x.tobytes()
        assert whole.hashes[suite] == alone.hashes[suite]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("change", [{"seed": 1}, {"tier": "default"}], ids=["seed", "tier"])
def test_hashes_tell_seeds_and_tiers_apart(key, change):
    here, there = draw(key), draw(key, **change)
    for suite in SUITES_OF[key]:  # landmarks too, though its bits are always the same
        assert here.hashes[suite] != there.hashes[suite]


@pytest.mark.parametrize(
    "other",
    [
        BatchKey("sigmoid_bce", "soft", "float32", 1),
        BatchKey("sigmoid_bce", "binary", "float16", 1),
        BatchKey("sigmoid_mse", "binary", "float32", 1),
    ],
    ids=lambda key: key.name,
)
def test_hashes_tell_batches_apart(other):
    """Forms that are equal on paper get the same inputs, and yet hashes of their own."""
    assert draw(BINARY, ["landmarks"]).hashes != draw(other, ["landmarks"]).hashes


def test_hashes_of_suites_differ_and_are_short_hex():
    hashes = draw(BINARY).hashes
    assert len(set(hashes.values())) == len(hashes) == 3
    assert all(len(h) == 12 and int(h, 16) >= 0 for h in hashes.values())


def test_labels_belong_to_the_hash(monkeypatch):
    from lossbench.harness import cases

    before = draw(BINARY, ["landmarks"]).hashes
    plain = cases.suite_of

    class Mirrored:
        def __init__(self, name):
            self.suite = plain(name)

        def draw(self, *arguments):
            drawn = self.suite.draw(*arguments)
            drawn.y = 1 - drawn.y
            return drawn

    monkeypatch.setattr(cases, "suite_of", Mirrored)
    assert draw(BINARY, ["landmarks"]).hashes != before


@pytest.mark.parametrize("key", KEYS)
def test_slices_cover_the_batch_suite_by_suite(key):
    batch = draw(key)
    assert list(batch.slices) == SUITES_OF[key]
    end = 0
    for suite, (start, stop) in batch.slices.items():
        assert start == end < stop
        assert set(batch.suite[start:stop]) == {suite}
        end = stop
    assert end == len(batch.x) == len(batch.suite) == len(batch.region)


@pytest.mark.parametrize("key", KEYS)
def test_numbers_and_bits_agree(key):
    batch = draw(key)
    assert batch.x.dtype == FORMATS[key.dtype].storage
    np.testing.assert_array_equal(batch.wide, decode(batch.x, key.dtype))
    if key.encoding == "-":
        assert batch.y is None and batch.labels is None
    elif key.encoding == "index":
        assert batch.y.dtype == np.int64 and batch.labels is batch.y
    else:
        assert batch.y.dtype == batch.x.dtype
        np.testing.assert_array_equal(batch.labels, decode(batch.y, key.dtype))


@pytest.mark.parametrize("key", KEYS)
def test_files_hold_the_bits(key, tmp_path):
    batch = draw(key)
    path = save_batch(batch, tmp_path / "new" / "folder")
    assert path.name == f"{key.name}.npz"
    with np.load(path) as file:
        assert set(file.files) == ({"x"} if batch.y is None else {"x", "y"})
        assert file["x"].tobytes() == batch.x.tobytes() and file["x"].dtype == batch.x.dtype
        if batch.y is not None:
            assert file["y"].tobytes() == batch.y.tobytes() and file["y"].dtype == batch.y.dtype


def test_names_of_batches_are_file_names_and_unique():
    keys = {
        BatchKey(form.name, encoding, dtype, classes)
        for form in FORMS
        for encoding in form.encodings
        for dtype in MEASURED
        for classes in (1, 4)
    }
    names = {key.name for key in keys}
    assert len(names) == len(keys)
    assert all(name.replace("-", "").replace("_", "").isalnum() for name in names)


def test_every_suite_can_be_drawn_into_one_batch():
    form = form_of("softmax_xent")
    names = [s.name for s in SUITES if s.fits(form, "index")]
    batch = draw_batch(BatchKey(form.name, "index", "float32", 4), names, "quick", 0)
    assert list(batch.slices) == names


def test_exact_results_are_those_of_the_oracle():
    batches = {key: draw(key, ["landmarks"]) for key in (BINARY, INDEX, BLOCK)}
    steps = []
    with ThreadPoolExecutor(1) as executor:
        exact, provenance = compute_exact(batches, {(key, "") for key in batches}, executor, steps.append)
    wanted = {(key, "", q) for key in batches for q in form_of(key.form).quantities[:2]}
    assert set(exact) == wanted
    assert steps == [1] * len(wanted)
    assert sum(provenance["cache"].values()) == len(wanted)
    assert sum(provenance["kind"].values()) == sum(result.value.size for result in exact.values())
    for (key, options, quantity), result in exact.items():
        batch = batches[key]
        want = evaluate(form_of(key.form), batch.wide, batch.labels, key.dtype, quantity, options)
        np.testing.assert_array_equal(result.value, want.value)
        np.testing.assert_array_equal(result.tail, want.tail)
        np.testing.assert_array_equal(result.ulp_exponent, want.ulp_exponent)


def test_options_are_computed_apart():
    key = BatchKey("multilabel_bce", "binary", "float32", 4)
    batches = {key: draw_batch(key, ["landmarks"], "quick", 0)}
    with ThreadPoolExecutor(1) as executor:
        exact, _ = compute_exact(batches, {(key, ""), (key, "over=mean")}, executor, lambda steps: None)
    total, mean = exact[key, "", "value"], exact[key, "over=mean", "value"]
    finite = np.isfinite(total.value) & (mean.value > 2.0**-120)  # four classes: a mean is the sum, two binades down
    np.testing.assert_array_equal(total.value[finite], 4 * mean.value[finite])
