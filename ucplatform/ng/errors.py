"""Errors of the NG reader."""


class NgError(Exception):
    """What arrived is no NG message, or is more of one than we take."""
