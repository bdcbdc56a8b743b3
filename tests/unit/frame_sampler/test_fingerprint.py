"""The perceptual hash agrees with its published vector and with the package it comes from."""

from pathlib import Path

import imagehash
import numpy as np
import pytest
from PIL import Image

from evidence.errors import Malformed
from frame_sampler.fingerprint import distance, phash


def test_the_published_picture_has_its_published_hash(vectors: Path) -> None:
    with Image.open(vectors / "imagehash" / "imagehash.png") as picture:
        luma = np.asarray(picture.convert("L"))
    assert phash(luma).hex() == "ba8c84536bd3c366"


def test_any_picture_has_the_hash_that_the_package_prints(vectors: Path) -> None:
    with Image.open(vectors / "imagehash" / "peppers.png") as picture:
        grey = picture.convert("L")
    assert phash(np.asarray(grey)).hex() == str(imagehash.phash(grey))


def test_a_cropped_view_of_a_larger_plane_needs_no_copy() -> None:
    plane = np.random.default_rng(5).integers(0, 256, (90, 200)).astype(np.uint8)
    assert phash(plane[:72, :128]) == phash(plane[:72, :128].copy())


def test_a_slightly_brighter_picture_is_near_and_another_picture_is_far() -> None:
    random = np.random.default_rng(3)
    one = np.kron(random.integers(40, 200, (9, 16)), np.ones((20, 20))).astype(np.uint8)
    other = np.kron(random.integers(40, 200, (9, 16)), np.ones((20, 20))).astype(np.uint8)
    assert distance(phash(one), phash(one + 10)) <= 6
    assert distance(phash(one), phash(other)) >= 16


@pytest.mark.parametrize("plane", [np.zeros((0, 4), np.uint8), np.zeros((4, 4), np.uint16), np.zeros(16, np.uint8)])
def test_what_is_no_plane_of_eight_bits_is_refused(plane: np.ndarray) -> None:
    with pytest.raises(Malformed):
        phash(plane)
