"""SIP without I/O, standard library only: messages, transactions, dialogs and digest (RFC 3261 and friends).

Nothing in this package opens a socket, reads a clock or logs: bytes and times come in, values go out.
"""
