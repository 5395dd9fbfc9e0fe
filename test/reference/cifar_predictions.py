"""Classes of a file of CIFAR-10, read by numpy alone: { models, file, mean, std } → [predictions of each model]."""

import numpy
import torch
from _common import answer, argument

given = argument()
records = numpy.fromfile(given["file"], numpy.uint8).reshape(-1, 3073)
mean, std = (torch.tensor(given[name]).view(1, 3, 1, 1) for name in ("mean", "std"))
images = torch.from_numpy(records[:, 1:].reshape(-1, 3, 32, 32)).float().contiguous(memory_format=torch.channels_last)
images = (images / 255 - mean) / std
with torch.no_grad():
    models = [torch.jit.load(path).eval() for path in given["models"]]
    answer([torch.cat([model(part).argmax(1) for part in images.split(250)]).tolist() for model in models])
