"""Everything that leaves a transaction: pushes to pages, announcements and commands to edges, heartbeats."""
