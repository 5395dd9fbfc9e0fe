"""Prints torchvision's classification preprocessing as JSON, under the keys of src/data/presets.ts."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts" / "export"))
from export_torchvision import find_recipe, models, preprocess_of

presets = {}
for name in models.list_models(module=models):
    for recipe in models.get_model_weights(name):
        key = name if recipe is find_recipe(name) else f"{name}.{recipe.name}"
        presets[key] = preprocess_of(recipe)
json.dump(presets, sys.stdout, indent=1)
