"""A run that starts from published weights: which file, where it is looked for, and that it is read only once."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from equipoise.errors import RecipeError, RunError
from equipoise.scenes.config.recipe import read_recipe
from equipoise.scenes.networks.encoders import make_encoder
from equipoise.scenes.networks.encoders.weights import encoder_weights, imagenet_file, weights_folder
from equipoise.scenes.networks.layers import FrozenBatchNorm2d
from tests.support.commands import RECIPE, equipoise, one_line

SMALL = 'encoder_weights = "weights/small.safetensors"'


def weights(path: Path, encoder_name: str = "small", seed: int = 5) -> dict[str, torch.Tensor]:
    """Write an encoder's weights, with statistics as after training."""
    torch.manual_seed(seed)
    tensors = make_encoder(encoder_name, 8, "batch").state_dict()
    for name, tensor in tensors.items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2.0)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)
    return tensors


def recipe(home: Path, *lines: str, steps: int = 2) -> None:
    model = "\n".join(["[model]", *lines])
    (home / "recipe.toml").write_text(RECIPE.format(steps=steps).replace("[model]", model))


def test_a_run_starts_from_a_file_and_needs_it_no_more(home: Path):
    """The path is relative to the recipe; resume and predict use the run's own weights."""
    weights(home / "weights/small.safetensors")
    digest = hashlib.sha256((home / "weights/small.safetensors").read_bytes()).hexdigest()
    recipe(home, SMALL)
    (home / "elsewhere").mkdir()
    done = equipoise("train", "../recipe.toml", "--out", "../run", cwd=home / "elsewhere")
    assert done.returncode == 0, done.stderr
    assert f"SHA-256 {digest[:12]}" in done.stderr
    record = json.loads((home / "run/run.json").read_text())["encoder_weights"]
    count = sum(not n.endswith("num_batches_tracked") for n in load_file(home / "weights/small.safetensors"))
    assert record == {"name": "small.safetensors", "sha256": digest, "tensors": count, "missing": 0}
    assert json.loads((home / "run/model.json").read_text())["model"]["encoder_weights"] is None
    (home / "weights").rename(home / "moved")
    before = load_file(home / "run/model.safetensors")
    done = equipoise("train", "recipe.toml", "--out", "run", "--resume", cwd=home)
    assert done.returncode == 0, done.stderr
    after = load_file(home / "run/model.safetensors")
    assert all(torch.equal(before[name], after[name]) for name in before)
    image = next((home / "data").rglob("*.png"))
    assert equipoise("predict", "run", image, "--out", "out", cwd=home).returncode == 0


def test_a_resumed_run_refuses_other_first_weights(home: Path):
    weights(home / "weights/first.safetensors")
    recipe(home, 'encoder_weights = "weights/first.safetensors"')
    assert equipoise("train", "recipe.toml", "--out", "run", cwd=home).returncode == 0
    weights(home / "weights/first.safetensors", seed=6)
    done = equipoise("train", "recipe.toml", "--out", "run", "--resume", cwd=home)
    assert "expected the file that this run's encoder started from (SHA-256" in one_line(done)
    for line, found in (
        ("", "none"),
        ('encoder_weights = "imagenet"', "imagenet"),
        ('encoder_weights = "gone/other.safetensors"', "gone/other.safetensors"),
    ):
        recipe(home, line)
        done = equipoise("train", "recipe.toml", "--out", "run", "--resume", cwd=home)
        message = one_line(done)
        assert "model.encoder_weights: expected first.safetensors, which this run started from, found " in message
        assert f"{found}: restore it" in message
        assert done.returncode == 5


def test_a_resumed_run_compares_the_content_of_imagenet_weights(home: Path):
    """Where the file is gone, its name is all there is to compare; the page says what the encoder started from."""
    own = {"EQUIPOISE_WEIGHTS": str(home / "own")}
    weights(home / "own/small.safetensors")
    digest = hashlib.sha256((home / "own/small.safetensors").read_bytes()).hexdigest()
    recipe(home, 'encoder_weights = "imagenet"')
    assert equipoise("train", "recipe.toml", "--out", "run", cwd=home, **own).returncode == 0
    assert f"SHA-256 {digest}" in (home / "run/report.html").read_text()
    resume = ("train", "recipe.toml", "--out", "run", "--resume")
    assert equipoise(*resume, cwd=home, **own).returncode == 0
    weights(home / "own/small.safetensors", seed=6)
    refused = equipoise(*resume, cwd=home, **own)
    assert f"expected the file that this run's encoder started from (SHA-256 {digest[:12]}…)" in one_line(refused)
    assert refused.returncode == 5
    (home / "own/small.safetensors").unlink()
    assert equipoise(*resume, cwd=home, **own).returncode == 0


def test_frozen_statistics_stay_those_of_the_file(home: Path):
    tensors = weights(home / "weights/small.safetensors")
    recipe(home, SMALL, 'normalization = "frozen"')
    done = equipoise("train", "recipe.toml", "--out", "run", cwd=home)
    assert done.returncode == 0, done.stderr
    trained = load_file(home / "run/model.safetensors")
    for name, tensor in tensors.items():
        same = torch.equal(trained[f"network.encoder.{name}"], tensor)
        assert same == name.endswith(("running_mean", "running_var", "num_batches_tracked")), name


def test_a_run_is_refused_before_an_old_one_is_removed(home: Path):
    recipe(home)
    assert equipoise("train", "recipe.toml", "--out", "run", cwd=home).returncode == 0
    recipe(home, SMALL)
    done = equipoise("train", "recipe.toml", "--out", "run", "--overwrite", cwd=home)
    assert "model.encoder_weights: expected a safetensors file at" in one_line(done)
    assert done.returncode == 5
    assert (home / "run/model.safetensors").exists()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("none", "expected \"imagenet\" or a .safetensors file, found 'none': leave it out for random weights"),
        ("a/b.pth", "found 'a/b.pth': make one with equipoise convert-weights a/b.pth"),
    ],
)
def test_other_values_are_refused(home: Path, value: str, words: str):
    recipe(home, f'encoder_weights = "{value}"')
    with pytest.raises(RecipeError) as raised:
        read_recipe(home / "recipe.toml")
    assert words in str(raised.value)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of weights, an empty cache of the hub, and no network."""
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setenv("EQUIPOISE_WEIGHTS", str(tmp_path / "own"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))

    def unreachable(*arguments: object, **options: object) -> str:
        raise hub.errors.LocalEntryNotFoundError("no network")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", unreachable)
    return tmp_path


def test_imagenet_without_a_network_says_where_to_put_the_file(here: Path):
    with pytest.raises(RunError) as raised:
        imagenet_file("resnet18")
    assert str(raised.value) == (
        "model.encoder_weights: expected the ImageNet weights of resnet18, found none here and no way to download "
        f"https://huggingface.co/timm/resnet18.a1_in1k: put them at {here}/own/resnet18.safetensors; equipoise "
        "convert-weights FILE.pth makes such a file"
    )


def test_imagenet_is_found_in_the_folder_of_weights_then_in_the_cache_then_on_the_hub(
    here: Path, monkeypatch: pytest.MonkeyPatch
):
    encoder, repository = make_encoder("resnet18", 8, "batch"), "timm/resnet18.a1_in1k"
    weights(here / "downloaded.safetensors", "resnet18", seed=1)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *names: str(here / "downloaded.safetensors"))
    found = encoder_weights("resnet18", "imagenet", encoder)
    assert found.file.name == f"{repository}/model.safetensors"
    assert f"starts from {here}/downloaded.safetensors" in found.notice
    snapshot = here / "hub/models--timm--resnet18.a1_in1k/snapshots/0123"
    weights(snapshot / "model.safetensors", "resnet18", seed=2)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs/main").write_text("0123")
    assert imagenet_file("resnet18") == (snapshot / "model.safetensors", f"{repository}/model.safetensors")
    expected = weights(here / "own/resnet18.safetensors", "resnet18", seed=3)
    found = encoder_weights("resnet18", "imagenet", encoder)
    assert found.file.name == "resnet18.safetensors"
    found.load(encoder)
    assert torch.equal(encoder.conv1.weight, expected["conv1.weight"])
    assert imagenet_file("timm/resnet18")[0] == here / "own/resnet18.safetensors"


def test_the_small_encoder_has_no_published_weights(here: Path):
    with pytest.raises(RunError, match='expected a file, found "imagenet": small has no published weights'):
        imagenet_file("small")


def test_the_folder_of_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("EQUIPOISE_WEIGHTS", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert weights_folder() == tmp_path / "equipoise/weights"
    monkeypatch.delenv("XDG_DATA_HOME")
    assert weights_folder() == Path.home() / ".local/share/equipoise/weights"


def test_a_frozen_model_works_as_trained(home: Path):
    """Its normalisation is part of model.json; loading it needs no first weights."""
    weights(home / "weights/small.safetensors")
    recipe(home, SMALL, 'normalization = "frozen"', 'decoder = "deeplabv3plus"')
    assert equipoise("train", "recipe.toml", "--out", "run", cwd=home).returncode == 0
    from equipoise import scenes

    network = scenes.load(home / "run").model.network
    assert any(isinstance(module, FrozenBatchNorm2d) for module in network.encoder.modules())
