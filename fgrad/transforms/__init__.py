"""Graph -> graph: jvp, vjp (its transpose), batch, inline. Imports `ir` and `errors` only.

Inside: jvp < vjp, batch, inline. The user functions grad, vmap, jit live in `eager`.
"""
