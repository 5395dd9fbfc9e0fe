"""What torchvision's ImageFolder finds: { folder } → { classes, samples: [path, class][] }, or { error } if it refuses."""

from pathlib import Path

from _common import answer, argument
from torchscript_export import import_torchvision

folder = argument()["folder"]
import_torchvision()
from torchvision.datasets import ImageFolder  # noqa: E402

try:
    dataset = ImageFolder(folder)
except (FileNotFoundError, OSError) as error:
    answer({"error": str(error)})
else:
    samples = [[str(Path(path).relative_to(folder)), label] for path, label in dataset.samples]
    answer({"classes": dataset.classes, "samples": samples})
