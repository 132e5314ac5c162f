"""Encoders by name: our own in ``ENCODERS``, and timm's.

Another family is one file beside this one and one line in ``ENCODERS``. A name that both have means ours; ``timm/`` in
front asks for timm's.
"""

from equipoise.errors import RecipeError
from equipoise.scenes.config.toml import suggestion
from equipoise.scenes.networks.encoders import resnet, small
from equipoise.scenes.networks.encoders.encoder import Encoder, EncoderModule
from equipoise.scenes.networks.encoders.timm_models import PREFIX, find_timm, has_timm, may_be_timm, similar_names

ENCODERS: dict[str, Encoder] = {
    **small.ENCODERS,
    **resnet.ENCODERS,
}


def find_encoder(encoder_name: str) -> Encoder:
    """The entry of this name; raises ``RecipeError`` with a suggestion, or with the line that installs timm."""
    if encoder_name in ENCODERS:
        return ENCODERS[encoder_name]
    if may_be_timm(encoder_name) and not has_timm():
        near = suggestion(encoder_name, ENCODERS)
        end = "" if near.endswith("?") else "."
        raise RecipeError(
            f"model.encoder_name: found {encoder_name!r}{near}{end} Other names may be timm's, which is not installed: "
            'pip install "equipoise[timm]"'
        )
    if (found := find_timm(encoder_name)) is None:
        near = suggestion(encoder_name.removeprefix(PREFIX), [*ENCODERS, *similar_names(encoder_name)])
        also = "" if near.endswith("?") else ", or a name of timm's"
        raise RecipeError(f"model.encoder_name: found {encoder_name!r}{near}{also}")
    return found


def make_encoder(encoder_name: str, output_stride: int, normalization: str) -> EncoderModule:
    """Build the encoder of this name with random weights; raises ``RecipeError`` where it has no such stride."""
    encoder = find_encoder(encoder_name)
    if output_stride not in encoder.strides:
        raise RecipeError(f"model.output_stride: expected one of {encoder.strides}, found {output_stride}")
    return encoder.build(output_stride, normalization)
