"""One look for all figures: palette, type, axes, and PNG bytes that depend on nothing but the content."""

import io
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito (2008), "Color Universal Design": told apart with every common colour vision deficiency.
BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
SKY, ORANGE, YELLOW = "#56B4E9", "#E69F00", "#B8A800"  # yellow darkened for contrast on white
CYCLE = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, YELLOW)
PART_COLOUR = {"train": BLUE, "val": VERMILLION, "test": GREEN, "oof": PURPLE}
INK, SOFT, FAINT, GRID = "#1b1f24", "#57606a", "#aab2bd", "#e7eaee"

DPI = 144
WIDTH = 7.4  # inches: 1066 pixels, a report column on a high-density screen
_TITLE_CHARACTERS = 74  # what fits the width at the title's size, measured with DejaVu Sans


@contextmanager
def look() -> Iterator[None]:
    """The settings figures are drawn under; a user's own matplotlibrc has no say, and gets its settings back."""
    import matplotlib as mpl

    settings: dict[str, object] = {
        "font.family": ["DejaVu Sans"],
        "font.size": 9.0,
        "text.color": INK,
        "text.parse_math": False,  # a class named "$50" is text
        "text.usetex": False,
        "axes.edgecolor": FAINT,
        "axes.labelcolor": SOFT,
        "axes.labelsize": 9.0,
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.grid": False,
        "axes.unicode_minus": True,
        "axes.formatter.useoffset": False,
        "axes.formatter.use_mathtext": False,
        "grid.color": GRID,
        "grid.linewidth": 0.8,
        "xtick.color": FAINT,
        "ytick.color": FAINT,
        "xtick.labelcolor": SOFT,
        "ytick.labelcolor": SOFT,
        "xtick.labelsize": 8.5,
        "ytick.labelsize": 8.5,
        "lines.linewidth": 1.8,
        "lines.solid_capstyle": "round",
        "legend.frameon": False,
        "legend.fontsize": 8.5,
        "figure.facecolor": "white",
        "savefig.facecolor": "white",
        "savefig.bbox": None,
        "path.simplify": True,
    }
    with mpl.rc_context(settings):  # type: ignore[arg-type]  # the stubs list every key literally
        yield


def figure(
    title: str, subtitle: str, *, height: float = 4.1, columns: int = 1, below: float = 0.0
) -> "tuple[Figure, list[Axes]]":
    """A figure that states its finding on top, with ``columns`` axes side by side.

    ``below`` is the height, as a share of the axes, of further axes under them.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lines = textwrap.wrap(title, _TITLE_CHARACTERS)[:2] or [""]
    small = textwrap.wrap(subtitle, 108)[:2]
    top = 0.16 + 0.215 * len(lines) + 0.17 * len(small) + 0.1  # inches above the axes
    made = Figure(figsize=(WIDTH, height + 0.2 * (len(lines) - 1)), dpi=DPI, layout="constrained")
    FigureCanvasAgg(made)
    tall = made.get_figheight()
    layout = made.get_layout_engine()
    assert layout is not None
    layout.set(rect=(0.008, 0.012, 0.984, 1 - top / tall - 0.012))  # type: ignore[call-arg]  # constrained layout has it
    made.text(0.018, 1 - 0.13 / tall, "\n".join(lines), ha="left", va="top", fontsize=11.5, weight="bold")
    under = 1 - (0.16 + 0.215 * len(lines)) / tall
    made.text(0.018, under, "\n".join(small), ha="left", va="top", fontsize=8.5, color=SOFT)
    if below:
        axes = made.subplots(2, columns, squeeze=False, sharex="col", height_ratios=(1, below))
    else:
        axes = made.subplots(1, columns, squeeze=False)
    return made, list(axes.flat)


def grid(axes: "Axes", axis: str = "y") -> None:
    """Faint lines to read values by."""
    axes.grid(visible=True, axis="y" if axis == "y" else "x" if axis == "x" else "both")
    axes.tick_params(length=0)


def label_ends(axes: "Axes", ends: Sequence[tuple[float, str, str]]) -> None:
    """Names at the right ends of lines instead of a legend: (height, text, colour), moved apart where they collide."""
    low, high = axes.get_ylim()
    apart = (high - low) * 0.065
    placed: list[float] = []
    for height, name, colour in sorted(ends):
        at = max(height, placed[-1] + apart) if placed else height
        placed.append(at)
        axes.annotate(
            name,
            (1.0, at),
            xycoords=("axes fraction", "data"),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            fontsize=8.5,
            weight="bold",
            annotation_clip=False,
        )


def png(made: "Figure") -> bytes:
    """The figure as PNG bytes, without version or date in it.

    Drawn once: ``savefig`` draws a figure with a layout twice, first to place everything.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = made.canvas
    assert isinstance(canvas, FigureCanvasAgg)  # `figure` gave it
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = canvas.buffer_rgba()  # type: ignore[no-untyped-call]
    drawn = Image.frombuffer("RGBA", canvas.get_width_height(), pixels, "raw", "RGBA", 0, 1)
    buffer = io.BytesIO()
    drawn.convert("RGB").save(buffer, format="png", dpi=(DPI, DPI))  # the face is white: nothing shines through
    return buffer.getvalue()
