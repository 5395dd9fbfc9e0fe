"""Two epochs of a plain PyTorch loop on TypeScript's batches: { model, folder, epochs: [[[index…] of each batch] of each epoch], flip, lr,
momentum, weight_decay, milestone, file } → writes the parameters and buffers to FILE in float64 and answers { losses, accuracies } of each epoch.

Images are those of Fashion-MNIST, normalised as the demo's network wants them."""

from pathlib import Path

import torch
from _common import answer, argument, fashion_mnist

given = argument()
model = torch.jit.load(given["model"]).double().train()
optimizer = torch.optim.SGD(
    model.parameters(), lr=given["lr"], momentum=given["momentum"], nesterov=True, weight_decay=given["weight_decay"]
)
scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [given["milestone"]])
losses, accuracies = [], []
with torch.jit.optimized_execution(False):
    for batches in given["epochs"]:
        loss_sum, correct, count = 0.0, 0, 0
        for indices in batches:
            images, labels = fashion_mnist(given["folder"], "train", indices)
            logits = model(images.double())
            loss = torch.nn.functional.cross_entropy(logits, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss_sum += loss.item() * len(indices)
            correct += (logits.argmax(1) == labels).sum().item()
            count += len(indices)
        scheduler.step()
        losses.append(loss_sum / count)
        accuracies.append(100 * correct / count)
state = torch.cat([tensor.detach().double().flatten() for tensor in model.state_dict().values()])
Path(given["file"]).write_bytes(state.numpy().tobytes())
answer({"losses": losses, "accuracies": accuracies})
