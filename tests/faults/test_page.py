"""The page of the faults is the matrix, row for row."""

import pytest

from tests.docs.pages import rows, section, text
from tests.faults.create_rows import CREATE_ROWS
from tests.faults.file_rows import FILE_ROWS
from tests.faults.prefect_rows import PREFECT_ROWS
from tests.faults.query_rows import QUERY_ROWS
from tests.faults.store_rows import BUCKET_ROWS, FOLDER_ROWS
from tests.faults.table import Row

_SECTIONS = {
    "While the create is sent": CREATE_ROWS,
    "While the video is waited for": QUERY_ROWS,
    "While the file is fetched": FILE_ROWS,
    "The bucket": BUCKET_ROWS,
    "The folder": FOLDER_ROWS,
    "Prefect": PREFECT_ROWS,
}


@pytest.mark.parametrize("heading", _SECTIONS)
def test_the_page_is_the_matrix(heading: str) -> None:
    shown = rows(section(text("docs/faults.md"), heading))[2:]
    assert shown == [cells(row) for row in _SECTIONS[heading]]


def test_no_row_is_there_twice() -> None:
    for matrix in _SECTIONS.values():
        faults = [row.fault for row in matrix]
        assert len(faults) == len(set(faults))


def cells(row: Row) -> list[str]:
    """Return a row as the page shows it."""
    sees = f"``{row.sees}``" if row.sees else "nothing: it is stored"
    record = row.fate.record if row.fate.record == "none" else f"`{row.fate.record}`"
    return [row.fault, sees, row.fate.again, row.fate.billed, record, row.fate.then]
