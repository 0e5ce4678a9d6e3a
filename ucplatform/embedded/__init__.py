"""One command for everything: `manage.py up`, the supervisor."""
