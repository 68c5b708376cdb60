"""Results as what other libraries and notebooks take: pandas, xarray, a figure, a piece of HTML.
Each library is imported when it is asked for."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any, Optional

import numpy as np

from chorale.errors import BadFile, Refused
from chorale.io.hdf5 import text

if TYPE_CHECKING:
    import pandas
    import xarray
    from matplotlib.figure import Figure


def module(name: str) -> ModuleType:
    """An optional library; Refused where this Python has none."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        reason = f"this Python has no {name}; install python3-{name} (Debian) or {name} (pip)"
        raise Refused(reason) from error


def plain(values: Any) -> np.ndarray:
    """Texts as str."""
    values = np.asarray(values)
    if values.dtype.kind in "SO":
        return np.array([text(value) for value in values.flat]).reshape(values.shape)
    return values


class Shown:
    """What results of all kinds can be made into."""

    path: str
    study: Optional[str]

    def table(self) -> dict[str, np.ndarray]:
        """{column: array}"""
        raise NotImplementedError

    def rows(self) -> dict[str, np.ndarray]:
        """The table, whose columns all have its number of rows."""
        found = {name: plain(values) for name, values in self.table().items()}
        long = max((len(values) for values in found.values() if values.ndim), default=0)
        return {name: values for name, values in found.items() if values.shape == (long,)}

    def to_pandas(self) -> pandas.DataFrame:
        """The study's table."""
        return module("pandas").DataFrame(self.rows())

    def to_xarray(self) -> xarray.Dataset:
        """The table, and observables over time and realization, with units and meanings."""
        return module("xarray").Dataset(
            {name: ("row", values) for name, values in self.rows().items()},
            attrs={"study": self.study or "", "source": self.path},
        )

    def plot(self, panel: Optional[str] = None, theme: str = "light", **more: Any) -> Figure:
        """The picture of tools/plot, or one of its panels; more: as tools/plot --panel has it,
        width="3.4in" and style="FILE"."""
        module("matplotlib")
        drawing = importlib.import_module("chorale.plot.drawing")
        return drawing.drawn(self, panel, theme, **more)

    def view(self, height: int = 940) -> Any:
        """The page of tools/view in a notebook, so many pixels high; printed it is a still picture.
        save("FILE.html") writes it."""
        module("matplotlib")
        return importlib.import_module("chorale.view.notebook").View(self, height)

    def _repr_html_(self) -> str:
        module("matplotlib")
        return importlib.import_module("chorale.report.card").of_results(self)


def dataset_of(run: Any) -> xarray.Dataset:
    """Of results in HDF5: observables as [time][realization][...], else the table and the arrays
    of the study, each with dimensions of its own."""
    xarray = module("xarray")
    if run.kind != "results":
        raise BadFile(run.path, f"a {run.kind} has no observables: take the results of its run")
    made = xarray.Dataset(attrs={"study": run.study, "source": run.path})
    made.attrs.update({key: value for key, value in run.scalars.items() if key not in made.attrs})
    made.attrs["deck"] = run.deck
    for name, seen in run.observables.items():
        values = seen.values()
        dims = ("time", "realization", f"{name}_part")[: values.ndim]
        about = {"units": seen.unit, "long_name": seen.description}
        made[name] = xarray.DataArray(values, dims=dims, attrs=about)
        made = made.assign_coords(time=seen.time, step=("time", seen.step))
    if run.observables:
        return made
    for name, values in run.rows().items():
        made[name] = ("row", values, about_of(run, name))
    if "time" in made:
        made = made.swap_dims(row="time")
    for name, item in run.study_data.items():
        if name not in made:
            dims = [f"{name}_{axis}" for axis in range(item.ndim)]
            made[name] = (dims, plain(item[...]), about_of(run, name))
    return made


def frame_of(run: Any) -> pandas.DataFrame:
    """Of a sweep the tables of all cells, with their keys as first columns."""
    frames = []
    for values, cell in run.cells():
        frame = module("pandas").DataFrame(cell.rows())
        for i, (key, value) in enumerate(values.items()):
            frame.insert(i, key, value)
        frames.append(frame)
    return module("pandas").concat(frames, ignore_index=True)


def cube_of(run: Any) -> xarray.Dataset:
    """Of a sweep the arrays of all cells, with its keys as dimensions; so are numbers of the study,
    which every cell has for itself."""
    parts = []
    for values, cell in run.cells():
        part = dataset_of(cell)
        numbers = {key: x for key, x in cell.scalars.items() if isinstance(x, (int, float))}
        part.attrs = {key: x for key, x in part.attrs.items() if key not in numbers}
        part = part.assign(numbers)
        parts.append(part.expand_dims({key: [value] for key, value in values.items()}))
    made = module("xarray").combine_by_coords(parts, combine_attrs="drop_conflicts")
    return made.reindex(run.sweep)


def about_of(run: Any, name: str) -> dict[str, str]:
    """Unit and meaning of an array of the study."""
    if name not in run.study_data:
        return {}
    found = run.study_data[name].attrs
    keys = {"units": "unit", "long_name": "description"}
    return {key: text(found.get(attribute, "")) for key, attribute in keys.items()}
