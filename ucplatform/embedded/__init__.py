"""The supervisor: every process of the house started, watched and stopped by one command."""
