"""Predictions by Pillow's decoding and torchvision's transforms, in the order of sorted paths:
{ model, folder, resize, crop, mean, std, interpolation?, limit? } → { files, predictions, best: the five largest }.
A limit spreads over the files."""

from pathlib import Path

import torch
from _common import answer, argument
from PIL import Image
from torchscript_export import import_torchvision

given = argument()
import_torchvision()
from torchvision import transforms  # noqa: E402
from torchvision.transforms import InterpolationMode  # noqa: E402

transform = transforms.Compose([
    transforms.Resize(given["resize"], InterpolationMode(given.get("interpolation", "bilinear"))),
    transforms.CenterCrop(given["crop"]),
    transforms.ToTensor(),
    transforms.Normalize(given["mean"], given["std"]),
])
model = torch.jit.load(given["model"]).eval()
files = sorted(path for path in Path(given["folder"]).glob("*/*") if path.is_file())
limit = given.get("limit", len(files))
files = [files[i * len(files) // limit] for i in range(limit)]
best = []
with torch.no_grad():
    for start in range(0, len(files), 50):
        batch = torch.stack([transform(Image.open(path).convert("RGB")) for path in files[start : start + 50]])
        best += model(batch).topk(5).indices.tolist()
answer({
    "files": [str(path.relative_to(given["folder"])) for path in files],
    "predictions": [five[0] for five in best],
    "best": best,
})
