"""Registers the app."""

from django.apps import AppConfig


class DirectoryConfig(AppConfig):
    name = "ucplatform.directory"
