"""Any command line, once per item, with placeholders filled in and no shell in between."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from laneway.engine import Common, EngineError, Step, environment
from laneway.engine.common import wrong_type
from laneway.engine.sequence import fill
from laneway.errors import UnknownNameError
from laneway.frames import Frames
from laneway.model import EngineOffer

_PLACEHOLDER = re.compile(r"\$(?P<escape>\$?)\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::(?P<width>\d{1,2}))?\}")


class Engine(Common):
    """Command: runs a command line for every item.

    Placeholders: ${ITEM} (${ITEM:4} pads to four digits), ${ITEMS} ${FIRST} ${LAST} of the bucket, ${INPUT} and ${OUTPUT} with
    their frame tokens (#### or %04d) filled in, ${OUTPUT_FOLDER} ${JOB} ${NAME} ${LANE} ${ATTEMPT} ${TRY} ${USER} ${HOSTNAME}
    ${CORES}, and the job's own environment variables. $${ITEM} stays as ${ITEM}. A job without a range has one item.
    """

    # -- ENGINE CONFIG START --
    SETTINGS = {
        "items": True,
        "input_required": False,
        "default_range": "1",
        "default_bucketsize": 1,
        "description": "Any command line, once per item",
        "type": "compute",
    }
    PARAMETERS = {"command": None, "cwd": None, "allowed_exitcodes": None, "create_output_folder": True}
    # -- ENGINE CONFIG END --

    def get_steps(self) -> Iterable[Step]:
        return (Step(Frames.span(item, item)) for item in self.items)

    def get_executable(self) -> str:
        return self.get_commandline(str(self.items.first))[0]

    def get_commandline(self, item: str) -> Sequence[str]:
        words = self.build_arguments("command")
        if not words:
            fix = "Give the command line as text or as a list."
            raise EngineError("there is no command to run.", field="parameters.command", fix=fix)
        values = self._values(int(item))
        return [substitute(word, values) for word in words]

    def _values(self, item: int) -> Mapping[str, str]:
        spec, context, output = self.spec, self.context, self._output(item)
        values = {name: value for name, value in environment.job_envs(spec.envs).items() if value is not None}
        values |= {
            "ITEM": str(item),
            "ITEMS": str(self.items),
            "FIRST": str(self.items.first),
            "LAST": str(self.items.last),
            "OUTPUT": output or "",
            "OUTPUT_FOLDER": self.get_output_folder() or "",
            "INPUT": fill(spec.input[0], item) if spec.input else "",
            "JOB": str(spec.id),
            "NAME": spec.name,
            "USER": spec.user,
            "LANE": str(context.lane),
            "ATTEMPT": str(context.attempt),
            "TRY": str(context.number),
            "HOSTNAME": context.hostname,
            "CORES": str(context.cores),
        }
        return values

    def _output(self, item: int) -> str | None:
        output = self.get_output()
        return None if output is None else fill(output, item)

    def get_working_path(self) -> str | None:
        folder = self.text_parameter("cwd")
        return None if folder is None else substitute(folder, self._values(self.items.first))

    def get_allowed_exitcodes(self) -> Sequence[int]:
        codes = self.parameters.get("allowed_exitcodes")
        if codes is None:
            return (0,)
        listed = codes if isinstance(codes, list) else [codes]
        numbers = [code for code in listed if isinstance(code, int) and not isinstance(code, bool)]
        if len(numbers) != len(listed) or not listed:
            raise wrong_type("allowed_exitcodes", codes, "a whole number or a list of them")
        return numbers

    def expected_outputs(self, item: int) -> Sequence[str] | None:
        output = self._output(item)
        return None if output is None or self.output_is_folder() else [output]

    def probe(self) -> EngineOffer:
        return EngineOffer(available=True, executable=None)


def substitute(text: str, values: Mapping[str, str]) -> str:
    """`text` with every ${NAME} replaced; raises UnknownNameError, which lists the known names."""

    def replace(match: re.Match[str]) -> str:
        if match["escape"]:
            return match[0][1:]
        name, width = match["name"], match["width"]
        if name not in values:
            raise UnknownNameError(
                "placeholder", f"${{{name}}}", [f"${{{known}}}" for known in values], field="parameters.command"
            )
        value = values[name]
        return value if width is None else _padded(value, int(width))

    return _PLACEHOLDER.sub(replace, text)


def _padded(value: str, width: int) -> str:
    number = value.lstrip("-")
    return value[: len(value) - len(number)] + number.zfill(width)
