"""What a picture is drawn of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional, Union

from chorale.io import Run


@dataclass
class Sources:
    """What a picture is drawn of where that is not one run: a table, or several runs."""

    parameters: dict[str, str] = field(default_factory=dict)
    complete: Optional[bool] = True

    @property
    def system(self) -> dict[str, str]:
        return self.parameters


Shown = Union[Run, Sources]
