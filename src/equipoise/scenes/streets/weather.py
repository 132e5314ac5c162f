"""Light and weather: how they change surfaces, and how the camera develops the image."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, kw_only=True)
class Weather:
    """The light and weather of one image.

    Attributes:
        name: sun, overcast, haze, dusk or rain.
        sun_x, sun_z: direction of sunlight on the ground, a unit vector.
        shadow_m: length of the shadow of an object 1 m high.
        contrast: how much darker surfaces in the shade are, 0 … 1.
        ambient: colour of the ambient light.
        sky_top, sky_low: colours of the sky at the top and at the horizon.
        cloud: cloudiness, 0 … 1.
        fog_m: the distance at which a surface's contrast falls to 1/e.
        wet: reflectivity of the ground, 0 … 1.
        lamps: brightness of windows and lamps relative to daylight, 0 … 1.
        noise: standard deviation of the sensor's noise, on a scale of 0 … 1.
    """

    name: str
    sun_x: float
    sun_z: float
    shadow_m: float
    contrast: float
    ambient: Floats
    sky_top: Floats
    sky_low: Floats
    cloud: float
    fog_m: float
    wet: float
    lamps: float
    noise: float

    def facing(self, normal_x: float, normal_z: float) -> float:
        """Return the light on an upright surface with this normal."""
        return float(1.0 - self.contrast * np.clip(0.45 + 0.55 * (self.sun_x * normal_x + self.sun_z * normal_z), 0, 1))


def random_weather(rng: np.random.Generator) -> Weather:
    """Draw one of five kinds of weather, each with its own range of light."""
    kind = str(rng.choice(["sun", "overcast", "haze", "dusk", "rain"], p=[0.4, 0.26, 0.12, 0.1, 0.12]))
    angle = rng.uniform(0, 2 * np.pi)
    warm = rng.uniform(-0.05, 0.07)
    base = {
        "sun": ((1.0 + warm, 1.0, 1.0 - warm), (0.25, 0.46, 0.82), (0.68, 0.8, 0.93), 0.45, 900.0, 0.5),
        "overcast": ((0.82, 0.84, 0.86), (0.66, 0.69, 0.73), (0.84, 0.86, 0.88), 1.0, 500.0, 0.12),
        "haze": ((0.9, 0.89, 0.86), (0.72, 0.75, 0.78), (0.86, 0.87, 0.86), 0.7, 110.0, 0.15),
        "dusk": ((0.62, 0.5, 0.47), (0.22, 0.27, 0.46), (0.93, 0.58, 0.4), 0.6, 500.0, 0.25),
        "rain": ((0.62, 0.66, 0.7), (0.5, 0.53, 0.57), (0.68, 0.71, 0.74), 1.0, 170.0, 0.08),
    }
    ambient, top, low, cloud, fog, contrast = base[kind]
    gain = rng.uniform(0.92, 1.2)
    return Weather(
        name=kind,
        sun_x=float(np.cos(angle)),
        sun_z=float(np.sin(angle)),
        shadow_m=float(rng.uniform(0.5, 2.2)),
        contrast=float(contrast * rng.uniform(0.8, 1.15)),
        ambient=np.array(ambient, np.float32) * np.float32(gain),
        sky_top=(np.array(top) * rng.uniform(0.92, 1.06, 3)).astype(np.float32),
        sky_low=np.array(low, np.float32),
        cloud=float(cloud * rng.uniform(0.3, 1.0)),
        fog_m=float(fog * rng.uniform(0.7, 1.3)),
        wet=float(rng.uniform(0.35, 0.7)) if kind == "rain" else 0.0,
        lamps={"dusk": 1.0, "rain": 0.55}.get(kind, 0.12),
        noise=float(rng.uniform(0.008, 0.022) * (1.6 if kind == "dusk" else 1.0)),
    )


def develop(color: Floats, depth_m: Floats, weather: Weather, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Turn painted surfaces into the stored image: fog, lens, sensor noise, white balance."""
    clear = np.exp(-depth_m / weather.fog_m)[..., None].astype(np.float32)
    seen = np.where(np.isfinite(depth_m)[..., None], color * clear + weather.sky_low * (1 - clear), color)
    if weather.name == "rain":
        seen = seen + _streaks(seen.shape[:2], rng)
    soft = _blurred(seen)
    height, width = depth_m.shape
    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    soft = soft * (1 - 0.14 * (x**2 + y**2) / 2)[..., None].astype(np.float32)
    balance = rng.uniform(0.95, 1.05, 3).astype(np.float32) * np.float32(rng.uniform(0.85, 1.12))
    grain = rng.standard_normal(soft.shape, np.float32) * weather.noise * (0.5 + soft)
    return (np.clip(soft * balance + grain, 0, 1) * 255).round().astype(np.uint8)


def _blurred(color: Floats) -> Floats:
    """Blur like a lens, with a 3 × 3 kernel that is mostly the pixel itself."""
    rows = color.copy()
    rows[1:-1] = 0.76 * color[1:-1] + 0.12 * (color[:-2] + color[2:])
    both = rows.copy()
    both[:, 1:-1] = 0.76 * rows[:, 1:-1] + 0.12 * (rows[:, :-2] + rows[:, 2:])
    return both


def _streaks(size: tuple[int, int], rng: np.random.Generator) -> Floats:
    """Return rain: short vertical streaks that brighten the image."""
    height, width = size
    drops = (rng.random((height, width)) < 0.004).astype(np.float32)
    length = max(3, height // 24)
    total = np.cumsum(drops, 0)
    total[length:] -= total[:-length].copy()
    return (0.07 * np.minimum(total, 1.0))[..., None]
