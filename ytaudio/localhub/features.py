"""What the columns of a Parquet file hold: by its schema, and by the features that the libraries write beside it."""

import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyarrow import types

COLUMNS_MAX = 40  # a page shows no more
NAMES_MAX = 2_000  # labels that are read, of all columns together
_NAME_MAX = 100  # characters of each
_FEATURES_MAX = 1 << 20  # characters of the libraries' description that are read
_MEDIA = {"Audio": "audio", "Image": "image"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table, as a page shows it."""

    name: str
    kind: str  # "audio", "image", "label", "number" or "text"
    type: str  # in words
    names: tuple[str, ...] = ()  # a label's, by number


def columns_of(schema: pa.Schema) -> list[Column]:
    """The first columns of a file."""
    known = _features(schema.metadata or {})
    columns: list[Column] = []
    names_left = NAMES_MAX
    for i in range(min(len(schema), COLUMNS_MAX)):
        columns.append(_column(schema.field(i), known.get(schema.field(i).name), names_left))
        names_left -= len(columns[-1].names)
    return columns


def _features(metadata: dict[bytes, bytes]) -> dict[str, Any]:
    """The features that the libraries wrote; whatever is none of them is none."""
    text = metadata.get(b"huggingface", b"")
    if len(text) > _FEATURES_MAX:
        return {}
    try:
        features = json.loads(text)["info"]["features"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return features if isinstance(features, dict) else {}


def _column(field: pa.Field, feature: Any, names_left: int) -> Column:
    feature = feature if isinstance(feature, dict) else {}
    media = _media_of(field, feature)
    if media:
        rate = feature.get("sampling_rate")
        return Column(field.name, media, f"{media}, {rate} Hz" if isinstance(rate, int) else media)
    names = feature.get("names")
    if feature.get("_type") == "ClassLabel" and types.is_integer(field.type) and isinstance(names, list):
        texts = tuple(str(name)[:_NAME_MAX] for name in names[:names_left])
        return Column(field.name, "label", f"label, {len(names)} classes", texts)
    return Column(field.name, "number" if _is_number(field.type) else "text", str(field.type)[:60])


def _media_of(field: pa.Field, feature: dict[str, Any]) -> str | None:
    """`audio` or `image` for a column that holds the bytes of such files."""
    if not types.is_struct(field.type):
        return None
    at = field.type.get_field_index("bytes")
    if at < 0 or not (types.is_binary(field.type[at].type) or types.is_large_binary(field.type[at].type)):
        return None
    named = field.name.lower() if field.name.lower() in _MEDIA.values() else None  # written without the libraries
    return _MEDIA.get(str(feature.get("_type")), named)


def _is_number(kind: pa.DataType) -> bool:
    return types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
