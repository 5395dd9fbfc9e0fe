"""What inference tensors are and refuse: {} → { made, viewed, normal, again, enabled, grad, errors: { case: message } }."""

import torch
from _common import answer

errors = {}


def refused(case: str, body) -> None:
    try:
        body()
    except RuntimeError as error:
        errors[case] = str(error).splitlines()[0]


normal = torch.ones(2, requires_grad=True)
with torch.inference_mode():
    made = torch.ones(2)
    literal = torch.tensor([1.0, 2.0])
    viewed = normal.view(2)
    product = normal * 2
    trainable = torch.ones(2, requires_grad=True)
    inside = [torch.is_inference_mode_enabled(), torch.is_grad_enabled()]
    with torch.inference_mode(False):
        out = normal * 2
        again = [torch.is_inference_mode_enabled(), torch.is_grad_enabled(), out.is_inference(), out.requires_grad]
    with torch.enable_grad():
        grad = [torch.is_grad_enabled(), (normal * 2).requires_grad]
refused("saved", lambda: (normal * made).sum().backward())
refused("written", lambda: made.add_(1))
refused("requires", lambda: made.requires_grad_())
answer({
    "inference": [made.is_inference(), literal.is_inference(), viewed.is_inference(), product.is_inference()],
    "requires": [product.requires_grad, trainable.requires_grad],
    "inside": inside,
    "again": again,
    "grad": grad,
    "errors": errors,
})
