"""A report as one HTML file that needs nothing else, and as Markdown with figures beside it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.token import Token

TEMPLATE = "report.html.jinja"
FIGURES = "figures"  # folder beside the Markdown file
SPECIAL = str.maketrans({sign: f"\\{sign}" for sign in r"\`*_[]<>|!#~"})


@dataclass(frozen=True)
class Answer:
    """A box of the first screen: heading and text."""

    heading: str
    text: str


@dataclass(frozen=True)
class Document:
    """The text of a report, in Markdown; text of users is escaped where it is put in.

    Attributes:
        title: What was studied.
        kind: study, ablation or experiment.
        answers: The first screen: what was asked, found, how sure that is, what to do with it.
        body: The sections, each under a heading of the second level; figures by `figure`.
        figures: PNG by the name that the body uses.
    """

    title: str
    kind: str
    answers: Sequence[Answer]
    body: str
    figures: Mapping[str, bytes] = field(default_factory=dict)


def as_html(document: Document) -> str:
    """The document as one HTML file: figures, style and script are inside."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    body, sections = _rendered(document.body, document.figures)
    return environment.get_template(TEMPLATE).render(
        document=document,
        answers=[(answer.heading, _rendered(answer.text)[0]) for answer in document.answers],
        sections=sections,
        body=body,
    )


def as_markdown(document: Document) -> str:
    """The document as Markdown; its figures lie in figures/."""
    first = "\n\n".join(f"**{answer.heading}**\n\n{answer.text}" for answer in document.answers)
    return f"# {escaped(document.title)}\n\n{first}\n\n{document.body}\n"


def figure(name: str, shows: str) -> str:
    """A figure of the document in its body."""
    return f"![{shows}]({FIGURES}/{name})"


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table whose cells may hold anything."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(escaped(str(c)) for c in line) + " |" for line in lines)


def escaped(text: str) -> str:
    """Somebody's words as Markdown that shows them as they are."""
    flat = " ".join(text.split())
    return flat if flat == "---" else flat.translate(SPECIAL)


def code(text: str, language: str = "") -> str:
    """A block of code."""
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}\n{text.strip()}\n{fence}"


def inline_code(text: str) -> str:
    """Code within a sentence."""
    fence = "`" * (_longest_run(text) + 1)
    return f"{fence}{text}{fence}"


def _longest_run(text: str) -> int:
    """Length of the longest run of backticks."""
    return max((len(list(run)) for sign, run in groupby(text) if sign == "`"), default=0)


def _rendered(
    text: str, figures: Mapping[str, bytes] | None = None
) -> tuple[str, list[tuple[str, str]]]:
    """HTML of Markdown, and anchor and text of its sections.

    Raw HTML is text; the first two levels of headings are sections; tables scroll by themselves; a
    config is folded away; a figure alone in its paragraph can be enlarged.
    """
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(text)
    sections: list[tuple[str, str]] = []
    shown: list[Token] = []
    for place, token in enumerate(tokens):
        alone = tokens[place - 1 : place + 2]
        if token.type == "heading_open" and token.tag in ("h1", "h2"):
            heading = _words(tokens[place + 1])
            anchor = "-".join("".join(c if c.isalnum() else " " for c in heading.lower()).split())
            if not anchor or anchor in dict(sections):
                anchor += f"-{len(sections)}"
            sections.append((anchor, heading))
            token.tag = "h2"
            token.attrSet("id", anchor)
        elif token.type == "heading_close" and token.tag == "h1":
            token.tag = "h2"
        elif token.type in ("fence", "code_block"):
            token = _html(_block_of_code(token))
        elif token.type == "table_open":
            shown.append(_html('<div class="wide" tabindex="0">'))
        elif _is_figure(alone):
            shown.pop()
            token = _html(_figure(alone[1], figures or {}))
        elif _is_figure(tokens[place - 2 : place + 1]):
            continue  # the end of its paragraph
        shown.append(token)
        if token.type == "table_close":
            shown.append(_html("</div>\n"))
    return markdown.renderer.render(shown, markdown.options, {}), sections


def _is_figure(tokens: Sequence[Token]) -> bool:
    """Whether these are a paragraph that holds an image and nothing else."""
    if [token.type for token in tokens] != ["paragraph_open", "inline", "paragraph_close"]:
        return False
    return [child.type for child in tokens[1].children or ()] == ["image"]


def _figure(inline: Token, figures: Mapping[str, bytes]) -> str:
    image = (inline.children or [])[0]
    source, words = str(image.attrs["src"]), escape(_words(image))
    png = figures.get(source.removeprefix(f"{FIGURES}/"))
    if png is not None:
        source = f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
    return (
        f'<figure><button type="button" class="enlarge" aria-label="Enlarge: {words}">'
        f'<img src="{escape(source)}" alt="{words}" /></button>'
        f"<figcaption>{words}</figcaption></figure>\n"
    )


def _block_of_code(token: Token) -> str:
    block = f'<pre tabindex="0"><code>{escape(token.content)}</code></pre>\n'
    if token.info != "yaml":
        return block
    return f"<details><summary>Show the whole config</summary>{block}</details>\n"


def _words(token: Token) -> str:
    """The text of a token and of what is inside it, without any mark-up."""
    if not token.children:
        return token.content
    return "".join(map(_words, token.children))


def _html(text: str) -> Token:
    return Token("html_block", "", 0, content=text)
