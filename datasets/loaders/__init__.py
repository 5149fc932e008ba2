"""Pictures and tables: Food-11 folders, the synthetic stand-in, photographs, iris.

Importing this package loads NumPy alone; OpenCV and scikit-learn are imported by the first call that needs them.
"""

from .augment import Augmentation
from .base import UNLABELLED, PictureSet, Sample
from .boston import BOSTON_COLUMNS, NOTE_ON_B, boston
from .columns import without_columns
from .csv_tables import load_table
from .emoji import ARTWORK
from .food11 import Food11
from .food11_layout import FOOD11_CLASSES, food11_splits
from .images import read_image, resize
from .memory import ArrayPictures, in_memory
from .photographs import PHOTOGRAPHS, PictureFiles, photographs
from .splits import SPLITS
from .synthetic import SyntheticFood
from .tables import Table, iris

__all__ = [
    "ARTWORK",
    "BOSTON_COLUMNS",
    "FOOD11_CLASSES",
    "NOTE_ON_B",
    "PHOTOGRAPHS",
    "SPLITS",
    "UNLABELLED",
    "ArrayPictures",
    "Augmentation",
    "Food11",
    "PictureFiles",
    "PictureSet",
    "Sample",
    "SyntheticFood",
    "Table",
    "boston",
    "food11_splits",
    "in_memory",
    "iris",
    "load_table",
    "photographs",
    "read_image",
    "resize",
    "without_columns",
]
