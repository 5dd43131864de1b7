"""Reading request bodies: bounded, strict, and only text that the database can store."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import IO, Any

from django.conf import settings
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from director import jsontools
from director.api.errors import BodyMalformed, BodyTooLarge


class JsonParser(BaseParser):
    """Gives the value of a JSON body. NaN, infinities, NUL, lone surrogates and deep nesting are refused."""

    media_type = "application/json"

    def parse(self, stream: IO[Any], media_type: str | None = None, parser_context: Any = None) -> Any:
        text = read_text(stream)
        try:
            value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
        except json.JSONDecodeError as error:
            raise BodyMalformed(f"{error.msg} at line {error.lineno}, column {error.colno}") from error
        except RecursionError as error:
            raise BodyMalformed("it is nested too deep") from error
        except ValueError as error:
            raise BodyMalformed(str(error)) from error
        jsontools.dumps(value)  # refuses, by path, what cannot be stored
        return value


@dataclass(frozen=True, slots=True)
class RawText:
    """A body kept as it stands, for the service that reads `format` ("json" or "yaml")."""

    text: str
    format: str


class RawParser(BaseParser):
    """Gives the body as RawText."""

    raw_format = ""

    def parse(self, stream: IO[Any], media_type: str | None = None, parser_context: Any = None) -> Any:
        return RawText(read_text(stream), self.raw_format)


class RawJsonParser(RawParser):
    media_type = "application/json"
    raw_format = "json"


class YamlParser(RawParser):
    media_type = "application/yaml"
    raw_format = "yaml"


class TextYamlParser(YamlParser):
    media_type = "text/yaml"


class OldYamlParser(YamlParser):
    media_type = "application/x-yaml"


def raw_text(request: Request) -> RawText:
    """Return the body that a RawParser took."""
    if not isinstance(request.data, RawText):
        raise BodyMalformed("it is empty")
    return request.data


def read_text(stream: IO[Any]) -> str:
    """Return the body as text; raises BodyTooLarge over DIRECTOR_MAX_BODY_BYTES, BodyMalformed when not UTF-8."""
    limit = settings.DIRECTOR_MAX_BODY_BYTES
    body: bytes = stream.read(limit + 1)
    if len(body) > limit:
        raise BodyTooLarge(limit)
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BodyMalformed(f"byte {error.start + 1} is not UTF-8") from error


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]} is too large a number")
    return number
