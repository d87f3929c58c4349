"""What YAML means as a manifest, and what is refused of it."""

import time

import pytest

from tests.batches.reading import faults, videos


def test_texts_of_yaml_stay_texts() -> None:
    data = """
    - {name: a, model: viduq3-pro, prompt: yes, aspect_ratio: 16:9, duration: 5, audio: true, seed: 0x10}
    - name: 2026-12-01
      model: kling-3
      prompt: !!str 12
      a: on
      b: 1_000
      c: 2026-12-01
      d: 0o17
      e: .5
      f: ~
      g: [no, null, 1e3]
      h: "12"
    """
    first, second = videos(data, "a.yaml")
    assert (first.request.prompt, first.request.body()["aspect_ratio"]) == ("yes", "16:9")
    assert (first.request.body()["audio"], first.request.body()["seed"]) == (True, 16)
    assert (second.name, second.request.prompt) == ("2026-12-01", "12")
    assert second.request.model_extra == {
        "a": "on",
        "b": "1_000",
        "c": "2026-12-01",
        "d": 15,
        "e": 0.5,
        "g": ["no", None, 1000.0],
        "h": "12",
    }


def test_yaml_1_1_by_its_own_word_is_read_as_1_2_all_the_same() -> None:
    (item,) = videos("%YAML 1.1\n---\n- {name: a, model: viduq3-pro, prompt: yes, aspect_ratio: 16:9}\n", "a.yaml")
    assert (item.request.prompt, item.request.body()["aspect_ratio"]) == ("yes", "16:9")


def test_all_faults_of_a_yaml_are_told_at_once() -> None:
    data = """\
defaults:
  model: viduq3-pro
  model: viduq2-pro
video: []
videos:
  - name: a
    name: b
    prompt: x
  - just a text
  - name: c
    prompt: !!python/object/apply:os.system [echo]
    seed: !!int "5"
    <<: {a: 1}
  - &loop
    name: d
    prompt: *loop
  - name: e
    prompt: *nowhere
    duration: .inf
  - name: f
    prompt: x
    style: {a: 1, a: 2}
"""
    found = faults(data, "a.yaml")
    assert [(place, column) for place, column, _ in found] == [
        ("top level", "video"),
        ("defaults", "model"),
        ("video 1, line 6", "name"),
        ("video 2, line 9", ""),
        ("video 3, line 10", "prompt"),
        ("video 3, line 10", "seed"),
        ("video 3, line 10", "<<"),
        ("video 4, line 14", "prompt"),
        ("video 5, line 17", "prompt"),
        ("video 5, line 17", "duration"),
        ("video 6, line 20", "style"),
    ]


@pytest.mark.parametrize(
    ("data", "line", "part"),
    [
        ("- name: x\n  prompt: {city} in rain\n", "line 2", "needs quotes"),
        ("- name: x\n  prompt: a: b\n", "line 2", "needs quotes"),
        ("- name: x\n- [\n", "line 3", "not YAML"),
        ("- {? [a]: 1}\n", "line 1", "a key is a text"),
        ("- name: x\n---\n- name: y\n", "line 2", "second document"),
        ("- name: \x07\n", "line 1", "not YAML"),
        ("name: x\n", "top level", "videos"),
        ("5", "top level", "a list of videos"),
        ("videos: 5", "top level", "a list of videos"),
        ("- " * 100, "line 1", "50 levels"),
        ('- "\\UFFFFFFFF"', "", "not YAML"),
    ],
)
def test_what_is_no_list_of_videos_is_refused_with_its_line(data: str, line: str, part: str) -> None:
    place, _, found = faults(data, "a.yaml")[-1]
    assert place in {line, ""}
    assert part in found


def test_a_text_in_braces_without_quotes_is_told() -> None:
    assert faults("- {name: {city}, model: viduq3-pro, prompt: x, city: y}\n", "a.yaml")[0][:2] == (
        "video 1, line 1",
        "name",
    )


def test_aliases_share_values() -> None:
    data = "defaults: &base {model: viduq3-pro}\nvideos:\n- {name: a, prompt: &p a cat}\n- {name: b, prompt: *p}\n"
    assert [item.request.prompt for item in videos(data, "a.yaml")] == ["a cat", "a cat"]


def test_a_billion_laughs_are_refused_at_once() -> None:
    bomb = "- &a0 [lol, lol]\n" + "".join(f"- &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30))
    began = time.monotonic()
    ((place, _, found),) = faults(bomb, "a.yaml")
    assert time.monotonic() - began < 5
    assert place.startswith("line ")
    assert "aliases" in found
