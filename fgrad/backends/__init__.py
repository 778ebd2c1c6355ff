"""Graph -> Program. The only room that knows cupy and llvmlite."""
