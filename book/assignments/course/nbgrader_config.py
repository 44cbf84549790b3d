"""nbgrader's settings for the problem sets; every command of nbgrader that is run in this folder reads them."""

c = get_config()  # put here by nbgrader

c.CourseDirectory.course_id = "lorabook"

# Seconds that a cell may run. The last set trains a small network; an endless loop ends here too.
c.Execute.timeout = 600

# A check that a student has deleted is put back before grading.
c.OverwriteCells.add_missing_cells = True

# What a cell may print into the feedback.
c.LimitOutput.max_lines = 200

# Files that `nbgrader zip_collect` finds are named STUDENT_NOTEBOOK.ipynb.
c.FileNameCollectorPlugin.named_regexp = (
    r".*/(?P<student_id>[^/]+)"
    r"_(?P<file_id>low_rank_regression|full_finetuning|lora_risk|network)\.ipynb"
)
