"""What happens inside a call that is up, one feature a file."""
