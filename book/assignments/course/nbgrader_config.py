"""nbgrader's settings for the problem sets; every command of nbgrader that is run in this folder reads them."""

from pathlib import Path

from nbconvert.exporters import HTMLExporter

c = get_config()  # put here by nbgrader

c.CourseDirectory.course_id = "lorabook"

# In a folder of its own, so that all others can be kept from being written while submissions run.
Path("grades").mkdir(exist_ok=True)
c.CourseDirectory.db_url = "sqlite:///grades/gradebook.db"

# Nothing but notebooks is taken along: neither into grading nor into the feedback.
c.CourseDirectory.ignore = ["*"]

# Seconds that a cell may run. The last set trains a small network; an endless loop ends here too.
c.Execute.timeout = 600

# A check that a student has deleted is put back before grading.
c.OverwriteCells.add_missing_cells = True

# What a cell may print into the feedback.
c.LimitOutput.max_lines = 200


class Still(HTMLExporter):
    """Pages in which no script runs and which load nothing, whatever a submission has put into them."""

    POLICY = (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:"
    )

    def from_notebook_node(self, *args, **kwargs):
        page, resources = super().from_notebook_node(*args, **kwargs)
        # Before anything of the page: only what stands after a policy obeys it.
        rule = f'<meta http-equiv="Content-Security-Policy" content="{self.POLICY}">'
        return f'<!DOCTYPE html>\n<meta charset="utf-8">{rule}\n{page}', resources


c.GenerateFeedback.exporter_class = Still

# Files that `nbgrader zip_collect` finds are named STUDENT_NOTEBOOK.ipynb; browsers add a number to a second download.
c.FileNameCollectorPlugin.named_regexp = (
    r".*/(?P<student_id>[^/.][^/]*)"
    r"_(?P<file_id>low_rank_regression|full_finetuning|lora_risk|network)(?: \(\d+\))?\.ipynb$"
)
# An archive of another kind may hold links, and files for other places.
c.ExtractorPlugin.zip_ext = [".zip"]
