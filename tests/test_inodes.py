"""Which file a path names."""

from gateway.inodes import inode


def test_what_is_not_there_is_no_file(tmp_path):
    """Nor anything else that cannot be looked at."""
    assert inode(tmp_path / "x") is None
    assert inode(tmp_path) == (tmp_path.stat().st_dev, tmp_path.stat().st_ino)


def test_a_link_names_the_file_itself(tmp_path):
    """Two names are one file, and a file that was replaced is another."""
    file, link = tmp_path / "a", tmp_path / "b"
    file.write_text("")
    link.symlink_to(file)
    before = inode(file)
    assert inode(link) == before
    (tmp_path / "c").write_text("")
    (tmp_path / "c").replace(file)
    assert inode(file) != before
