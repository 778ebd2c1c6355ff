"""A Module's state as a dict and back, and the hooks around both."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from fgrad.functions.base import Handle
from fgrad.nn.hooks import Hooked
from fgrad.nn.loading import EXTRA, WRITES, Keys, load_into, load_own, own_tensors, surplus

Hook = Callable[..., Any]


class Saving(Hooked):
    """state_dict, load_state_dict, and their hooks."""

    _version: ClassVar[int] = 1

    def _state_hooks_of(self, kind: str) -> list[Any]:
        """The hooks of one kind, in order."""
        return list(self.__dict__.get("_state_hooks", {}).get(kind, {}).values())

    def _hook_state(self, kind: str, hook: Any) -> Handle:
        table = self.__dict__.setdefault("_state_hooks", {})
        return Handle(table.setdefault(kind, {}), hook)

    def register_state_dict_pre_hook(self, hook: Hook) -> Handle:
        """`hook(module, prefix, keep_vars)` before this module's part of a state dict is made."""
        return self._hook_state("before_save", hook)

    def register_state_dict_post_hook(self, hook: Hook) -> Handle:
        """`hook(module, state_dict, prefix, local_metadata)` after it is made; it may change the dict, and returns None."""
        return self._hook_state("after_save", (hook, True))

    def _register_state_dict_hook(self, hook: Hook) -> Handle:
        """As register_state_dict_post_hook; what the hook returns becomes the state dict."""
        return self._hook_state("after_save", (hook, False))

    def register_load_state_dict_pre_hook(self, hook: Hook) -> Handle:
        """`hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)` before loading.

        The state dict holds what lies below the module's own prefix, and may be changed.
        """
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def _register_load_state_dict_pre_hook(self, hook: Hook, with_module: bool = False) -> Handle:
        """As register_load_state_dict_pre_hook; the hook is given the module only if asked."""
        return self._hook_state("before_load", (hook, with_module))

    def register_load_state_dict_post_hook(self, hook: Hook) -> Handle:
        """`hook(module, incompatible_keys)` after loading; it may change the lists of names."""
        return self._hook_state("after_load", hook)

    def get_extra_state(self) -> Any:
        """What a subclass wants saved beside its tensors, under the name `_extra_state`."""
        raise RuntimeError("Module.get_extra_state: a subclass defines it")

    def set_extra_state(self, state: Any) -> None:
        """Takes back what get_extra_state gave."""
        raise RuntimeError("Module.set_extra_state: a subclass defines it")

    def state_dict(self, *, destination: Any = None, prefix: str = "", keep_vars: bool = False) -> dict[str, Any]:
        """Parameters and persistent buffers by dotted name, sharing their storage."""
        out: Any = destination
        if out is None:
            out = OrderedDict()
            out._metadata = OrderedDict()
        local = {"version": self._version}
        if hasattr(out, "_metadata"):
            out._metadata[prefix[:-1]] = local
        for before in self._state_hooks_of("before_save"):
            before(self, prefix, keep_vars)
        self._save_to_state_dict(out, prefix, keep_vars)
        for name, m in self._modules.items():
            if m is not None:
                m.state_dict(destination=out, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook, public in self._state_hooks_of("after_save"):
            result = hook(self, out, prefix, local)
            if public and result is not None:
                raise RuntimeError("state_dict post-hook must return None")
            out = out if result is None else result
        return out  # type: ignore[no-any-return]  # a dict, or what a hook made of it

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        """This module's own part of a state dict; subclasses may extend it."""
        for name, x in own_tensors(self).items():
            destination[prefix + name] = x if keep_vars else x.detach()
        if type(self).get_extra_state is not Saving.get_extra_state:
            destination[prefix + EXTRA] = self.get_extra_state()

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Keys:
        """Copies tensors into parameters and buffers by name.

        strict: every name must match.  assign: the tensors themselves become the module's, in their own dtypes, instead
        of being copied.  Raises RuntimeError listing missing and unexpected names and shape mismatches; nothing is
        changed then (where a post-hook is registered, names are judged after it, and what fits is loaded).
        """
        return Keys(*load_into(self, state_dict, strict, assign))

    def _load_from_state_dict(self, state_dict: Any, prefix: str, local_metadata: Any, strict: bool, missing_keys: list[str],
                              unexpected_keys: list[str], error_msgs: list[str]) -> None:  # fmt: skip
        """Loads this module's own part; subclasses may extend it. Copies are made after the whole dict has been checked."""
        for hook, with_module in self._state_hooks_of("before_load"):
            own = (self,) if with_module else ()
            hook(*own, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        assign = local_metadata.get("assign_to_params_buffers", False)
        missing: list[str] = []
        local_metadata[WRITES] += load_own(self, state_dict, prefix, assign, missing, error_msgs)
        missing_keys += missing if strict else []
        extra = prefix + EXTRA
        if type(self).set_extra_state is not Saving.set_extra_state:
            if extra in state_dict:
                local_metadata[WRITES].append(lambda: self.set_extra_state(state_dict[extra]))
            elif strict:
                missing_keys.append(extra)
        elif strict and extra in state_dict:
            unexpected_keys.append(extra)
        unexpected_keys += surplus(self, state_dict, prefix) if strict else []
