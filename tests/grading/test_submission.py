"""What is read of a submission."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from twinlens.grading.archives import SubmissionError
from twinlens.grading.submission import read_submission

from .files import CODE, archive, notebook
from .handed_in import write, zipped


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


class TestEncodings:
    @pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
    @pytest.mark.parametrize("name", ["submission.py", "helper.py"])
    def test_utf_16_is_named_with_its_cure(self, tmp_path: Path, encoding: str, name: str) -> None:
        folder = write(tmp_path / "lee", {"submission.py": CODE})
        (folder / name).write_bytes(f"\ufeff{CODE}".encode(encoding))
        with pytest.raises(SubmissionError) as told:
            read_submission(folder)
        assert str(told.value) == f"'{name}' is saved as UTF-16. Save it as UTF-8."

    def test_the_mark_of_utf_8_is_read(self, tmp_path: Path) -> None:
        folder = write(tmp_path / "lee", {"submission.py": f"\ufeff{CODE}"})
        assert read_submission(folder).framework == "torch"


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
