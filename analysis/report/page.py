"""A report as one HTML file that needs nothing else, and as Markdown with pictures beside it."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt

TEMPLATE = "report.html.jinja"
PICTURES = "pictures"  # folder beside the Markdown file


@dataclass(frozen=True)
class Answer:
    """One of the few things that the first screen says."""

    heading: str
    text: str


@dataclass(frozen=True)
class Document:
    """What a report says, in Markdown; text of users is escaped where it is put in.

    Attributes:
        title: What was studied.
        kind: study or ablation.
        answers: The first screen: what was asked, found, how sure that is, what to do with it.
        body: The sections, each under a heading of the second level; a picture is
            `![what it shows](name.png)`.
        pictures: PNG by the name that the body uses.
    """

    title: str
    kind: str
    answers: Sequence[Answer]
    body: str
    pictures: Mapping[str, bytes] = field(default_factory=dict)


def as_html(document: Document) -> str:
    """One file without any reference to another: pictures, style and script are inside."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    body = _rendered(document.body)
    for name, png in document.pictures.items():
        encoded = base64.b64encode(png).decode("ascii")
        body = body.replace(f'src="{name}"', f'src="data:image/png;base64,{encoded}"')
    sections = re.findall(r'<h2 id="([^"]+)">(.*?)</h2>', body)
    return environment.get_template(TEMPLATE).render(
        document=document,
        answers=[(answer.heading, _rendered(answer.text)) for answer in document.answers],
        sections=sections,
        body=body,
    )


def as_markdown(document: Document) -> str:
    """The same for a place that shows Markdown; pictures lie in pictures/."""
    body = document.body
    for name in document.pictures:
        body = body.replace(f"]({name})", f"]({PICTURES}/{name})")
    first = "\n\n".join(f"**{each.heading}** {each.text}" for each in document.answers)
    return f"# {escaped(document.title)}\n\n{first}\n\n{body}\n"


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table whose cells may hold anything."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(escaped(str(c)) for c in line) + " |" for line in lines)


def escaped(text: str) -> str:
    """Somebody's words, so that Markdown takes nothing in them for its own."""
    flat = " ".join(text.split())
    if flat == "---":
        return flat
    return re.sub(r"([\\`*_\[\]<>|!#~])", r"\\\1", flat)


def code(text: str, language: str = "") -> str:
    """A block of code."""
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", text)), 3)
    return f"{fence}{language}\n{text.strip()}\n{fence}"


def inline_code(text: str) -> str:
    """Code within a sentence."""
    fence = "`" * max([1, *(len(run) + 1 for run in re.findall("`+", text))])
    return f"{fence}{text}{fence}"


def _rendered(text: str) -> str:
    """HTML of Markdown: raw HTML is text, headings have anchors, tables and pictures boxes.

    A whole config is folded away.
    """
    html: str = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    html = re.sub(
        r"<h2>(.*?)</h2>",
        lambda found: f'<h2 id="{_anchor(found[1])}">{found[1]}</h2>',
        html,
    )
    html = html.replace("<table>", '<div class="wide" tabindex="0"><table>')
    html = html.replace("</table>", "</table></div>")
    html = re.sub(
        r'<pre>(<code class="language-yaml">.*?)</pre>',
        r"<details><summary>Show the whole config</summary><pre>\1</pre></details>",
        html,
        flags=re.DOTALL,
    )
    html = html.replace("<pre>", '<pre tabindex="0">')
    return re.sub(
        r'<p><img src="([^"]*)" alt="([^"]*)" /></p>',
        r'<figure><button type="button" class="enlarge" aria-label="Enlarge: \2">'
        r'<img src="\1" alt="\2" /></button><figcaption>\2</figcaption></figure>',
        html,
    )


def _anchor(heading: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", re.sub("<.*?>", "", heading).lower()).strip("-")
