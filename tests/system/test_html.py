"""ckpt_inspect --html: what the page shows, that it loads nothing, and that no name becomes markup."""

import html.parser
import os
import re
import stat

import pytest

HOSTILE = "<img src=x onerror=alert(1)>\"'&amp;</td></script><!--"

PROGRAM = """
import ctypes, os, signal, sys, threading, time
hostile = sys.argv[1]
data = bytearray(os.urandom(3 << 20)) + bytearray(5 << 20)
os.makedirs(hostile.replace("/", "_"))
log = open(hostile.replace("/", "_") + "/\\u202elog<b>", "a")
ctypes.CDLL(None).prctl(15, b"<i>comm</i>", 0, 0, 0)
threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
if os.fork() == 0:
    signal.pause()
print("ready", flush=True)
while True:
    time.sleep(0.1)
"""

VOID = {"meta", "input", "br", "line", "rect"}
KNOWN = VOID | {"html", "head", "title", "style", "body", "h1", "h2", "h3", "p", "div", "b", "span", "bdi", "a", "i", "small",
                "table", "thead", "tbody", "tr", "th", "td", "details", "summary", "label", "pre", "figure", "figcaption", "svg",
                "text"}
ATTRIBUTES = {"lang", "charset", "http-equiv", "content", "name", "class", "style", "id", "open", "href", "title", "type",
              "checked", "for", "viewbox", "role", "aria-label", "x", "y", "x1", "x2", "y1", "y2", "width", "height",
              "text-anchor"}


class Page(html.parser.HTMLParser):
    """Text by class and tag; fails for what is not closed in order, not known, or loads something."""

    def __init__(self, source):
        super().__init__()
        self.open, self.texts, self.titles, self.tags = [], [], [], []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        assert tag in KNOWN, tag
        for name, value in attrs:
            assert name in ATTRIBUTES, name
            assert name != "href" or re.fullmatch(r"#p\d+", value)
            if name == "title":
                self.titles.append(value)
            if name == "style":
                assert re.fullmatch(r"[a-z:0-9.;%-]+(px)?", value), value
        # a title in a drawing has no text of a page
        if tag not in VOID or tag == "rect":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, (tag, self.open)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1] == "style":
            assert "url(" not in data and "@import" not in data
        elif data.strip():
            self.texts.append((self.open[-1], data.strip()))

    def handle_comment(self, data):
        raise AssertionError("comment: " + data)

    def all(self, tag):
        return [text for t, text in self.texts if t == tag]


@pytest.fixture
def image(ckpt):
    env = {"MY_TOKEN": "geheim1", "PLAIN": HOSTILE}
    job = ckpt.launch(["/usr/bin/python3", "-c", PROGRAM, HOSTILE], env=env)
    job.wait_output("ready\n")
    ckpt.checkpoint()
    result = ckpt.checkpoint()
    job.kill_all()
    return dict(result, pid=job.pid)


def page_of(ckpt, image, *options):
    path = ckpt.path("page.html")
    done = ckpt.run("ckpt_inspect", "--html", path, *options, image["image"])
    assert done.returncode == 0 and done.stdout == done.stderr == "", done.stderr
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    with open(path, encoding="utf-8") as f:
        source = f.read()
    assert "geheim" not in source or "--secrets" in options
    return Page(source), source


def test_page_shows_the_job(ckpt, image):
    page, source = page_of(ckpt, image, "--environment", "--locals", "--stacks")
    assert "Content-Security-Policy" in source and "prefers-color-scheme:dark" in source
    assert page.all("h1") == [", checkpoint 2"]
    assert "Generations" in page.all("h2") and len(page.all("figcaption")) == 2 and page.tags.count("rect") == 4
    # the tree: both processes, the second below the first
    assert source.count('<a href="#p') == 2 and page.tags.count("details") > 8
    assert any(re.fullmatch(r".*padding-left:28px.*", line) for line in source.splitlines())
    # memory, in both maps
    assert sum(t.startswith("[heap]: ") for t in page.titles) == 4
    big = [t for t in page.titles if t.startswith("anonymous: ") and re.search(r"([89]|1\d)(\.\d)? MiB", t)]
    assert big and all("on disk" in t for t in big)
    # what it was doing
    assert "hostile" not in " ".join(page.all("summary"))
    pre = " ".join(page.all("pre") + page.all("span"))
    assert "<module>" in pre and "hostile = " in pre and "clock_nanosleep" in pre
    assert page.all("bdi").count("(hidden)") >= 2


def test_names_stay_names(ckpt, image):
    page, source = page_of(ckpt, image, "--environment")
    names = page.all("bdi")
    assert HOSTILE in names  # the variable
    assert "<i>comm</i>" in names
    assert any(n.endswith("/\N{REPLACEMENT CHARACTER}log<b>") and "<img src=x" in n for n in names)
    assert "<img" not in source and "<script" not in source and "\u202e" not in source


def test_page_that_can_not_be_written(ckpt, image):
    def refused(text, *args):
        done = ckpt.run("ckpt_inspect", "--html", *args)
        assert done.returncode == 1 and done.stdout == "" and len(done.stderr.splitlines()) == 1
        assert text in done.stderr, done.stderr
    refused("cannot open no/such/page: No such file", "no/such/page", image["image"])
    refused("no regular file", "/dev/null", image["image"])
    size = os.path.getsize(image["image"])
    refused("that is the image itself", image["image"], image["image"])
    assert os.path.getsize(image["image"]) == size
    refused("not a regular file", "page.html", ckpt.images)
    refused("not an image", "page.html", ckpt.file("text", "hello"))
    assert not os.path.exists(ckpt.path("page.html"))


def test_one_generation_has_no_chart(ckpt):
    job = ckpt.launch(["/usr/bin/python3", "-c", "import time; print('ready', flush=True); time.sleep(600)"])
    job.wait_output("ready\n")
    image = {"image": ckpt.checkpoint()["image"]}
    job.kill()
    page, _ = page_of(ckpt, image)
    assert "Generations" not in page.all("h2") and "svg" not in page.tags
    assert page.all("h1") == [", checkpoint 1"] and page.all("title")[0] == "python3, checkpoint 1"
