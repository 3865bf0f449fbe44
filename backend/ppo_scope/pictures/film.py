"""Films of a policy, or of several side by side: the same environment, from the same starts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ppo_scope.pictures.acting import ActingPolicy, Weights
from ppo_scope.pictures.images import Pixels
from ppo_scope.ppo.settings import Settings
from ppo_scope.records.extras import needed

FASTEST = {".gif": 25.0, ".mp4": 50.0}
"""Pictures a second of each kind, at most; browsers play no GIF quicker than 50, and each picture has its bytes."""
LONGEST_SIDE = 400
"""Pixels of one policy's picture."""
MOST_STEPS = 2_000
"""Of an episode: a policy may stand still for ever where nothing else ends one."""
LAST_SECONDS = 1.0
"""For which the end is shown."""
CAPTION, SIZE, MARGIN = 24, 15, 6
"""Pixels: the height of a caption, of its letters, and around it."""
PAPER, INK = (250, 250, 247), (29, 36, 51)


@dataclass(frozen=True)
class Reel:
    """One policy and what it is called in the film."""

    label: str
    weights: Weights


def play(settings: Settings, reel: Reel, episodes: int, stride: int) -> Iterator[Image.Image]:
    """Every `stride`-th picture of so many episodes, captioned; the first and the last of each are among them.

    The policy draws its actions, as in training; two that are asked with the same settings draw the same numbers.

    Raises:
        CannotRender: the environment has no picture; or the weights are of other networks.
    """
    acting = ActingPolicy(settings)
    try:
        acting.take(reel.weights)
        for episode in range(episodes):
            if episode:
                acting.begin(settings.seed + episode)
            yield _captioned(acting, reel.label)
            while not acting.done and acting.step < MOST_STEPS:
                acting.act()
                if acting.step % stride == 0 or acting.done:
                    yield _captioned(acting, reel.label)
    finally:
        acting.close()


def pace(settings: Settings, ending: str) -> tuple[int, float]:
    """(how many steps from picture to picture, pictures a second) at which a film runs as the environment does."""
    acting = ActingPolicy(settings)
    acting.close()
    stride = int(np.ceil(acting.fps / FASTEST[ending]))
    return stride, acting.fps / stride


def write(path: Path, settings: Settings, reels: Sequence[Reel], episodes: int) -> None:
    """Write a film of these policies side by side, a GIF or an MP4 by its ending.

    Raises:
        CannotRender: as `play`.
        Missing: for an MP4, imageio-ffmpeg is not installed.
        OSError: it cannot be written.
    """
    ending = path.suffix.lower()
    stride, rate = pace(settings, ending)
    pictures = side_by_side([play(settings, reel, episodes, stride) for reel in reels], round(LAST_SECONDS * rate))
    (_write_mp4 if ending == ".mp4" else _write_gif)(path, pictures, rate)


def side_by_side(films: Sequence[Iterator[Image.Image]], hold: int) -> Iterator[Image.Image]:
    """One film of several; one that has ended stands still until the others have, and all for `hold` pictures."""
    last = [next(film) for film in films]
    going = [True] * len(films)
    while any(going):
        yield _beside(last)
        for n, film in enumerate(films):
            if going[n]:
                after = next(film, None)
                last[n], going[n] = after or last[n], after is not None
    for _ in range(hold):
        yield _beside(last)


def _captioned(acting: ActingPolicy, label: str) -> Image.Image:
    picture = Image.fromarray(np.ascontiguousarray(acting.pixels()))
    share = LONGEST_SIDE / max(picture.size)
    # Enlarged pixels stay pixels, reduced ones are averaged.
    how = Image.Resampling.NEAREST if share > 1 else Image.Resampling.BOX
    picture = picture.resize((max(1, round(picture.width * share)), max(1, round(picture.height * share))), how)
    framed = Image.new("RGB", (max(picture.width, LONGEST_SIDE), picture.height + 2 * CAPTION), PAPER)
    framed.paste(picture, ((framed.width - picture.width) // 2, CAPTION))
    draw, font = ImageDraw.Draw(framed), ImageFont.load_default(SIZE)
    ended = " · ended" if acting.done else ""
    draw.text((MARGIN, 3), label, INK, font)
    draw.text((MARGIN, framed.height - CAPTION + 3), f"step {acting.step} · return {acting.sum:.6g}{ended}", INK, font)
    return framed


def _beside(pictures: Sequence[Image.Image]) -> Image.Image:
    width = sum(picture.width for picture in pictures) + MARGIN * (len(pictures) - 1)
    whole = Image.new("RGB", (_even(width), _even(max(picture.height for picture in pictures))), PAPER)
    left = 0
    for picture in pictures:
        whole.paste(picture, (left, 0))
        left += picture.width + MARGIN
    return whole


def _even(size: int) -> int:
    """What common codecs ask of a film's sides."""
    return size + size % 2


def _write_gif(path: Path, pictures: Iterator[Image.Image], rate: float) -> None:
    first = next(pictures)
    others = (_palette(picture) for picture in pictures)
    _palette(first).save(path, "GIF", save_all=True, append_images=others, duration=round(1000 / rate), loop=0)


def _palette(picture: Image.Image) -> Image.Image:
    return picture.quantize(128, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)


def _write_mp4(path: Path, pictures: Iterator[Image.Image], rate: float) -> None:
    ffmpeg: Any = needed("imageio_ffmpeg")
    first = next(pictures)
    film = ffmpeg.write_frames(str(path), first.size, fps=rate, codec="libx264", quality=7, macro_block_size=2)
    film.send(None)
    try:
        for picture in chain([first], pictures):
            film.send(_bytes(np.asarray(picture)))
    finally:
        film.close()


def _bytes(pixels: Pixels) -> bytes:
    return np.ascontiguousarray(pixels).tobytes()
