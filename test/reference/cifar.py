"""Records of a file in CIFAR's binary format, read by numpy alone: { file, labels, indices, mean, std } →
{ size, labels: one list for each label byte, values }. `labels` is the number of label bytes."""

import numpy
from _common import answer, argument

given = argument()
heads = given["labels"]
records = numpy.fromfile(given["file"], numpy.uint8).reshape(-1, heads + 3072)
images = records[given["indices"], heads:].reshape(-1, 3, 32, 32).astype(numpy.float64) / 255
mean, std = (numpy.array(given[name]).reshape(3, 1, 1) for name in ("mean", "std"))
answer({
    "size": len(records),
    "labels": [records[:, place].tolist() for place in range(heads)],
    "values": ((images - mean) / std).flatten().tolist(),
})
