"""The default grouping: centres at the scale of their own objects, with no radius to choose.

The error of a vote grows with its object, so the votes for a lorry spread over more pixels than those for a person.
The length of the vectors shows how large an object is; the roughness of the votes shows how exact they are at all. The
radius of a centre is r = SHARE · (mean length of the vectors that end within about r of it + NOISE · roughness): a
fixed point, looked for in one octave of r after the other.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from equipoise.scenes.grouping.roughness import roughness
from equipoise.scenes.grouping.votes import Members, Votes, nobody, thinned

SHARE = 0.25
"""The radius of a centre as a share of the mean length of the vectors to it, noise included.

Chosen with ``NOISE`` and ``APART`` on streets that are not those of benchmarks/results/grouping.md.
"""
NOISE = 6.0
"""What the roughness of an image's votes adds to the length of its vectors."""
APART = 0.6
"""The least distance of two centres, as a share of the smaller one's mean length of vectors, noise included."""
FITS = 0.6
"""How far the radius may be from the octave it is looked for in, in octaves; half would leave no overlap."""
ASIDE = 0.25
"""How fast the score falls with the distance between the middle of an object's pixels and its votes, in 1/√pixels."""
DISC = 0.376
"""The mean length of the vectors of a disc with area 1: ⅔ · √(1/π)."""
FINEST = 1 / 512
"""The smallest cell as a share of the image's width."""

Map = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Centres:
    """Centres in columns: place [px], radius [px], mean length of vectors [px], and votes within about one radius."""

    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    radius: npt.NDArray[np.float64]
    length: npt.NDArray[np.float64]
    weight: npt.NDArray[np.float64]

    def __getitem__(self, chosen: npt.NDArray[np.intp]) -> "Centres":
        """Return some of them."""
        return Centres(**{name: values[chosen] for name, values in vars(self).items()})


def by_octaves(votes: Votes) -> Members:
    r"""Give each vote to a centre.

    A vote at distance d from a centre of radius r has the likelihood of Student's t with two degrees of freedom in the
    plane, p ∝ r⁻² · (1 + d²/(2r²))⁻², and belongs to the likeliest centre: that with the least r + d²/(2r).
    """
    if not len(votes.x):
        return nobody(votes)
    extent = votes.length + np.float32(NOISE * roughness(votes))
    cell = max(SHARE * DISC * votes.smallest**0.5, votes.size[1] * FINEST)
    shape = (int(votes.size[0] / cell) + 1, int(votes.size[1] / cell) + 1)
    place = (votes.y / np.float32(cell)).astype(np.intp) * shape[1] + (votes.x / np.float32(cell)).astype(np.intp)
    count = np.bincount(place, minlength=shape[0] * shape[1])
    length = np.bincount(place, weights=extent, minlength=len(count))
    centres = _apart(
        _centres(count.reshape(shape).astype(np.float32), length.reshape(shape).astype(np.float32), cell, votes)
    )
    if not len(centres.x):
        return nobody(votes)
    occupied = np.flatnonzero(count)
    row, column = np.divmod(occupied, shape[1])
    table = np.zeros(len(count), np.intp)
    table[occupied] = _likeliest((column + 0.5) * cell, (row + 0.5) * cell, centres)
    own = table[place]
    closeness = _closeness(votes, own, centres) * _surrounding(votes, own, len(centres.x))
    return Members(own=own, closeness=closeness)


def _centres(count: Map, length: Map, cell: float, votes: Votes) -> Centres:
    """The centres of all octaves; the first has ``cell`` as its radius, the last a grid of a few cells."""
    least, found, first = SHARE * DISC * votes.smallest**0.5 / 2, [], True
    while True:
        last = max(count.shape) <= 4
        found.append(_octave(count, length, cell, votes.smallest, first=first, last=last))
        if last:
            break
        count, length, cell, first = halved(count), halved(length), 2 * cell, False
    x, y, weight, mean_length = np.concatenate(found, 1)
    return Centres(x=x, y=y, radius=np.maximum(SHARE * mean_length, least), length=mean_length, weight=weight)


def _octave(count: Map, length: Map, cell: float, smallest: int, *, first: bool, last: bool) -> npt.NDArray[np.float64]:
    """The peaks of votes whose vectors are as long as this octave's radius, one cell, says: x, y, weight, length."""
    smooth = smoothed(count)
    places = np.flatnonzero(smooth.reshape(-1) * 4 * np.pi > smallest / 2)  # A Gaussian of σ = 1 covers 4π cells.
    mean = smoothed(length).reshape(-1)[places] / smooth.reshape(-1)[places]
    octave = np.log2(np.maximum(SHARE * mean, 1e-6) / cell)
    fits = ((octave >= -FITS) | first) & ((octave <= FITS) | last)
    places, mean = places[fits], mean[fits]
    top = _is_peak(smooth, places)
    row, column = np.divmod(places[top], smooth.shape[1])
    weight = smooth.reshape(-1)[places[top]]
    return np.stack([(column + 0.5) * cell, (row + 0.5) * cell, weight, mean[top]]).astype(np.float64)


def smoothed(grid: Map) -> Map:
    """Convolve with the binomial kernel 1 4 6 4 1 in both directions: a Gaussian with σ = 1 cell; zero outside.

    The kernel is that of adding neighbours four times. In memory, neighbours in a row lie 1 apart, and those in a
    column a padded row apart.
    """
    height, width = grid.shape[0] + 4, grid.shape[1] + 4
    now, then = np.zeros((2, height * width), np.float32)
    now.reshape(height, width)[2:-2, 2:-2] = grid * np.float32(1 / 256)
    for step in (1, 1, width, width):
        np.add(now[:-step], now[step:], out=then[:-step])  # Once each way, so that the sum stays where it is.
        np.add(then[:-step], then[step:], out=now[step:])
    result: Map = now.reshape(height, width)[2:-2, 2:-2]
    return result


def halved(grid: Map) -> Map:
    """Add blocks of 2×2 cells."""
    height, width = grid.shape
    rows = np.zeros(((height + 1) // 2, width + width % 2), np.float32)
    rows[:, :width] = grid[::2]
    rows[: height // 2, :width] += grid[1::2]
    result: Map = rows[:, ::2] + rows[:, 1::2]
    return result


def _is_peak(grid: Map, places: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    """Whether a cell exceeds its eight neighbours; of equal neighbours the last is the peak."""
    padded = np.pad(grid, 1, constant_values=-1).reshape(-1)
    width = grid.shape[1] + 2
    row, column = np.divmod(places, grid.shape[1])
    middle = (row + 1) * width + column + 1
    own = padded[middle]
    before, after = (-width - 1, -width, -width + 1, -1), (1, width - 1, width, width + 1)
    result = np.ones(len(places), bool)
    for step in before:
        result &= own >= padded[middle + step]
    for step in after:
        result &= own > padded[middle + step]
    return result


def _apart(centres: Centres) -> Centres:
    """Keep the centres that no kept one with more votes is close to."""
    centres = centres[np.lexsort((centres.x, centres.y, -centres.weight))]
    distance = np.hypot(centres.x[:, None] - centres.x, centres.y[:, None] - centres.y)
    close = distance < APART * np.minimum(centres.length[:, None], centres.length)
    kept: list[int] = []
    for k in range(len(centres.x)):
        if not close[k, kept].any():
            kept.append(k)
    return centres[np.array(kept, np.intp)]


def _likeliest(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], centres: Centres) -> npt.NDArray[np.intp]:
    """The centre with the least r + d²/(2r): a linear form in (x² + y², x, y, 1), so one product of matrices."""
    r = centres.radius
    form = np.stack([0.5 / r, -centres.x / r, -centres.y / r, r + (centres.x**2 + centres.y**2) / (2 * r)])
    costs: npt.NDArray[np.float64] = np.stack([x * x + y * y, x, y, np.ones_like(x)], 1) @ form
    least: npt.NDArray[np.intp] = costs.argmin(1)
    return least


def _closeness(votes: Votes, own: npt.NDArray[np.intp], centres: Centres) -> npt.NDArray[np.float64]:
    """The mean of exp(−d/r) over each centre's votes, around the mean of the near ones."""
    some = thinned(len(own))
    own, count = own[some], len(centres.x)
    r, x, y = (values.astype(np.float32)[own] for values in (centres.radius, centres.x, centres.y))
    dx, dy = votes.x[some] - x, votes.y[some] - y
    near = dx * dx + dy * dy < 4 * r * r
    dx -= _means(own[near], dx[near], count).astype(np.float32)[own]
    dy -= _means(own[near], dy[near], count).astype(np.float32)[own]
    return _means(own, np.exp(-np.sqrt(dx * dx + dy * dy) / r), count)


def _surrounding(votes: Votes, own: npt.NDArray[np.intp], count: int) -> npt.NDArray[np.float64]:
    """How well each centre's pixels surround it: exp(−ASIDE · |mean vector| / √pixels).

    The mean of an object's pixels is its centroid, so its vectors cancel out. Those of a piece of it do not.
    """
    some = thinned(len(own))
    own, step = own[some], some.step or 1
    dx = _means(own, votes.x[some] - votes.column[some], count)
    dy = _means(own, votes.y[some] - votes.row[some], count)
    pixels = np.maximum(np.bincount(own, minlength=count) * step, 1)
    result: npt.NDArray[np.float64] = np.exp(-ASIDE * np.hypot(dx, dy) / np.sqrt(pixels))
    return result


def _means(own: npt.NDArray[np.intp], values: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.float64]:
    """The mean of each centre's values; 0 without any."""
    sums, counts = np.bincount(own, weights=values, minlength=count), np.bincount(own, minlength=count)
    means: npt.NDArray[np.float64] = sums / np.maximum(counts, 1)
    return means
