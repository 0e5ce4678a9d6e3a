"""The edge: the loop in which every SIP transaction, dialog and call of this machine lives."""
