"""What torch.NAME gives for each call, or torch.ops.aten.NAME if there is no such function, and the overload.

torch.ops takes an int for a bool and wants lists where torch.NAME takes numbers: then there is no overload to tell.
"""

import torch
from _common import answer, argument


def value(given):
    if isinstance(given, list):
        return [value(element) for element in given]
    if isinstance(given, dict):
        if "values" in given:
            return torch.tensor(given["values"], dtype=torch.float64).to(getattr(torch, given["dtype"]))
        if "named" in given:
            return getattr(torch, given["named"])
        if "complex" in given:
            return complex(*given["complex"])
        return torch.Generator().manual_seed(given["generator"])
    return given


def described(result):
    if isinstance(result, torch.Tensor):
        real = torch.view_as_real(result.resolve_conj()) if result.is_complex() else result
        return {
            "dtype": str(result.dtype).removeprefix("torch."),
            "shape": list(result.shape),
            "values": [str(number) for number in real.double().flatten().tolist()],
        }
    if isinstance(result, (list, tuple)):
        return [described(element) for element in result]
    return result


def call(name, positional, keyword):
    def arguments():
        return [value(one) for one in positional], {key: value(one) for key, one in keyword.items()}

    def made_by(function):
        args, kwargs = arguments()
        return described(function(*args, **kwargs))

    try:
        args, kwargs = arguments()
        overload = torch._C._jit_resolve_packet(f"aten::{name}", *args, **kwargs) or "default"
        by_overload = made_by(getattr(torch.ops.aten, name))
    except RuntimeError:
        overload, by_overload = None, None
    try:
        result = made_by(getattr(torch, name))
    except (AttributeError, TypeError):
        if overload is None:
            raise
        result = by_overload
    return {"overload": overload if result == by_overload else None, "result": result}


def attempt(one):
    try:
        return call(*one)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:300]}


answer([attempt(one) for one in argument()["calls"]])
