"""Templates: Jinja with strict names; every value is escaped unless a template says it is Markdown already."""

import functools
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from trainwright.report.markdown import escape, yaml_value
from trainwright.report.words import times

if TYPE_CHECKING:
    from jinja2 import Environment


def render_template(name: str, values: Mapping[str, object]) -> str:
    """Fill ``report/templates/<name>``. A name the template uses and ``values`` lacks is an error.

    The text ends with one newline; runs of empty lines become one.
    """
    text = text_templates().get_template(name).render(dict(values))
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


@functools.cache
def text_templates() -> "Environment":
    """The templates of texts, each compiled once in a process."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("trainwright.report", "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # Markdown, not HTML: `md` escapes for it
    )
    environment.filters["md"] = escape
    environment.filters["yaml"] = yaml_value
    environment.filters["times"] = times
    return environment
