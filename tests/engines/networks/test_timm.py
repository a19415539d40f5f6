"""The network around timm's: scale of the images, what it starts from, sizes it takes."""

import socket
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402 - after the check that torch is there

from tests.families.optional import needs_timm  # noqa: E402
from trainwright.core.errors import ArtifactRefused, SpecError  # noqa: E402
from trainwright.core.jsonable import JsonValue  # noqa: E402
from trainwright.engines.torch.networks.contract import Inputs  # noqa: E402
from trainwright.engines.torch.networks.timm import TimmModel  # noqa: E402

SMALL: dict[str, JsonValue] = {"layers": [1, 1, 1, 1]}  # resnet18 with half its blocks


@pytest.fixture(autouse=True)
def _needs_timm() -> None:
    needs_timm()
    torch.manual_seed(0)


def model(
    name: str = "resnet18",
    *,
    channels: int = 3,
    size: tuple[int, int] = (32, 32),
    outputs: int = 3,
    weights: bool = False,
    **arguments: JsonValue,
) -> TimmModel:
    params: dict[str, JsonValue] = {
        "name": name,
        "arguments": {**(SMALL if name == "resnet18" else {}), **arguments},
        "weights": {"w.safetensors": "x"} if weights else {},
    }
    return TimmModel(params, Inputs(kind="image", shape=(channels, *size)), outputs)


@pytest.mark.parametrize(
    ("name", "size"), [("resnet18", (32, 32)), ("resnet18", (40, 24)), ("vit_tiny_patch16_224", (48, 32))]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_any_size_give_scores(name: str, size: tuple[int, int], channels: int) -> None:
    arguments: dict[str, JsonValue] = {} if name == "resnet18" else {"depth": 1}
    found = model(name, channels=channels, size=size, **arguments).eval()
    rows = torch.randint(0, 256, (2, channels, *size), dtype=torch.uint8)
    with torch.inference_mode():
        assert found(rows).shape == (2, 3)


def test_images_are_scaled_by_the_training_rows_or_by_what_the_weights_were_made_with() -> None:
    rows = torch.randint(100, 120, (20, 3, 32, 32), dtype=torch.uint8)
    fresh, started = model(), model(weights=True)
    for one in (fresh, started):
        one.fit_inputs(rows)
    scaled = (rows.float() - fresh.mean) * fresh.scale
    assert abs(float(scaled.mean())) < 1e-4
    assert float(scaled.std()) == pytest.approx(1, abs=1e-3)
    torch.testing.assert_close(started.mean.flatten(), torch.tensor([0.485, 0.456, 0.406]) * 255)


def test_a_file_of_weights_gives_all_but_the_last_layer(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    given = model(outputs=1000).model.state_dict()
    save_file(given, path)
    for outputs in (3, 1000):
        found = model(outputs=outputs, weights=True)
        head = found.model.state_dict()["fc.weight"].clone()
        assert found.start_from([path]) == ["model.fc.weight", "model.fc.bias"]
        mine = found.model.state_dict()
        for name in given:
            if not name.startswith("fc."):
                assert torch.equal(mine[name], given[name]), name
        assert torch.equal(mine["fc.weight"], head)
    grey = model(channels=1, weights=True)
    grey.start_from([path])
    torch.testing.assert_close(grey.model.state_dict()["conv1.weight"], given["conv1.weight"].sum(1, keepdim=True))


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    given = model(outputs=1000).model.state_dict()
    save_file({name: t for name, t in given.items() if "layer2" not in name}, path)
    with pytest.raises(ArtifactRefused, match=r"holds no weights of timm's resnet18: .*Missing key"):
        model(weights=True).start_from([path])
    save_file(given, path)
    with pytest.raises(ArtifactRefused, match="holds no weights of timm's vit_tiny"):
        model("vit_tiny_patch16_224", depth=1, weights=True).start_from([path])
    path.write_bytes(b"torn")
    with pytest.raises(ArtifactRefused, match="cannot be read"):
        model(weights=True).start_from([path])


def test_a_network_that_cannot_be_is_explained() -> None:
    with pytest.raises(SpecError, match="timm makes no vit_tiny_patch16_224 for images of 3 x 8 x 8"):
        model("vit_tiny_patch16_224", size=(8, 8), num_heads=7)


def test_nothing_is_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    save_file(model(outputs=1000).model.state_dict(), tmp_path / "w.safetensors")
    model(weights=True).start_from([tmp_path / "w.safetensors"])
