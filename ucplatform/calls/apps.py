"""Registers the app."""

from django.apps import AppConfig


class CallsConfig(AppConfig):
    name = "ucplatform.calls"
