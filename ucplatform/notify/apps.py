"""Registers the app."""

from django.apps import AppConfig


class NotifyConfig(AppConfig):
    name = "ucplatform.notify"
