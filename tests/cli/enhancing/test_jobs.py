"""Which files of a folder are enhanced."""

from lowlight_tf.cli.enhancing.jobs import plan_jobs


def names(folder, **options):
    return [job.source.name for job in plan_jobs([folder], folder / "out", **options)]


def test_images_that_are_not_read_are_planned_and_change_nothing_else(tmp_path):
    for name in ("a.dng", "b.gif"):
        (tmp_path / name).touch()
    assert names(tmp_path) == ["a.dng", "b.gif"]
    assert names(tmp_path, raw_only=True) == ["a.dng"]
    (tmp_path / "c.jpg").touch()
    assert names(tmp_path) == ["b.gif", "c.jpg"]


def test_a_link_to_nothing_is_planned_so_that_it_is_reported(tmp_path):
    (tmp_path / "a.png").touch()
    (tmp_path / "b.png").symlink_to("nothing.png")
    (tmp_path / "c.png").symlink_to("c.png")
    (tmp_path / "d.png").mkdir()
    assert names(tmp_path) == ["a.png", "b.png", "c.png"]
