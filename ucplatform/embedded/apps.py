"""Tells Django where `manage.py up` lives."""

from django.apps import AppConfig


class EmbeddedConfig(AppConfig):
    name = "ucplatform.embedded"
    label = "embedded"
