"""Who can sign in and which numbers there are: users, extensions and what an administrator sets."""
