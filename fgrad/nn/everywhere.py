"""PyTorch's hooks of all modules at once: around every call, and on every registration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fgrad.functions.base import Handle
from fgrad.nn.hooks import EVERYWHERE, Hook
from fgrad.nn.registry import REGISTERED

__all__ = [
    "register_module_backward_hook", "register_module_buffer_registration_hook", "register_module_forward_hook", "register_module_forward_pre_hook",
    "register_module_full_backward_hook", "register_module_full_backward_pre_hook", "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]  # fmt: skip


def register_module_forward_pre_hook(hook: Callable[..., Any]) -> Handle:
    """`hook(module, args)` before the forward of every module, ahead of its own hooks."""
    return Handle(EVERYWHERE, ("_forward_pre_hooks", Hook(hook)))


def register_module_forward_hook(hook: Callable[..., Any], *, with_kwargs: bool = False, always_call: bool = False) -> Handle:
    """`hook(module, args, output)` after the forward of every module; the options are those of Module.register_forward_hook."""
    return Handle(EVERYWHERE, ("_forward_hooks", Hook(hook, with_kwargs, always_call)))


def register_module_full_backward_hook(hook: Callable[..., Any]) -> Handle:
    """`hook(module, grad_input, grad_output)` in the backward of every module."""
    return Handle(EVERYWHERE, ("_backward_hooks", Hook(hook)))


def register_module_full_backward_pre_hook(hook: Callable[..., Any]) -> Handle:
    """`hook(module, grad_output)` before the backward of every module."""
    return Handle(EVERYWHERE, ("_backward_pre_hooks", Hook(hook)))


def register_module_backward_hook(hook: Callable[..., Any]) -> Handle:
    """As register_module_full_backward_hook (see Module.register_backward_hook)."""
    return register_module_full_backward_hook(hook)


def register_module_parameter_registration_hook(hook: Callable[..., Any]) -> Handle:
    """`hook(module, name, parameter)` whenever a module gets a parameter; what it returns is registered instead."""
    return Handle(REGISTERED, ("_parameters", hook))


def register_module_buffer_registration_hook(hook: Callable[..., Any]) -> Handle:
    """`hook(module, name, buffer)` whenever a module gets a buffer; what it returns is registered instead."""
    return Handle(REGISTERED, ("_buffers", hook))


def register_module_module_registration_hook(hook: Callable[..., Any]) -> Handle:
    """`hook(module, name, submodule)` whenever a module gets a child; what it returns is registered instead."""
    return Handle(REGISTERED, ("_modules", hook))
