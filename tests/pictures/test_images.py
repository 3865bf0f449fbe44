"""What render() gives is shown where it is a picture, and named where it is none."""

import io

import numpy as np
import pytest
from PIL import Image

from ppo_scope.pictures.images import LARGEST_SIDE, CannotRender, encode, pixels_of

RED = np.zeros((4, 6, 3), np.uint8)
RED[..., 0] = 255


@pytest.mark.parametrize(
    ("rendered", "pixel"),
    [
        (RED, (255, 0, 0)),
        (RED.tolist(), (255, 0, 0)),
        (np.dstack([RED, np.full((4, 6), 255, np.uint8)]), (255, 0, 0)),
        (np.dstack([RED, np.zeros((4, 6), np.uint8)]), (255, 255, 255)),
        (RED / 255, (255, 0, 0)),
        (np.full((4, 6, 3), 0.5), (128, 128, 128)),
        (np.full((4, 6, 3), 120.0), (120, 120, 120)),
        (np.full((4, 6, 3), 7, np.int64), (7, 7, 7)),
        (np.full((4, 6), 9, np.uint8), (9, 9, 9)),
        (np.full((4, 6, 1), 9, np.uint8), (9, 9, 9)),
        (np.ones((4, 6), bool), (255, 255, 255)),
        ([RED * 0, RED], (255, 0, 0)),
        ((RED * 0, RED), (255, 0, 0)),
        (np.stack([RED * 0, RED]), (255, 0, 0)),
        (Image.fromarray(RED), (255, 0, 0)),
    ],
)
def test_pictures_of_all_kinds_are_shown(rendered, pixel):
    pixels = pixels_of(rendered)
    assert (pixels.dtype, pixels.shape) == (np.uint8, (4, 6, 3))
    assert tuple(pixels[2, 3]) == pixel


@pytest.mark.parametrize(
    ("rendered", "words"),
    [
        (None, r"render\(\) gave nothing in the mode rgb_array"),
        ([], "an empty list"),
        ("a map", "gave a str; expected an array of H × W × 3 bytes"),
        (np.zeros((3, 4, 6), np.uint8), r"shape \(3, 4, 6\) of uint8; expected"),
        (np.zeros((4, 6, 2), np.uint8), r"shape \(4, 6, 2\) of uint8"),
        (np.zeros((0, 6, 3), np.uint8), r"shape \(0, 6, 3\)"),
        (np.zeros(5), r"shape \(5,\) of float64"),
        (np.full((4, 6, 3), -1.0), "float64 from -1 to -1; expected"),
        (np.full((4, 6, 3), 300), "int64 from 300 to 300"),
        (np.full((4, 6, 3), np.nan), "from nan to nan"),
        (7, r"shape \(\) of int64"),
    ],
)
def test_what_is_no_picture_is_named(rendered, words):
    with pytest.raises(CannotRender, match=words):
        pixels_of(rendered)


def test_large_pictures_are_made_smaller():
    image = Image.open(io.BytesIO(encode(np.zeros((1000, 2000, 3), np.uint8))))
    assert max(image.size) <= LARGEST_SIDE
