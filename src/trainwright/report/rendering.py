"""Templates: Jinja with strict names; every value is escaped unless a template says it is Markdown already."""

from collections.abc import Mapping

from trainwright.report.markdown import escape, yaml_value
from trainwright.report.words import times


def render_template(name: str, values: Mapping[str, object]) -> str:
    """Fill ``report/templates/<name>``. A name the template uses and ``values`` lacks is an error.

    The text ends with one newline; runs of empty lines become one.
    """
    import re

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
    text = environment.get_template(name).render(dict(values))
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"
