"""Skills: what is one, and that nothing outside of its folder is ever read."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
import skills_ref
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cairn.domain.skills import SkillLibrary
from cairn.domain.skills.document import LARGEST
from cairn.domain.skills.files import MOST_FILES
from cairn.errors import InvalidInput, NotFound

ABOUT = "name: pdf\ndescription: Reads PDFs. Use it when a PDF is given.\n"
WHOLE = f"""---
{ABOUT}license: Apache-2.0
compatibility: Needs poppler
metadata:
  author: acme
  version: "1.0"
allowed-tools: Bash(git:*) Read
---

# PDFs

Read [the guide](references/guide.md). --- is no fence.
"""


def write(root: Path, name: str, text: str | bytes, file: str = "SKILL.md") -> Path:
    path = root / name / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "skills"


@pytest.fixture
def library(root: Path) -> SkillLibrary:
    write(root, "pdf", WHOLE)
    return SkillLibrary(root)


async def test_a_skill_is_read_with_all_that_the_standard_knows(library: SkillLibrary, root: Path) -> None:
    write(root, "pdf", "guide", "references/guide.md")
    assert skills_ref.validate(root / "pdf") == []
    skill = await library.get("pdf")
    assert skill.about.model_dump() == {
        "name": "pdf",
        "description": "Reads PDFs. Use it when a PDF is given.",
        "license": "Apache-2.0",
        "compatibility": "Needs poppler",
        "metadata": {"author": "acme", "version": "1.0"},
        "allowed_tools": "Bash(git:*) Read",
    }
    theirs = skills_ref.read_properties(root / "pdf")
    assert skill.about.model_dump(by_alias=True) == theirs.to_dict()
    assert skill.body.startswith("# PDFs") and skill.body.endswith("no fence.")
    assert [file.path for file in skill.files] == ["SKILL.md", "references/guide.md"]


async def test_without_a_root_there_are_no_skills(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for nowhere in (tmp_path / "nowhere", tmp_path / "file"):
        found = await SkillLibrary(nowhere).all()
        assert (found.skills, found.skipped) == ([], [])
        with pytest.raises(NotFound):
            await SkillLibrary(nowhere).get("pdf")


REFUSED = {
    "no-fence": "name: no-fence\ndescription: d\n",
    "open-fence": "---\nname: open-fence\ndescription: d\n",
    "byte-order-mark": "\ufeff---\nname: byte-order-mark\ndescription: d\n---\n",
    "other-name": "---\nname: another\ndescription: d\n---\n",
    "no-name": "---\ndescription: d\n---\n",
    "no-description": "---\nname: no-description\n---\n",
    "blank-description": "---\nname: blank-description\ndescription: '  '\n---\n",
    "long-description": f"---\nname: long-description\ndescription: {'x' * 1025}\n---\n",
    "long-compatibility": f"---\nname: long-compatibility\ndescription: d\ncompatibility: {'x' * 501}\n---\n",
    "unknown-member": "---\nname: unknown-member\ndescription: d\nversion: 1\n---\n",
    "a-list": "---\n- name\n---\n",
    "a-text": "---\nname\n---\n",
    "nothing": "---\n---\n",
    "flow-style": "---\nname: flow-style\ndescription: d\nmetadata: {a: b}\n---\n",
    "tools-as-list": "---\nname: tools-as-list\ndescription: d\nallowed-tools:\n- Read\n---\n",
    "twice": "---\nname: twice\nname: twice\ndescription: d\n---\n",
    "an-anchor": "---\nname: &a an-anchor\ndescription: *a\n---\n",
    "a-tag": "---\nname: a-tag\ndescription: !!python/object/apply:os.getcwd []\n---\n",
    "unprintable": "---\nname: unprintable\ndescription: \x7f\n---\n",
    "broken": "---\nname: [\n---\n",
    "dashes-within": "---\nname: dashes-within\ndescription: a --- b\n---\n",
    "Upper": "---\nname: Upper\ndescription: d\n---\n",
    "double--hyphen": "---\nname: double--hyphen\ndescription: d\n---\n",
    "hyphen-": "---\nname: hyphen-\ndescription: d\n---\n",
    "under_score": "---\nname: under_score\ndescription: d\n---\n",
    "é": "---\nname: é\ndescription: d\n---\n",
    "n" * 65: f"---\nname: {'n' * 65}\ndescription: d\n---\n",
    "not-utf-8": b"---\nname: not-utf-8\ndescription: \xff\n---\n",
    "huge": b"---\nname: huge\ndescription: d\n---\n" + b"x" * LARGEST,
    "long-front-matter": f"---\nname: long-front-matter\ndescription: d\nlicense: {'x' * 17_000}\n---\n",
}
"""Documents that are no skills, by their folders; the reference takes those in ``STRICTER``."""
STRICTER = {"é", "huge", "long-front-matter", "dashes-within", "tools-as-list"}


@pytest.mark.parametrize("name", REFUSED, ids=lambda name: name[:20])
async def test_what_is_no_skill_is_skipped_with_its_reason(library: SkillLibrary, root: Path, name: str) -> None:
    write(root, name, REFUSED[name])
    found = await library.all()
    assert [skill.about.name for skill in found.skills] == ["pdf"]
    ((folder, reason),) = [(each.folder, each.reason) for each in found.skipped]
    assert folder == name and 5 < len(reason) < 200 and str(root) not in reason and "\n" not in reason
    with pytest.raises(NotFound):
        await library.get(name)
    with pytest.raises(NotFound):
        await library.open(name, "SKILL.md")


WORDS = st.text(st.sampled_from("ab1-:#'\"{}[]&*!|>%@` \n\t\\,é\u0085\u2028\x7f"), max_size=12)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.one_of(
        WORDS.map(lambda text: f"---\nname: a\ndescription: {text}\n---\nbody"),
        WORDS.map(lambda text: f"---\nname: a\ndescription: d\n{text}---\nbody"),
        WORDS.map(lambda text: f"---\nname: a\ndescription: |\n  {text}\nmetadata:\n  k: {text}\n---\n{text}"),
        WORDS.map(lambda text: f"---\r\nname: a\r\ndescription: d\r\nlicense: {text}\r\n---\r\nbody"),
        WORDS.map(lambda text: f"---{text}\nname: a\ndescription: d\n---{text}"),
    )
)
def test_the_reference_accepts_what_is_accepted(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write(root, "a", text)
        for skill in SkillLibrary(root).found().skills:
            assert skills_ref.validate(root / "a") == []
            theirs = skills_ref.read_properties(root / "a")
            assert theirs.description == skill.about.description.strip()
            assert theirs.to_dict().get("metadata", {}) == skill.about.metadata


def test_most_of_the_refused_are_refused_by_the_reference_too(tmp_path: Path) -> None:
    def refuses(name: str) -> bool:
        try:
            return bool(skills_ref.validate(write(tmp_path, name, REFUSED[name]).parent))
        except Exception:  # it does not catch all that is wrong with a file
            return True

    assert {name for name in REFUSED if not refuses(name)} == STRICTER


OUTSIDE = [
    "../secret",
    "references/../../secret",
    "..",
    ".",
    "",
    "/etc/passwd",
    "//etc/passwd",
    "references//guide.md",
    "references/",
    "./SKILL.md",
    "..\\secret",
    "a\0b",
    "\0",
]


@pytest.mark.parametrize("path", OUTSIDE)
async def test_a_path_that_leads_elsewhere_is_refused(library: SkillLibrary, root: Path, path: str) -> None:
    (root / "secret").write_text("secret")
    write(root, "pdf", "guide", "references/guide.md")
    with pytest.raises(InvalidInput):
        await library.open("pdf", path)


@pytest.mark.parametrize(
    "name", ["..", ".", "", "../skills/pdf", "/", "pdf/", "pdf\0", "pdf\n", "PDF", "%2e%2e", "a" * 5000]
)
async def test_a_name_that_leads_elsewhere_is_of_no_skill(library: SkillLibrary, root: Path, name: str) -> None:
    write(root.parent, ".", WHOLE)
    for ask in (library.get(name), library.open(name, "SKILL.md")):
        with pytest.raises(NotFound, match="No such skill"):
            await ask


async def test_links_are_followed_within_the_folder_alone(library: SkillLibrary, root: Path) -> None:
    secret = root.parent / "secret"
    secret.write_text("secret")
    write(root, "other", ABOUT.join(["---\n", "---\n"]).replace("pdf", "other"))
    write(root, "pdf", "inside", "references/guide.md")
    folder = root / "pdf"
    (folder / "in.md").symlink_to("references/guide.md")
    (folder / "out.md").symlink_to(secret)
    (folder / "next.md").symlink_to("../other/SKILL.md")
    (folder / "up").symlink_to("..")
    (folder / "round.md").symlink_to("round.md")
    (folder / "nowhere.md").symlink_to("nowhere")
    files = [file.path for file in (await library.get("pdf")).files]
    assert files == ["SKILL.md", "in.md", "references/guide.md"]
    with (await library.open("pdf", "in.md")).file as file:
        assert file.read() == b"inside"
    for path in ("out.md", "next.md", "up/other/SKILL.md", "round.md", "nowhere.md", "up", "references"):
        with pytest.raises(NotFound, match="no such file"):
            await library.open("pdf", path)


async def test_a_folder_or_document_that_is_a_link_out_of_the_root_is_no_skill(
    library: SkillLibrary, root: Path
) -> None:
    elsewhere = root.parent / "elsewhere"
    write(elsewhere, "linked", WHOLE.replace("name: pdf", "name: linked"))
    (root / "linked").symlink_to(elsewhere / "linked")
    (root / "document").mkdir()
    (root / "document" / "SKILL.md").symlink_to(elsewhere / "linked" / "SKILL.md")
    found = await library.all()
    assert [skill.about.name for skill in found.skills] == ["pdf"]
    assert {each.folder: "link" in each.reason for each in found.skipped} == {"linked": True, "document": True}
    with pytest.raises(NotFound):
        await library.open("linked", "SKILL.md")


async def test_a_root_that_is_a_link_and_a_volume_of_links_are_read(root: Path, library: SkillLibrary) -> None:
    # A volume as container platforms make it of a configuration.
    data = root / "volume" / "..2026_01"
    write(data, ".", WHOLE.replace("name: pdf", "name: volume"))
    (root / "volume" / "..data").symlink_to("..2026_01")
    (root / "volume" / "SKILL.md").symlink_to("..data/SKILL.md")
    (root.parent / "mounted").symlink_to(root)
    skill = await SkillLibrary(root.parent / "mounted").get("volume")
    assert [file.path for file in skill.files] == ["SKILL.md"]


async def test_hidden_files_pipes_and_devices_are_none_of_a_skills(library: SkillLibrary, root: Path) -> None:
    write(root, "pdf", "key", ".env")
    write(root, "pdf", "ref", ".git/HEAD")
    os.mkfifo(root / "pdf" / "pipe")
    assert [file.path for file in (await library.get("pdf")).files] == ["SKILL.md"]
    for path in (".env", ".git/HEAD", "pipe"):
        with pytest.raises((NotFound, InvalidInput)):
            await library.open("pdf", path)


@pytest.mark.parametrize(
    ("path", "content", "kind"),
    [
        ("a.md", "é".encode(), "text/markdown; charset=utf-8"),
        ("a.txt", b"\xe9", "text/plain"),
        ("a.py", b"print()", "text/x-python; charset=utf-8"),
        ("a.json", b"{}", "application/json; charset=utf-8"),
        ("a.yaml", b"a: 1", "application/yaml; charset=utf-8"),
        ("a.html", b"<p>", "text/html; charset=utf-8"),
        ("a.png", b"\x89PNG\r\n\x1a\n\0", "image/png"),
        ("a.tar.gz", b"\x1f\x8b\0", "application/gzip"),
        ("LICENSE", b"Apache", "text/plain; charset=utf-8"),
        ("blob", b"\0\1", "application/octet-stream"),
        ("empty", b"", "text/plain; charset=utf-8"),
        ("cut", "é".encode() * 2048 + b"x" + "é".encode(), "text/plain; charset=utf-8"),
        ("cut2", b"x" + "é".encode() * 3000, "text/plain; charset=utf-8"),
    ],
)
async def test_files_have_their_types(library: SkillLibrary, root: Path, path: str, content: bytes, kind: str) -> None:
    write(root, "pdf", content, path)
    (listed,) = [file for file in (await library.get("pdf")).files if file.path == path]
    assert (listed.type, listed.size) == (kind, len(content))
    found = await library.open("pdf", path)
    assert (found.type, found.size, b"".join(found.chunks())) == (kind, len(content), content)


async def test_a_file_that_grows_is_given_as_it_was_and_a_huge_one_piece_by_piece(
    library: SkillLibrary, root: Path
) -> None:
    path = write(root, "pdf", b"12345", "data.bin")
    found = await library.open("pdf", "data.bin")
    with path.open("ab") as more:
        more.write(b"6789")
    assert b"".join(found.chunks()) == b"12345"
    with path.open("wb") as sparse:
        sparse.truncate(3 * 1024**3)
    found = await library.open("pdf", "data.bin")
    chunks = found.chunks()
    assert found.size == 3 * 1024**3 and len(next(chunks)) == 256 * 1024
    chunks.close()
    assert found.file.closed


async def test_a_folder_with_too_many_files_is_no_skill(library: SkillLibrary, root: Path) -> None:
    for number in range(MOST_FILES):
        (root / "pdf" / f"{number}.txt").write_text("")
    found = await library.all()
    assert found.skills == [] and [each.reason for each in found.skipped] == ["it has more than 1000 files"]
    with pytest.raises(NotFound):
        await library.get("pdf")
