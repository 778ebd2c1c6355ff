"""jax.ad_checkpoint: what the reverse pass keeps, and its names."""

from fgrad.eager.remat import checkpoint, checkpoint_name, checkpoint_policies, remat

__all__ = ["checkpoint", "checkpoint_name", "checkpoint_policies", "remat"]
