#!/usr/bin/env python3
"""check_markup.py FOLDER: every .svg below it is XML whose shapes lie within the picture, every .html is balanced and
refers to nothing outside of itself."""
import pathlib
import re
import sys
import xml.etree.ElementTree
from html.parser import HTMLParser

VOID = {"meta", "br"}
FOREIGN = {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
NUMBER = re.compile(r"-?\d+(\.\d+)?%?$")
problems = []


def check_element(name, element, width, height):
    values = element.attrib
    for key in ("x", "y", "width", "height", "cx", "cy", "font-size"):
        if key in values and not NUMBER.match(values[key]):
            problems.append(f"{name}: {key} is {values[key]}")
        elif key in values and not 0 <= float(values[key]) <= max(width, height):
            problems.append(f"{name}: {key} {values[key]} lies outside")
    if re.search("nan|inf", values.get("d", "")):
        problems.append(f"{name}: path {values['d']}")


def check_svg(path):
    root = xml.etree.ElementTree.parse(path).getroot()
    _, _, width, height = (float(part) for part in root.attrib["viewBox"].split())
    if root.tag != "{http://www.w3.org/2000/svg}svg":
        problems.append(f"{path}: the root is {root.tag}")
    for element in root.iter():
        check_element(path, element, width, height)


class Page(HTMLParser):
    def __init__(self, name):
        super().__init__()
        self.name, self.open = name, []

    def handle_starttag(self, tag, attributes):
        if tag in FOREIGN:
            problems.append(f"{self.name}: element {tag}")
        for key, value in attributes:
            if key in ("src", "href", "xlink:href") or key.startswith("on") or "url(" in (value or ""):
                problems.append(f"{self.name}: attribute {key} {value}")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            problems.append(f"{self.name}: line {self.getpos()[0]}: </{tag}> closes nothing")

    def handle_data(self, data):
        if "@import" in data or "url(" in data:
            problems.append(f"{self.name}: style refers to the outside")


def check_html(path):
    page = Page(path)
    page.feed(path.read_text(encoding="utf-8"))
    page.close()
    if page.open:
        problems.append(f"{path}: never closed: {page.open}")


folder = pathlib.Path(sys.argv[1])
pictures, pages = sorted(folder.rglob("*.svg")), sorted(folder.rglob("*.html"))
for picture in pictures:
    check_svg(picture)
for html in pages:
    check_html(html)
if not pictures or not pages:
    problems.append(f"no reports in {folder}")
print("\n".join(problems) or f"{len(pictures)} pictures and {len(pages)} pages are fine")
sys.exit(bool(problems))
