"""Template tags of the pages around the app."""

from django import template

from ucplatform.directory import actions

register = template.Library()


@register.simple_tag
def company() -> str:
    """The company's name as the administrator set it, '' if not."""
    return str(actions.option("company"))
