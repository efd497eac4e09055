"""Batches of a scene, traced back to their pixels.

Independent references:
- a scene whose two components are row + 1 and column + 1, so that any value of a batch says from
  which pixel it came, and 0 says padding;
- numpy's `rot90` and `fliplr` for the eight orientations.
"""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from spectrolite.data.scene import Window, windows
from spectrolite.samples import scene_batches
from spectrolite.samples.scene_batches import Batch, TrainingScene, dense_epoch, orient, patch_epoch

Pixel = tuple[int, int]


def _coordinates(rows: int, cols: int) -> Tensor:
    """`(2, rows, cols)`: row + 1 and column + 1."""
    row, col = torch.meshgrid(torch.arange(rows), torch.arange(cols), indexing="ij")
    return torch.stack([row, col]).float() + 1


def _scene(rows: int, cols: int, halo: int, seed: int, share: float = 0.5) -> TrainingScene:
    """Random targets of five classes at about `share` of the pixels, at least at one."""
    generator = torch.Generator().manual_seed(seed)
    targets = torch.randint(5, (rows, cols), generator=generator)
    targets[torch.rand(rows, cols, generator=generator) > share] = -1
    targets[rows // 2, cols // 3] = 4
    return TrainingScene(_coordinates(rows, cols), targets, halo, max(rows, cols))


def _all(scene: TrainingScene, side: int) -> list[tuple[int, Window]]:
    """Its windows, as the only scene's."""
    return [(0, window) for window in scene.windows(side)]


def _expected(scene: TrainingScene) -> Counter[tuple[Pixel, int]]:
    """Each training pixel with its class, once."""
    return Counter(
        ((row, col), target)
        for row, line in enumerate(scene.targets.tolist())
        for col, target in enumerate(line)
        if target >= 0
    )


def _found(batch: Batch, halo: int) -> list[tuple[Pixel, int]]:
    """The pixel in the middle of each target's receptive field, and the target."""
    there = batch.inputs[batch.n, :, batch.rows + halo, batch.cols + halo].long() - 1
    return [((r, c), t) for (r, c), t in zip(there.tolist(), batch.targets.tolist(), strict=True)]


def _group(image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """The eight orientations of the last two axes, by numpy: four turns, each also mirrored."""
    turned = [np.rot90(image, k, axes=(-2, -1)) for k in range(4)]
    return [*turned, *(t[..., ::-1] for t in turned)]


def _is_one_of(image: Tensor, choices: list[NDArray[np.float32]]) -> bool:
    return any(np.array_equal(image.numpy(), choice) for choice in choices)


# Orientations


@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (2, 3, 5), (1, 2, 4, 4)])
def test_the_eight_orientations_are_numpy_s(shape: tuple[int, ...]) -> None:
    image = torch.arange(math.prod(shape)).float().view(shape)
    got = [orient(image, k) for k in range(8)]
    expected = _group(image.numpy())
    assert len({(tuple(g.shape), g.numpy().tobytes()) for g in got}) == 8
    assert all(_is_one_of(g, expected) for g in got)


def test_orientation_0_changes_nothing_and_the_first_bits_flip() -> None:
    image = torch.tensor([[1, 2, 3], [4, 5, 6]])
    assert orient(image, 0).tolist() == [[1, 2, 3], [4, 5, 6]]
    assert orient(image, 1).tolist() == [[4, 5, 6], [1, 2, 3]]
    assert orient(image, 2).tolist() == [[3, 2, 1], [6, 5, 4]]
    assert orient(image, 4).tolist() == [[1, 4], [2, 5], [3, 6]]


def test_an_orientation_leaves_other_axes_alone() -> None:
    image = torch.arange(24.0).view(2, 3, 4)
    for k in range(8):
        for component in range(2):
            assert torch.equal(orient(image, k)[component], orient(image[component], k))


# Dense epochs


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 9),
    cols=st.integers(1, 9),
    halo=st.integers(0, 3),
    side=st.integers(1, 10),
    flips=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_a_dense_epoch_covers_each_training_pixel_once(
    rows: int, cols: int, halo: int, side: int, flips: bool, seed: int
) -> None:
    scene = _scene(rows, cols, halo, seed)
    generator = torch.Generator().manual_seed(seed)
    found: Counter[tuple[Pixel, int]] = Counter()
    for batch in dense_epoch([scene], _all(scene, side), flips, generator):
        assert batch.inputs.shape[:2] == (1, 2)
        assert max(batch.inputs.shape[2:]) <= side + 2 * halo
        assert not batch.n.any()
        assert len(batch.targets) > 0
        found.update(_found(batch, halo))
    assert found == _expected(scene)


def test_every_orientation_keeps_inputs_and_targets_together() -> None:
    """One window that is not square, many epochs: all eight orientations come, and all fit."""
    scene = _scene(4, 6, halo=2, seed=3)
    choices = _group(scene.blocks[0][1].numpy())
    generator = torch.Generator().manual_seed(0)
    seen: Counter[int] = Counter()
    for _ in range(400):
        (batch,) = dense_epoch([scene], _all(scene, 6), True, generator)
        assert Counter(_found(batch, 2)) == _expected(scene)
        seen[next(i for i, c in enumerate(choices) if _is_one_of(batch.inputs[0], [c]))] += 1
    assert len(seen) == 8
    assert min(seen.values()) > 25  # 50 expected


def test_a_window_s_surroundings_are_the_scene_s_and_zeros_beyond_it() -> None:
    scene = _scene(5, 7, halo=2, seed=1, share=1)
    four = scene.windows(4)
    padded = np.pad(_coordinates(5, 7).numpy(), ((0, 0), (2, 2), (2, 2)))
    crops = [padded[:, w.row_start : w.row_stop + 4, w.col_start : w.col_stop + 4] for w in four]
    assert [w.shape for w in four] == [(2, 3), (2, 4), (3, 3), (3, 4)]
    plain = list(
        dense_epoch([scene], [(0, w) for w in four], False, torch.Generator().manual_seed(0))
    )
    assert all(_is_one_of(batch.inputs[0], crops) for batch in plain)
    turned = [t for crop in crops for t in _group(crop)]
    for batch in dense_epoch(
        [scene], [(0, w) for w in four], True, torch.Generator().manual_seed(0)
    ):
        assert _is_one_of(batch.inputs[0], turned)


def test_windows_without_a_training_pixel_are_left_out() -> None:
    targets = torch.full((6, 6), -1)
    targets[1, 5] = targets[5, 1] = 0
    scene = TrainingScene(_coordinates(6, 6), targets, halo=1, side=6)
    assert scene.windows(3) == [Window(0, 3, 3, 6), Window(3, 6, 0, 3)]
    assert scene.windows(256) == [Window(0, 6, 0, 6)]


def test_windows_are_halved_until_a_step_fits_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene_batches, "MOST_PIXELS", 20)
    scene = TrainingScene(
        _coordinates(9, 12), torch.zeros(9, 12, dtype=torch.int64), halo=1, side=12
    )
    halved = scene.windows(16)
    assert halved == list(windows(9, 12, 4))
    epoch = dense_epoch([scene], [(0, w) for w in halved], True, torch.Generator().manual_seed(0))
    sizes = Counter(len(batch.targets) for batch in epoch)
    assert sizes == {12: 9}
    sparse = _scene(9, 12, halo=1, seed=0, share=0.05)
    assert sparse.windows(16) == [Window(0, 9, 0, 12)]


def test_a_step_holds_as_many_pixels_as_fit_by_default() -> None:
    scene = TrainingScene(
        torch.zeros(1, 100, 100), torch.zeros(100, 100, dtype=torch.int64), 0, 100
    )
    found = scene.windows(256)
    assert [w.shape for w in found] == [(50, 50)] * 4
    wider = TrainingScene(torch.zeros(1, 90, 91), torch.zeros(90, 91, dtype=torch.int64), 0, 91)
    assert [w.shape for w in wider.windows(256)] == [(90, 91)]  # 8,190 pixels


# Patch epochs


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 8),
    cols=st.integers(1, 8),
    halo=st.integers(0, 3),
    size=st.integers(1, 70),
    flips=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_a_patch_epoch_covers_each_training_pixel_once(
    rows: int, cols: int, halo: int, size: int, flips: bool, seed: int
) -> None:
    scene = _scene(rows, cols, halo, seed)
    batches = list(patch_epoch([scene], size, flips, torch.Generator().manual_seed(seed)))
    side = 2 * halo + 1
    for batch in batches:
        assert batch.inputs.shape == (len(batch.targets), 2, side, side)
        assert batch.n.tolist() == list(range(len(batch.targets)))
        assert not batch.rows.any()
        assert not batch.cols.any()
    assert Counter(f for b in batches for f in _found(b, halo)) == _expected(scene)
    pixels = sum(_expected(scene).values())
    full, rest = divmod(pixels, size)
    assert [len(b.targets) for b in batches] == [size] * full + [rest] * (rest > 0)


@pytest.mark.parametrize("flips", [True, False])
def test_a_patch_is_cut_around_its_pixel(flips: bool) -> None:
    scene = _scene(5, 6, halo=2, seed=4)
    padded = np.pad(_coordinates(5, 6).numpy(), ((0, 0), (2, 2), (2, 2)))
    seen: Counter[int] = Counter()
    for seed in range(20):
        for batch in patch_epoch([scene], 4, flips, torch.Generator().manual_seed(seed)):
            for patch, ((row, col), _) in zip(batch.inputs, _found(batch, 2), strict=True):
                choices = _group(padded[:, row : row + 5, col : col + 5])
                seen[next(i for i, c in enumerate(choices) if _is_one_of(patch, [c]))] += 1
    assert set(seen) == (set(range(8)) if flips else {0})


# Randomness


def _sequence(scene: TrainingScene, mode: str, seed: int) -> list[bytes]:
    generator = torch.Generator().manual_seed(seed)
    epochs = (
        dense_epoch([scene], _all(scene, 2), True, generator)
        if mode == "dense"
        else patch_epoch([scene], 3, True, generator)
        for _ in range(2)
    )
    return [b.inputs.numpy().tobytes() + b.targets.numpy().tobytes() for e in epochs for b in e]


@pytest.mark.parametrize("mode", ["dense", "patches"])
def test_the_generator_alone_gives_order_and_orientations(mode: str) -> None:
    scene = _scene(6, 6, halo=1, seed=0)
    state = torch.random.get_rng_state()
    one, same, other = (_sequence(scene, mode, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert one == same
    assert one != other
    first, second = one[: len(one) // 2], one[len(one) // 2 :]
    assert first != second  # epochs of one training differ


@pytest.mark.parametrize("mode", ["dense", "patches"])
def test_an_epoch_changes_neither_scene_nor_targets(mode: str) -> None:
    scene = _scene(5, 4, halo=1, seed=2)
    taught, targets = scene.blocks[0][1].clone(), scene.targets.clone()
    generator = torch.Generator().manual_seed(0)
    epoch = (
        dense_epoch([scene], _all(scene, 3), True, generator)
        if mode == "dense"
        else patch_epoch([scene], 3, True, generator)
    )
    for batch in epoch:
        if mode == "patches":
            batch.inputs.zero_()  # a patch is a copy
    assert torch.equal(scene.blocks[0][1], taught)
    assert torch.equal(scene.targets, targets)
