"""`pip install gateway/csrc` builds the native relay; it needs a C compiler and Python's headers."""

from setuptools import setup

setup(name="uc-relay", version="1", py_modules=[], cffi_modules=["build.py:ffibuilder"])
