"""torchvision's names of ImageNet's classes: {} → { categories }. All of its weights of these classes have the same."""

from _common import answer
from torchscript_export import import_torchvision

models = import_torchvision().models
weights = [entry for name in models.list_models(module=models) for entry in models.get_model_weights(name)]
lists = {tuple(entry.meta["categories"]) for entry in weights if entry.meta["categories"]}
(categories,) = lists
answer({"categories": categories})
