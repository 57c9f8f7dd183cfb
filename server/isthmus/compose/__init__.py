"""The composition root: an application from a configuration, and what others need of one without it."""

from isthmus.compose.access import login_file
from isthmus.compose.application import LOCAL, Application, Searching
from isthmus.compose.assembly import APPROVALS, application, bounds_of
from isthmus.compose.configured import (
    data_of,
    holding_of,
    lock_path,
    policy_of,
    read_lock,
    redactor_of,
    skill_folders,
    untrusted_logs_off,
)
from isthmus.compose.ground import searching
from isthmus.compose.identification import identification
from isthmus.compose.listing import listed, listed_whole
from isthmus.compose.records import records

__all__ = [
    "APPROVALS",
    "LOCAL",
    "Application",
    "Searching",
    "application",
    "bounds_of",
    "data_of",
    "holding_of",
    "identification",
    "listed",
    "listed_whole",
    "lock_path",
    "login_file",
    "policy_of",
    "read_lock",
    "records",
    "redactor_of",
    "searching",
    "skill_folders",
    "untrusted_logs_off",
]
