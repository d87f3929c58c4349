"""Whatever text a secret stands in, and however it is written there: it comes out without it."""

import base64
import html
import json
import re
from collections.abc import Callable
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from prefect_octopusx.api import InvalidRequest
from prefect_octopusx.api.redact import redact, redact_url
from tests.fuzzing import fuzz, texts

SECRET = ("t3rc3sT3RC3S" * 2)[::-1]  # not to be found here, where Hypothesis looks for texts to try

# How texts are written into other texts.
codings: list[Callable[[str], str]] = [
    str,
    lambda text: text.replace("/", r"\/"),
    lambda text: text.replace("/", "\\u002f").replace("=", "\\u003d").replace("&", "\\u0026"),
    lambda text: json.dumps(text)[1:-1],
    lambda text: json.dumps(json.dumps(text).replace("/", r"\/"))[1:-1],
    html.escape,
    lambda text: html.escape(text).replace("/", "&#x2F;").replace("=", "&#x3D;"),
    lambda text: quote(text, safe=""),
    lambda text: quote(quote(text, safe=""), safe=""),
    lambda text: quote(text, safe=":?"),
]
cases = st.sampled_from([str, str.upper, str.title, str.lower, str.swapcase])


@st.composite
def signed(draw: st.DrawFn) -> str:
    """Draw a signed URL, or what is left of one."""
    scheme = draw(cases)(draw(st.sampled_from(["https:", "http:", "s3:", "tos:", ""])))
    user = draw(st.sampled_from(["", "", f"me:{SECRET}@", f"{SECRET}@", f"a:p@{SECRET}@"]))
    path = draw(st.sampled_from(["/a.png", "", "/", "/x%20y/a.mp4", "/a:b@c/d.mp4"]))
    name = draw(st.sampled_from(["X-Amz-Signature", "sig", "token", "Signature", "X-Tos-Signature", "q-sign", "k"]))
    before = draw(st.sampled_from(["", "Expires=1&", "f=a%3Db&", "a=b;", "p=%7B%22x%22%3A1%7D&"]))
    after = draw(st.sampled_from(["", "&Expires=9", "#top", "&x-id=GetObject", "?"]))
    mark = draw(st.sampled_from("?#"))
    return f"{scheme}//{user}b.example.com:443{path}{mark}{before}{draw(cases)(name)}={SECRET}{after}"


@st.composite
def broken(draw: st.DrawFn) -> str:
    """Draw a signature in a URL that is not to be told as one."""
    start = draw(st.sampled_from(["GET /a.mp4?", "b.example.com/a?x=1&", "https://b/a?f='a.mp4'&", "query: ", "&"]))
    name = draw(st.sampled_from(["X-Amz-Signature", "X-Amz-Security-Token", "x-goog-signature", "Signature"]))
    return start + draw(cases)(name) + "=" + SECRET


@st.composite
def picture(draw: st.DrawFn) -> str:
    """Draw an inline picture, in lines or not; its base64 repeats the secret."""
    payload = base64.b64encode((SECRET * draw(st.integers(2, 40))).encode()).decode()
    width = draw(st.sampled_from([0, 0, 20, 64, 76]))
    end = draw(st.sampled_from(["\n", "\r\n", "\n  "]))
    lines = [payload[at : at + width] for at in range(0, len(payload), width)] if width else [payload]
    kind = draw(st.sampled_from(["image/png", "image/jpeg;charset=utf-8", "", "IMAGE/WEBP"]))
    head = draw(cases)(f"data:{kind};base64") + ","
    return head + draw(st.sampled_from(["", end])) + end.join(lines)


keys = st.sampled_from(
    [
        *(f"sk-{SECRET}", f"Bearer {SECRET}", f"bearer  sk-{SECRET}", f"Authorization: Bearer {SECRET}+/x=="),
        *(f'"Authorization": "Basic {SECRET}"', f"authorization={SECRET}", f"token={SECRET}", f"api_key={SECRET}"),
    ]
)
# What stands before a secret: anything that can't be a part of its first word.
before = st.sampled_from(
    [*("", " ", '"', "'", "<", "(", "=", ":", "\n", "\\n", "\t", ", ", "%20", "%3D", "\\u003d", "→", "…", '{"url":"')]
)
after = st.sampled_from([" ", '"', "'", ">", "\n", " done.", '","x":1}', ") ", "</a>"])


@st.composite
def woven(draw: st.DrawFn) -> str:
    """Draw a text with some secrets in it."""
    text = draw(texts)
    for _ in range(draw(st.integers(1, 3))):
        secret = draw(st.one_of(signed(), broken(), picture(), keys))
        text += draw(before)
        if text[-1:].isalpha() and not re.search(r"\\n$|%3D$|\\u003d$", text):
            text += " "
        text += draw(st.sampled_from(codings))(secret) + draw(after) + draw(texts)
    return text


def forms() -> list[str]:
    """Return all that must not be seen: the secret in any case, and every stretch of its base64, wherever it begins."""
    alike = [base64.b64encode((SECRET * 3)[shift:].encode()).decode()[:24] for shift in range(len(SECRET))]
    return [SECRET.lower(), *(form.lower() for form in alike)]


FORMS = forms()


def leaks(text: str) -> list[str]:
    return [form for form in FORMS if form in text.lower()]


@fuzz(300, cheap=100)
@given(woven())
def test_no_secret_comes_through(text: str) -> None:
    shown = redact(text)
    assert not leaks(shown), shown
    assert redact(shown) == shown
    assert not leaks(str(InvalidRequest(text, code=text, request_id=text)))


@fuzz(100, cheap=100)
@given(woven())
def test_an_address_is_shown_without_secrets_whatever_it_is(text: str) -> None:
    assert not leaks(redact_url(text))


@fuzz(100, cheap=100)
@given(st.text(st.sampled_from("ab1 .,:;/?#@%=&-_\\\"'<>\n…"), max_size=60))
def test_any_text_may_be_redacted_twice(text: str) -> None:
    shown = redact(text)
    assert redact(shown) == shown
