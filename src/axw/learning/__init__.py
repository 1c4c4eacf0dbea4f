"""What is solved, and what is trained: one trainer for everything that has no closed form."""

from axw.learning.averaging import average
from axw.learning.hooks import Console, Hook, Record, TensorBoard
from axw.learning.losses import Measured, binary_cross_entropy, cross_entropy, squared_error
from axw.learning.optimizers import OptimizerSettings
from axw.learning.progress import Progress
from axw.learning.runs import Run, fingerprint_of_bytes, fingerprint_of_files, read_run
from axw.learning.schedules import ScheduleSettings
from axw.learning.settings import TrainSettings, changes_between, from_dict, to_dict, with_settings
from axw.learning.signals import Stopped
from axw.learning.trainer import Trainer

__all__ = [
    "Console",
    "Hook",
    "Measured",
    "OptimizerSettings",
    "Progress",
    "Record",
    "Run",
    "ScheduleSettings",
    "Stopped",
    "TensorBoard",
    "TrainSettings",
    "Trainer",
    "average",
    "binary_cross_entropy",
    "changes_between",
    "cross_entropy",
    "fingerprint_of_bytes",
    "fingerprint_of_files",
    "from_dict",
    "read_run",
    "squared_error",
    "to_dict",
    "with_settings",
]
