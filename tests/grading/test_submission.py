"""What is read of a submission, and what is refused."""

from __future__ import annotations

import io
import json
import os
import stat
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from twinlens.grading.archives import SubmissionError
from twinlens.grading.notebooks import build_notebook
from twinlens.grading.submission import find_submissions, read_submission, submission_id, submission_ids

from .handed_in import write, zipped

CODE = 'FRAMEWORK = "torch"\n\n\ndef f():\n    return 1\n'
STARTER = 'FRAMEWORK = "torch"\n\n\ndef f():\n    raise NotImplementedError\n'


def archive(tmp_path: Path, content: bytes, name: str = "lee.zip") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


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


def notebook(*cells: tuple[str, tuple[str, ...]]) -> str:
    return build_notebook([("code", source, tags) for source, tags in cells]).decode()


class TestKinds:
    @pytest.mark.parametrize("wrapped", ["", "homework/", "a/b/"])
    def test_a_folder_and_a_zip_give_the_same(self, tmp_path: Path, wrapped: str) -> None:
        files = {f"{wrapped}submission.py": CODE, f"{wrapped}helper.py": "X = 1\n"}
        folder = read_submission(write(tmp_path / "lee", files))
        packed = read_submission(archive(tmp_path, zipped({**files, "__MACOSX/._submission.py": "x"})))
        assert folder == packed
        assert (folder.id, folder.framework, folder.flags) == ("lee", "torch", ())
        assert dict(folder.files) == {"submission.py": CODE.encode(), "helper.py": b"X = 1\n"}

    def test_a_single_script_and_a_single_notebook(self, tmp_path: Path) -> None:
        write(tmp_path, {"lee.py": CODE, "kim.ipynb": notebook((CODE, ("grade",)), ("1 / 0", ()))})
        assert read_submission(tmp_path / "lee.py").files == {"submission.py": CODE.encode()}
        kim = read_submission(tmp_path / "kim.ipynb")
        assert kim.id == "kim"
        assert kim.framework == "torch"
        assert b"1 / 0" not in kim.files["submission.py"]
        assert b"return 1" in kim.files["submission.py"]

    def test_one_script_of_another_name_is_taken_and_flagged(self, tmp_path: Path) -> None:
        found = read_submission(write(tmp_path / "lee", {"homework.py": CODE}))
        assert set(found.files) == {"submission.py"}
        assert "homework.py" in found.flags[0]

    def test_a_folder_that_holds_one_zip_is_that_zip(self, tmp_path: Path) -> None:
        (tmp_path / "lee").mkdir()
        archive(tmp_path / "lee", zipped({"hw/submission.py": CODE}), "hw.zip")
        assert read_submission(tmp_path / "lee").files["submission.py"] == CODE.encode()

    def test_nothing_is_run(self, tmp_path: Path) -> None:
        mark = tmp_path / "mark"
        text = f'{CODE}\nopen({str(mark)!r}, "w")\n'
        read_submission(write(tmp_path / "a", {"submission.py": text, "helper.py": text, "setup.py": text}))
        read_submission(write(tmp_path / "b", {"submission.ipynb": notebook((text, ("grade",)))}))
        assert not mark.exists()

    @pytest.mark.parametrize(
        "files",
        [{}, {"notes.txt": "x"}, {"a.py": CODE, "b.py": CODE}, {"lee.tar.gz": "x"}, {"numpy.py": CODE}],
        ids=["empty", "no code", "two scripts", "tar", "a library's name"],
    )
    def test_without_a_main_file_it_is_refused_in_one_line(self, tmp_path: Path, files: dict[str, str]) -> None:
        (tmp_path / "lee").mkdir()
        with pytest.raises(SubmissionError, match=r"submission\.py") as caught:
            read_submission(write(tmp_path / "lee", files))
        assert "\n" not in str(caught.value)


class TestFramework:
    @pytest.mark.parametrize(
        ("line", "framework"),
        [
            ('FRAMEWORK = "paddle"', "paddle"),
            ("FRAMEWORK: str = 'PyTorch'", "torch"),
            ("import paddle.nn as nn", "paddle"),
            ('FRAMEWORK = "torch"\nimport paddle', "torch"),
            ('FRAMEWORK = "torch"\ndef f(:', "torch"),
            ('FRAMEWORK = "torch"\n' + "(" * 100_000, "torch"),
            ('FRAMEWORK = "torch"\nx = 1' + "+1" * 100_000, "torch"),
            ('FRAMEWORK = "paddle"\nx = "\0"', "paddle"),
        ],
        ids=["line", "annotated", "import", "both imported", "syntax error", "brackets", "deep", "nul"],
    )
    def test_it_is_read_from_the_code(self, tmp_path: Path, line: str, framework: str) -> None:
        assert read_submission(write(tmp_path / "lee", {"submission.py": line + "\n"})).framework == framework

    def test_it_is_read_from_the_manifest(self, tmp_path: Path) -> None:
        files = {"submission.py": "x = 1\n", "submission.toml": 'framework = "paddle"\nassignment = "tables"\n'}
        found = read_submission(write(tmp_path / "lee", files))
        assert (found.framework, found.assignment, found.flags) == ("paddle", "tables", ())

    @pytest.mark.parametrize(
        ("files", "named"),
        [
            ({"submission.py": "x = 1\n"}, "which framework"),
            ({"submission.py": "import torch, paddle\n"}, "which framework"),
            ({"submission.py": 'FRAMEWORK = "jax"\n'}, "jax"),
            ({"submission.py": 'FRAMEWORK = "to" + "rch"\n'}, "plain text"),
            ({"submission.py": 'FRAMEWORK = "torch"\nFRAMEWORK = "paddle"\n'}, "twice"),
            ({"submission.py": CODE, "submission.toml": 'framework = "paddle"\n'}, "names paddle"),
            ({"submission.py": CODE, "submission.toml": "framework = \n"}, "cannot be read"),
            ({"submission.py": CODE, "submission.toml": "a = " + "[" * 60_000}, "cannot be read"),
        ],
    )
    def test_what_is_unclear_is_refused(self, tmp_path: Path, files: dict[str, str], named: str) -> None:
        with pytest.raises(SubmissionError, match=named):
            read_submission(write(tmp_path / "lee", files))


class TestModules:
    @pytest.mark.parametrize(
        "name",
        [
            "numpy.py", "torch.py", "paddle.py", "sitecustomize.py", "usercustomize.py", "conftest.py", "runner.py",
            "driver.py", "network.py", "twinlens.py", "answers.py", "json.py", "NumPy.py", "a-b.py", "ünï.py",
            "package/helper.py",
        ],
    )  # fmt: skip
    def test_what_could_shadow_others_is_left_out_and_flagged(self, tmp_path: Path, name: str) -> None:
        found = read_submission(write(tmp_path / "lee", {"submission.py": CODE, name: "1 / 0\n"}))
        assert set(found.files) == {"submission.py"}
        assert len(found.flags) == 1
        assert name in found.flags[0]

    def test_files_that_were_handed_out_are_flagged_only_where_changed(self, tmp_path: Path) -> None:
        folder = write(tmp_path / "lee", {"submission.py": CODE, "driver.py": "x = 1\n", "README.md": "changed"})
        found = read_submission(folder, given={"driver.py": b"x = 1\n", "README.md": b"text"})
        assert len(found.flags) == 1
        assert "README.md" in found.flags[0]
        assert set(found.files) == {"submission.py"}

    def test_data_is_left_out_with_one_flag(self, tmp_path: Path) -> None:
        files = {"submission.py": CODE, "public/a.npz": "x", **{f"w{n}.pth": "x" for n in range(6)}}
        found = read_submission(write(tmp_path / "lee", files))
        assert len(found.flags) == 1
        assert "3 more" in found.flags[0]

    def test_too_large_a_module_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(SubmissionError, match="million"):
            read_submission(write(tmp_path / "lee", {"submission.py": CODE, "big.py": "#" * 2**21}))

    def test_the_fingerprint_follows_the_files(self, tmp_path: Path) -> None:
        texts = [CODE, CODE + "\n", CODE]
        found = [read_submission(write(tmp_path / str(n), {"submission.py": t})) for n, t in enumerate(texts)]
        assert found[0].sha256 == found[2].sha256 != found[1].sha256


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


class TestNotebooks:
    @pytest.mark.parametrize(
        "cell",
        [
            {"metadata": {"tags": ["grade"]}, "source": CODE},
            {"metadata": {"tags": [3, "solution"]}, "source": CODE.splitlines(keepends=True)},
            {"metadata": {}, "source": f"# twinlens: grade\n{CODE}"},
            {"metadata": {"nbgrader": {"solution": True}}, "source": CODE},
        ],
    )
    def test_cells_are_tagged_in_any_of_the_usual_ways(self, tmp_path: Path, cell: dict[str, object]) -> None:
        content = {"cells": [{"cell_type": "markdown", "source": "x"}, {"cell_type": "code", **cell}], "nbformat": 4}
        found = read_submission(write(tmp_path / "lee", {"submission.ipynb": json.dumps(content)}))
        assert CODE.encode() in found.files["submission.py"]

    def test_magics_and_shell_lines_are_left_out_with_a_flag_and_lines_keep_their_numbers(self, tmp_path: Path) -> None:
        lines = [
            "%pylab inline",
            'FRAMEWORK = "torch"',
            "if FRAMEWORK:",
            "    !rm -rf /",
            "files = !ls",
            "x = (7",
            " % 3)",
            "x?",
        ]
        source = "\n".join(lines)
        found = read_submission(write(tmp_path / "lee", {"submission.ipynb": notebook((source, ("grade",)))}))
        text = found.files["submission.py"].decode()
        compile(text, "submission.py", "exec")
        assert len(found.flags) == 4
        kept = text.splitlines()[1:]
        assert [number for number, line in enumerate(lines) if kept[number] == line] == [1, 2, 5, 6]

    def test_what_is_no_python_and_no_magic_either_stays_for_the_student_to_see(self, tmp_path: Path) -> None:
        source = 'FRAMEWORK = "torch"\n!ls\ndef f(:\n'
        found = read_submission(write(tmp_path / "lee", {"submission.ipynb": notebook((source, ("grade",)))}))
        assert source.encode() in found.files["submission.py"]
        assert found.flags == ()

    def test_cells_for_another_language_are_left_out(self, tmp_path: Path) -> None:
        cells = notebook((CODE, ("grade",)), ("%%bash\nrm -rf /", ("grade",)), ("%%time\ny = 1", ("grade",)))
        found = read_submission(write(tmp_path / "lee", {"submission.ipynb": cells}))
        text = found.files["submission.py"].decode()
        assert "rm -rf" not in text
        assert "y = 1" in text
        assert len(found.flags) == 2

    @pytest.mark.parametrize(
        "content",
        ["", "{", "[]", "{}", '{"cells": 3}', '{"cells": [3, {"cell_type": "code"}]}', "[" * 200_000, "\0"],
    )
    def test_what_is_no_notebook_is_refused(self, tmp_path: Path, content: str) -> None:
        with pytest.raises(SubmissionError, match="otebook"):
            read_submission(write(tmp_path / "lee", {"submission.ipynb": content}))

    def test_without_tags_the_sentence_says_how_to_tag(self, tmp_path: Path) -> None:
        with pytest.raises(SubmissionError, match="Tag the cells"):
            read_submission(write(tmp_path / "lee", {"submission.ipynb": notebook((CODE, ()))}))

    @pytest.mark.parametrize(
        ("script", "cells", "flags", "taken"),
        [
            (STARTER, CODE, 0, "return 1"),
            (CODE, STARTER, 0, "return 1"),
            (STARTER.replace("torch", "paddle"), CODE, 0, "return 1"),
            (CODE, CODE.replace("1", "2"), 1, "return 1"),
            (STARTER, STARTER, 0, "NotImplementedError"),
        ],
    )
    def test_of_script_and_notebook_the_one_that_was_worked_on_counts(
        self, tmp_path: Path, script: str, cells: str, flags: int, taken: str
    ) -> None:
        files = {"submission.py": script, "submission.ipynb": notebook((cells, ("grade",)))}
        found = read_submission(write(tmp_path / "lee", files), given={"submission.py": STARTER.encode()})
        assert taken in found.files["submission.py"].decode()
        assert len(found.flags) == flags


class TestFinding:
    @pytest.mark.parametrize(
        ("name", "id"),
        [
            ("lee.zip", "lee"),
            ("lee", "lee"),
            ("leekim_12345_67890_submission.zip", "leekim_12345"),
            ("leekim_LATE_12345_67890_my_homework-1.ipynb", "leekim_12345"),
            ("Kim Lee_123456_assignsubmission_file_", "Kim Lee_123456"),
            ("submission_42", "submission_42"),
            ("李雷.py", "李雷"),
            ("\x1b[31mred.py", "red"),
            ("v1.2", "v1.2"),
        ],
    )
    def test_ids_follow_from_names_alone(self, name: str, id: str) -> None:
        assert submission_id(Path(name)) == id

    def test_two_of_one_name_are_told_apart_in_the_same_way_every_time(self) -> None:
        paths = [Path("/b/lee"), Path("/b/lee.zip"), Path("/b/LEE.py"), Path("/b/kim.py"), Path("/c/kim.py")]
        found = submission_ids(paths)
        assert found == submission_ids(paths[::-1])
        assert set(found) == {"lee", "lee.zip", "LEE.py", "b_kim.py", "c_kim.py"}

    def test_a_folder_of_submissions_gives_folders_zips_scripts_and_notebooks(self, tmp_path: Path) -> None:
        names = {"a/x": "", "b.zip": "", "c.py": "", "d.ipynb": "", "e.txt": "", ".f.py": "", "__MACOSX/g": ""}
        found = find_submissions(write(tmp_path, names))
        assert [path.name for path in found] == ["a", "b.zip", "c.py", "d.ipynb"]

    def test_a_folder_that_is_a_submission_is_one(self, tmp_path: Path) -> None:
        assert find_submissions(write(tmp_path, {"submission.py": CODE, "helper.py": ""})) == [tmp_path]


def test_a_hostile_script_does_not_end_the_process_that_reads_it(tmp_path: Path) -> None:
    texts = ["-" * 10**6 + "1", "a" + ".b" * 400_000, "not " * 200_000 + "1", "lambda:" * 100_000 + "1"]
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.py").write_text(f'FRAMEWORK = "torch"\n{text}\n'[: 2**20], encoding="utf-8")
    program = (
        "import sys; from pathlib import Path; from twinlens.grading.submission import read_submission\n"
        "for path in sorted(Path(sys.argv[1]).iterdir()): print(read_submission(path).framework)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["torch"] * len(texts), done.stderr
    assert stat.S_ISREG((tmp_path / "0.py").stat().st_mode)
