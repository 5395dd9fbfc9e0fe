"""What the references of landscapes share: the images, and the mean loss and the accuracy of a model with other weights."""

import torch
from _common import fashion_mnist, randn


def images_of(given):
    """Fashion-MNIST's at `indices`, or random vectors whose classes take turns."""
    if "folder" in given:
        return fashion_mnist(given["folder"], "train", given["indices"])
    images = randn(given["shape"], given["seed"], torch.float64)
    return images[given["indices"]], torch.tensor(given["indices"]) % given["classes"]


@torch.no_grad()
def score(model, weights, images, labels, given):
    """(loss, accuracy in per cent) of the model with these tensors in the place of its own."""
    own = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    for name, value in weights.items():
        own[name].copy_(value)
    result = model(images)
    logits = (result if "output" not in given else result[given["output"]]).double()
    if given.get("outputs") == "probabilities":
        logits = logits.log()
    loss = torch.nn.functional.cross_entropy(logits, labels).item()
    return loss, 100 * (logits.argmax(1) == labels).double().mean().item()
