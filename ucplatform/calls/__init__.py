"""The history: one row per call, its rating, and the reader of its message trace."""
