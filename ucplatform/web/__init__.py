"""The pages around the app: shell, sign-in, UI events, health and metrics; `manage.py web`."""
