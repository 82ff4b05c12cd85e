"""The site that `make docs` has built: no request to other hosts, every public name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import vlatent

SITE = Path(__file__).parents[2] / "build" / "site"
PAGES = sorted(SITE.rglob("*.html"))
TAG = re.compile(r"<(?:link|script|img|iframe|source|video)\b[^>]*>")
ELSEWHERE = re.compile(r"""(?:src|srcset|href)=["']?(?:https?:)?//""")
STYLE = re.compile(r"""(?:@import|url\()\s*["']?(?:https?:)?//""")


def test_no_page_asks_another_host() -> None:
    assert len(PAGES) > 15
    for page in PAGES:
        tags = TAG.findall(page.read_text(encoding="utf-8"))
        assert tags
        assert [tag for tag in tags if ELSEWHERE.search(tag)] == [], page
    for sheet in SITE.rglob("*.css"):
        assert not STYLE.search(sheet.read_text(encoding="utf-8")), sheet


@pytest.mark.parametrize("name", sorted(vlatent._HOME))
def test_every_public_name_is_explained(name: str) -> None:
    home = f"vlatent.{vlatent._HOME[name]}.{name}"
    pages = [page.read_text(encoding="utf-8") for page in SITE.glob("api/*.html")]
    assert any(f'id="{home}"' in page for page in pages)
