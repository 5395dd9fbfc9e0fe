"""The references of eval.mjs: torchvision's evaluation loop as people run it (stock), and as one tunes it for a CPU (tuned)."""

import torch
from torch.utils.data import Subset

from torchvision_images import images, loader, torchvision

NETWORKS = {"ResNet-50": ("resnet50", 256), "ShuffleNetV2 x2.0": ("shufflenet_v2_x2_0", 232)}


def cases(prepared: dict) -> dict:
    made = {}
    for title, (name, resize) in NETWORKS.items():
        weights = torch.jit.load(f"{prepared['folder']}/{name}.pt").state_dict()
        dataset = images(prepared, resize)
        for kind in ("stock", "tuned"):
            model = torchvision.models.get_model(name)
            model.load_state_dict(weights)
            made[f"{title} {kind}"] = case(model.eval(), dataset, tuned=kind == "tuned")
    return made


def case(model: torch.nn.Module, dataset: Subset, tuned: bool) -> tuple:
    if tuned:
        model = model.to(memory_format=torch.channels_last)

    def evaluate() -> torch.Tensor:
        loss, top1, top5 = 0.0, 0, 0
        with torch.inference_mode() if tuned else torch.no_grad():
            for inputs, labels in loader(dataset):
                if tuned:
                    inputs = inputs.to(memory_format=torch.channels_last)
                logits = model(inputs)
                loss += torch.nn.functional.cross_entropy(logits, labels, reduction="sum").item()
                best = logits.topk(5).indices == labels[:, None]
                top1 += best[:, 0].sum().item()
                top5 += best.sum().item()
        return torch.tensor([loss / len(dataset)], dtype=torch.float64)

    def run(n: int) -> None:
        for _ in range(n):
            evaluate()

    return run, evaluate
