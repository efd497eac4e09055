"""Augmentation and scaling of batches.

References: the same change made image by image, pixel by pixel, from the same draws; NumPy's `pad`,
`mean` and `std`; SciPy's Beta distribution.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Generator, Tensor

from spectrolite.errors import ImagesError, SettingsError
from spectrolite.samples.augmentation import (
    alternating_flip,
    channel_statistics,
    cutout,
    mixup,
    pad_crop,
    random_flip,
    standardise,
)

SMALL = settings(deadline=None, max_examples=40, derandomize=True)
SEEDS = st.integers(0, 2**31)
SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(5, 9), st.integers(5, 9))
DTYPES = st.sampled_from([torch.uint8, torch.float32])


def drawn(seed: int) -> Generator:
    return Generator().manual_seed(seed)


def batch_of(shape: tuple[int, ...], dtype: torch.dtype = torch.uint8, seed: int = 0) -> Tensor:
    values = torch.randint(0, 256, shape, generator=drawn(seed), dtype=torch.uint8)
    return values if dtype == torch.uint8 else (values.float() - 128) / 64


@SMALL
@given(SEEDS, SHAPES, DTYPES, st.integers(0, 4), st.sampled_from(["reflect", "zero"]))
def test_pad_crop_is_padding_and_cutting_image_by_image(
    seed: int, shape: tuple[int, ...], dtype: torch.dtype, pad: int, fill: Any
) -> None:
    batch = batch_of(shape, dtype)
    got = pad_crop(batch, drawn(seed), pad, fill)
    places = torch.randint(2 * pad + 1, (shape[0], 2), generator=drawn(seed)).tolist()
    mode: Any = {"reflect": "reflect", "zero": "constant"}[fill]
    for image, cut, (row, col) in zip(batch, got, places, strict=True):
        padded = np.pad(image.numpy(), [(0, 0), (pad, pad), (pad, pad)], mode=mode)
        wanted = padded[:, row : row + shape[2], col : col + shape[3]]
        np.testing.assert_array_equal(cut.numpy(), wanted)
    assert got.dtype == dtype


def test_every_place_is_cut_out_about_as_often() -> None:
    places = torch.arange(81).reshape(1, 1, 9, 9).float()
    got = pad_crop(places.expand(8100, 1, 9, 9), drawn(0), 4)[:, 0, 4, 4]
    counts = torch.bincount(got.long(), minlength=81)
    assert stats.chisquare(counts.numpy()).pvalue > 0.01


@SMALL
@given(SEEDS, SHAPES, DTYPES)
def test_a_random_flip_mirrors_the_images_that_were_drawn(
    seed: int, shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    batch = batch_of(shape, dtype)
    got = random_flip(batch, drawn(seed))
    draws = torch.rand(shape[0], generator=drawn(seed)).tolist()
    for image, flipped, draw in zip(batch.numpy(), got.numpy(), draws, strict=True):
        np.testing.assert_array_equal(flipped, image[:, :, ::-1] if draw < 0.5 else image)
    assert got.dtype == dtype


def test_half_of_the_images_are_flipped() -> None:
    batch = torch.tensor([0.0, 1.0]).expand(10_000, 1, 1, 2)
    assert abs(float(random_flip(batch, drawn(0))[:, 0, 0, 0].mean()) - 0.5) < 0.02


@SMALL
@given(SEEDS, SHAPES, st.integers(0, 9))
def test_two_epochs_of_alternating_flips_show_both_sides(
    seed: int, shape: tuple[int, ...], epoch: int
) -> None:
    batch = batch_of(shape)
    first = torch.rand(shape[0], generator=drawn(seed)) < 0.5
    one, other = (alternating_flip(batch, first, e).numpy() for e in (epoch, epoch + 1))
    for n, image in enumerate(batch.numpy()):
        sides = [image, image[:, :, ::-1]]
        turned = bool(first[n]) != (epoch % 2 == 1)
        np.testing.assert_array_equal(one[n], sides[turned])
        np.testing.assert_array_equal(other[n], sides[not turned])


@SMALL
@given(SEEDS, SHAPES, DTYPES, st.integers(1, 12))
def test_cutout_blanks_one_square_an_image(
    seed: int, shape: tuple[int, ...], dtype: torch.dtype, side: int
) -> None:
    batch = batch_of(shape, dtype)
    got = cutout(batch, drawn(seed), side)
    generator = drawn(seed)
    centres = [torch.randint(s, (shape[0], 1), generator=generator) for s in shape[2:]]
    wanted = batch.clone()
    for n in range(shape[0]):
        top, left = (int(c[n]) - side // 2 for c in centres)
        for row in range(max(top, 0), min(top + side, shape[2])):
            for col in range(max(left, 0), min(left + side, shape[3])):
                wanted[n, :, row, col] = 0
    assert torch.equal(got, wanted)
    assert got.dtype == dtype


@SMALL
@given(SEEDS, SHAPES, st.floats(0.05, 4))
def test_mixup_blends_images_and_classes_in_one_share(
    seed: int, shape: tuple[int, ...], alpha: float
) -> None:
    batch = batch_of(shape, torch.float32)
    targets = torch.arange(shape[0]) % 3
    mixed, soft = mixup(batch, targets, 3, drawn(seed), alpha)
    generator = drawn(seed)
    uniform = float(torch.rand((), generator=generator, dtype=torch.float64))
    share = stats.beta(alpha, alpha).ppf(uniform)
    partners = torch.randperm(shape[0], generator=generator).tolist()
    for n, partner in enumerate(partners):
        wanted = share * batch[n].double() + (1 - share) * batch[partner].double()
        np.testing.assert_allclose(mixed[n].numpy(), wanted.numpy(), atol=1e-6)
        row = np.zeros(3)
        row[int(targets[n])] += share
        row[int(targets[partner])] += 1 - share
        np.testing.assert_allclose(soft[n].numpy(), row, atol=1e-6)
    assert torch.nn.functional.cross_entropy(torch.zeros(shape[0], 3), soft).item() == (
        pytest.approx(np.log(3), abs=1e-5)
    )


def test_the_shares_of_mixup_are_beta_distributed() -> None:
    generator = drawn(0)
    batch, targets = torch.zeros(2, 1, 1, 1), torch.tensor([0, 1])
    shares = [float(mixup(batch, targets, 2, generator, 0.4)[1].max()) for _ in range(800)]
    # The larger of share and 1 - share, or 1 where an image met itself.
    met = [s for s in shares if s < 1]
    assert 300 < len(met) < 500
    folded = stats.beta(0.4, 0.4)
    assert stats.kstest(met, lambda x: 2 * (folded.cdf(x) - 0.5)).pvalue > 0.01


# Scaling


@SMALL
@given(SEEDS, SHAPES)
def test_statistics_are_those_of_the_pixels(seed: int, shape: tuple[int, ...]) -> None:
    pixels = batch_of(shape, seed=seed)
    mean, std = channel_statistics(pixels)
    shares = pixels.numpy().astype(np.float64) / 255
    np.testing.assert_allclose(mean.numpy(), shares.mean((0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(std.numpy(), shares.std((0, 2, 3)), rtol=1e-6)
    assert (mean.dtype, std.dtype) == (torch.float32, torch.float32)
    scaled = standardise(pixels, mean, std)
    assert (scaled.dtype, scaled.shape) == (torch.float32, pixels.shape)
    wanted = (shares - shares.mean((0, 2, 3), keepdims=True)) / shares.std((0, 2, 3), keepdims=True)
    np.testing.assert_allclose(scaled.numpy(), wanted, atol=2e-5)


def test_many_bright_pixels_keep_their_mean_exactly() -> None:
    pixels = torch.full((400, 1, 256, 256), 254, dtype=torch.uint8)
    pixels[0, 0, 0, 0] = 255
    mean, _ = channel_statistics(pixels)
    assert mean.item() == np.float32((254 + 1 / pixels.numel()) / 255)


# The same bits, and what is refused

CHANGES: dict[str, Callable[[Tensor, Generator], Any]] = {
    "pad_crop": pad_crop,
    "random_flip": random_flip,
    "cutout": cutout,
    "mixup": lambda batch, generator: mixup(batch, torch.arange(64) % 4, 4, generator)[0],
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_same_seed_gives_the_same_bits(name: str) -> None:
    batch = batch_of((64, 3, 32, 32), torch.float32)
    kept = batch.clone()
    one, again, other = (CHANGES[name](batch, drawn(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.equal(batch, kept)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda b, g: pad_crop(b, g, 5),
            "pad: wanted 0 to 4 pixels for images of 5 x 7, got 5",
        ),
        (
            lambda b, g: pad_crop(b, g, -1),
            "pad: wanted 0 to 4 pixels for images of 5 x 7, got -1",
        ),
        (
            lambda b, g: pad_crop(b, g, 2, "wrap"),  # type: ignore[arg-type]
            "fill: wanted reflect or zero, got 'wrap'",
        ),
        (
            lambda b, g: cutout(b, g, 0),
            "cutout: wanted a side of 1 pixel or more, got 0",
        ),
        (
            lambda b, g: mixup(b.float(), torch.zeros(2).long(), 2, g, 0.0),
            "mixup: wanted an alpha above 0, got 0.0",
        ),
        (
            lambda b, g: mixup(b, torch.zeros(2).long(), 2, g),
            "mixup: wanted standardised images, got torch.uint8",
        ),
    ],
)
def test_settings_out_of_range(change: Callable[[Tensor, Generator], Any], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        change(batch_of((2, 3, 5, 7)), drawn(0))
    assert str(caught.value) == message


def test_a_channel_of_one_value_cannot_be_scaled() -> None:
    pixels = batch_of((4, 3, 5, 5))
    pixels[:, 1] = 7
    with pytest.raises(ImagesError) as caught:
        channel_statistics(pixels)
    assert str(caught.value) == (
        "channel 1, from 0, has one value in all 4 training images; leave the channel out"
    )


def test_images_with_another_number_of_channels() -> None:
    mean, std = channel_statistics(batch_of((4, 3, 5, 5)))
    with pytest.raises(ImagesError) as caught:
        standardise(batch_of((4, 1, 5, 5)), mean, std)
    assert str(caught.value) == ("the model was fitted on images of 3 channels, these have 1")
