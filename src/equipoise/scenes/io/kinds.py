"""Recognise unsupported kinds of pictures by their first bytes or their suffix."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

SUPPORTED = "PNG, JPEG, WebP are"
UNSUPPORTED = frozenset((
    ".apng", ".arw", ".avif", ".bmp", ".cr2", ".cr3", ".dcm", ".dds", ".dib", ".dng", ".exr", ".gif", ".h5",
    ".hdf5", ".hdr", ".heic", ".heif", ".j2k", ".jfif", ".jp2", ".jpe", ".jxl", ".mat", ".nef", ".npy", ".npz",
    ".orf", ".pbm", ".pcx", ".pfm", ".pgm", ".pnm", ".ppm", ".psd", ".raw", ".rgbe", ".tga", ".tif", ".tiff",
    ".xcf",
))  # fmt: skip
"""Common suffixes of unsupported pictures and arrays."""

_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"\x76\x2f\x31\x01", "OpenEXR"),
    (b"\x93NUMPY", "NumPy (NPY)"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"#?RGBE", "Radiance HDR"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"8BPS", "Photoshop"),
    (b"DDS ", "DDS"),
    (b"gimp xcf", "GIMP"),
    (b"\x89HDF\r\n\x1a\n", "HDF5"),
    (b"MATLAB 5.0", "MATLAB"),
    (b"PK\x03\x04", "ZIP (NPZ is one, too)"),
    (b"%PDF", "PDF"),
    (b"<svg", "SVG"),
    (b"\0\x05\x16\x07", "AppleDouble (metadata that macOS stores about another file)"),
)
_BRANDS = {b"avif": "AVIF", b"avis": "AVIF", b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIC", b"crx ": "Canon CR3"}
_ANYMAP = {b"1": "PBM", b"2": "PGM", b"3": "PPM", b"4": "PBM", b"5": "PGM", b"6": "PPM", b"7": "PAM"} | {
    b"F": "PFM",
    b"f": "PFM",
}


def other_kind(path: Path) -> str:
    """Return the kind of a file that is not PNG, JPEG or WebP, from its first bytes; empty if unknown."""
    try:
        with path.open("rb") as file:
            head = file.read(132)
    except OSError:
        return ""
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "MP4 (video)")
    if head[:1] == b"P" and head[2:3] in (b"\n", b" ", b"\r", b"\t", b"#"):
        return _ANYMAP.get(head[1:2], "")
    if head[:2] == b"BM" and head[6:10] == b"\0\0\0\0":
        return "BMP"
    if head[128:132] == b"DICM":
        return "DICOM"
    return next((kind for start, kind in _STARTS if head.startswith(start)), "")


def by_suffix(paths: Iterable[Path]) -> str:
    """Count files by suffix: ``2 .tif, 1 .gif``.

    >>> by_suffix([Path("a.tif"), Path("b.gif"), Path("c.TIF")])
    '2 .tif, 1 .gif'
    """
    return ", ".join(f"{count} {suffix}" for suffix, count in Counter(p.suffix.lower() for p in paths).most_common())
