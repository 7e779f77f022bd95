"""Small Parquet files as the libraries write them, and as nobody should."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile

MEDIA = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
LABELS = ["food", "<i>travel</i>"]


def flac(seconds: float = 1.0, hertz: float = 440.0) -> bytes:
    """A tone."""
    target = io.BytesIO()
    time = np.arange(int(16_000 * seconds)) / 16_000
    soundfile.write(target, 0.1 * np.sin(2 * np.pi * hertz * time), 16_000, format="FLAC")
    return target.getvalue()


def png(red: int = 200) -> bytes:
    """A picture."""
    from PIL import Image

    target = io.BytesIO()
    Image.new("RGB", (12, 8), (red, 0, 0)).save(target, "PNG")
    return target.getvalue()


def written(columns: dict[str, object], features: object = None, **options: object) -> bytes:
    """Columns as a Parquet file, with the features that the datasets library would note."""
    metadata = {"huggingface": json.dumps({"info": {"features": features}})} if features else None
    target = io.BytesIO()
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), target, **options)
    return target.getvalue()


def sounds(rows: int = 120, first: int = 0) -> bytes:
    """A split of an audio dataset in row groups of 32."""
    numbers = range(first, first + rows)
    return written(
        {
            "audio": pa.array([{"bytes": flac(0.5, 200 + i % 7), "path": f"{i}.flac"} for i in numbers], MEDIA),
            "label": [i % 2 for i in numbers],
            "title": [f"<b>title {i}</b>" for i in numbers],
            "url": ["javascript:alert(1)" if i % 2 else f"https://example.com/{i}" for i in numbers],
        },
        {"audio": {"_type": "Audio", "sampling_rate": 16_000}, "label": {"_type": "ClassLabel", "names": LABELS}},
        row_group_size=32,
    )
