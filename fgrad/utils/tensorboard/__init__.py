"""Logs for TensorBoard: PyTorch's utils.tensorboard on the `tensorboard` package.

Inside: pictures < projector, summaries; protos < summaries, curves, graphs < writer.
"""

from fgrad.utils.tensorboard.writer import FileWriter, SummaryWriter

__all__ = ["FileWriter", "SummaryWriter"]
