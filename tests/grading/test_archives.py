"""Zips and folders that do harm are refused, or lose what does it."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from pathlib import Path

import pytest

from twinlens.grading.archives import SubmissionError
from twinlens.grading.submission import read_submission

from .files import CODE, archive
from .handed_in import write, zipped


def with_entry(info: zipfile.ZipInfo, data: bytes = b"x") -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("submission.py", CODE)
        made.writestr(info, data)
    return content.getvalue()


def entry(name: str, mode: int = 0o100644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("x")
    info.filename = info.orig_filename = name
    info.compress_type = zipfile.ZIP_DEFLATED
    info.create_system = 3
    info.external_attr = mode << 16
    return info


class TestHostileZips:
    @pytest.mark.parametrize(
        ("name", "mode", "named"),
        [
            ("../evil.py", 0o100644, "leads out"),
            ("a/../../evil.py", 0o100644, "leads out"),
            ("/etc/evil.py", 0o100644, "leads out"),
            ("C:/evil.py", 0o100644, "leads out"),
            ("..\\evil.py", 0o100644, "leads out"),
            ("link.py", 0o120777, "a link"),
            ("pipe.py", 0o010644, "a pipe"),
            ("device.py", 0o020644, "a device"),
            ("submission.py", 0o100644, "twice"),
            ("Submission.py", 0o100644, "capital letters"),
            ("evil.py\0.txt", 0o100644, "control character"),
            ("evil\n.py", 0o100644, "control character"),
        ],
    )
    @pytest.mark.filterwarnings("ignore:Duplicate name")
    def test_paths_and_kinds_that_do_harm_are_refused(self, tmp_path: Path, name: str, mode: int, named: str) -> None:
        with pytest.raises(SubmissionError, match=named) as caught:
            read_submission(archive(tmp_path, with_entry(entry(name, mode))))
        assert str(caught.value).isprintable()
        assert [path.name for path in tmp_path.iterdir()] == ["lee.zip"]

    def test_bombs_are_refused_before_they_are_unpacked(self, tmp_path: Path) -> None:
        with pytest.raises(SubmissionError, match="unpack"):
            read_submission(archive(tmp_path, with_entry(entry("zeros.py"), b"0" * 2**24)))

    def test_a_bomb_that_lies_about_its_size_gives_no_more_than_it_said(self, tmp_path: Path) -> None:
        bomb = bytearray(with_entry(entry("zeros.py"), b"0" * 2**20))
        place = bomb.rfind(b"PK\x01\x02")
        struct.pack_into("<L", bomb, place + 24, 100)
        with pytest.raises(SubmissionError, match="damaged"):
            read_submission(archive(tmp_path, bytes(bomb)))

    def test_too_many_files_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(SubmissionError, match="files"):
            read_submission(archive(tmp_path, zipped({"submission.py": CODE, **{f"a{n}.py": "" for n in range(1001)}})))

    def test_an_encrypted_one_is_refused(self, tmp_path: Path) -> None:
        content = bytearray(zipped({"submission.py": CODE}))
        content[content.find(b"PK\x03\x04") + 6] |= 1
        content[content.rfind(b"PK\x01\x02") + 8] |= 1
        with pytest.raises(SubmissionError, match="encrypted"):
            read_submission(archive(tmp_path, bytes(content)))

    def test_a_zip_in_the_zip_is_not_opened(self, tmp_path: Path) -> None:
        with pytest.raises(SubmissionError, match="archive in the archive"):
            read_submission(archive(tmp_path, zipped({"inner.zip": zipped({"submission.py": CODE})})))

    @pytest.mark.parametrize("compression", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
    def test_uncommon_compressions_are_refused(self, tmp_path: Path, compression: int) -> None:
        with zipfile.ZipFile(tmp_path / "lee.zip", "w", compression) as made:
            made.writestr("submission.py", CODE)
        with pytest.raises(SubmissionError, match="uncommon"):
            read_submission(tmp_path / "lee.zip")

    def test_a_truncated_one_is_refused(self, tmp_path: Path) -> None:
        whole = zipped({"submission.py": CODE})
        for size in range(len(whole)):
            with pytest.raises(SubmissionError, match="damaged"):
                read_submission(archive(tmp_path, whole[:size]))

    def test_any_damaged_byte_ends_in_a_sentence_or_in_the_submission(self, tmp_path: Path) -> None:
        sound = zipped({"hw/submission.py": CODE, "hw/helper.py": "x = 1\n"})
        for place in range(len(sound)):
            damaged = bytearray(sound)
            damaged[place] ^= 0xFF
            try:
                read_submission(archive(tmp_path, bytes(damaged)))
            except SubmissionError:
                continue


class TestBackslashes:
    """Old tools of Windows part folders so."""

    def packed(self, tmp_path: Path, *names: str) -> Path:
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as made:
            for name in names:
                made.writestr(entry(name), "" if name.endswith("\\") else CODE)
        return archive(tmp_path, content.getvalue())

    def test_they_are_read_as_folders(self, tmp_path: Path) -> None:
        names = ("hw\\", "hw\\submission.py", "hw\\helper.py", "hw\\package\\other.py", "hw\\.git\\config")
        found = read_submission(self.packed(tmp_path, *names))
        assert set(found.files) == {"submission.py", "helper.py"}
        assert found.files["submission.py"] == CODE.encode()
        assert ["package/other.py" in flag for flag in found.flags] == [True]

    @pytest.mark.parametrize(
        ("name", "named"),
        [
            ("..\\submission.py", "leads out"),
            ("hw\\..\\..\\evil.py", "leads out"),
            ("\\evil.py", "leads out"),
            ("\\\\server\\evil.py", "leads out"),
            ("C:\\evil.py", "leads out"),
            ("C:evil.py", "leads out"),
            ("hw/sub\\evil.py", "leads out"),
            ("hw\\SUBMISSION.py", "capital letters"),
        ],
    )
    def test_what_leads_out_or_is_mixed_is_refused_all_the_same(self, tmp_path: Path, name: str, named: str) -> None:
        with pytest.raises(SubmissionError, match=named):
            read_submission(self.packed(tmp_path, "hw\\submission.py", name))


class TestHostileFolders:
    def test_links_and_pipes_are_left_out_and_flagged(self, tmp_path: Path) -> None:
        (tmp_path / "secret.py").write_text("SECRET = 1\n")
        folder = write(tmp_path / "lee", {"submission.py": CODE})
        (folder / "helper.py").symlink_to(tmp_path / "secret.py")
        (folder / "linked").symlink_to(tmp_path)
        os.mkfifo(folder / "pipe.py")
        found = read_submission(folder)
        assert set(found.files) == {"submission.py"}
        assert len(found.flags) == 3

    def test_a_main_file_that_is_a_link_or_a_pipe_is_no_main_file(self, tmp_path: Path) -> None:
        for name in ("link", "pipe"):
            (tmp_path / name).mkdir()
        (tmp_path / "link" / "submission.py").symlink_to("/etc/passwd")
        os.mkfifo(tmp_path / "pipe" / "submission.py")
        for name in ("link", "pipe"):
            with pytest.raises(SubmissionError, match=r"no 'submission\.py'"):
                read_submission(tmp_path / name)

    def test_a_submission_that_is_itself_a_link_or_a_pipe_is_refused_at_once(self, tmp_path: Path) -> None:
        (tmp_path / "lee.py").symlink_to("/etc/passwd")
        os.mkfifo(tmp_path / "kim.py")
        for name in ("lee.py", "kim.py"):
            with pytest.raises(SubmissionError, match=" is a "):
                read_submission(tmp_path / name)

    def test_names_that_differ_in_capitals_are_refused(self, tmp_path: Path) -> None:
        folder = write(tmp_path / "lee", {"submission.py": CODE, "Submission.py": CODE})
        if len(list(folder.iterdir())) < 2:
            pytest.skip("the file system does not tell capital letters apart")
        with pytest.raises(SubmissionError, match="capital letters"):
            read_submission(folder)

    def test_what_tools_leave_behind_is_not_looked_at(self, tmp_path: Path) -> None:
        folder = write(tmp_path / "lee", {"submission.py": CODE, "__pycache__/a.pyc": "x", ".git/config": "x"})
        assert read_submission(folder).flags == ()

    def test_an_unreadable_file_is_named(self, tmp_path: Path) -> None:
        folder = write(tmp_path / "lee", {"submission.py": CODE})
        (folder / "submission.py").chmod(0)
        if os.access(folder / "submission.py", os.R_OK):
            pytest.skip("this account may read everything")
        with pytest.raises(SubmissionError, match="cannot be read"):
            read_submission(folder)
