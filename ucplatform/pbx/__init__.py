"""The rules of a telephone system, without I/O: who may call, what rings, when a call ends, what is
recorded."""
