"""What Hugging Face's libraries load, from a folder, this machine's cache or the hub."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vlatent.shapes import UserError


def loaded(load: Callable[..., Any], name: str, what: str, folder_way: str, hub_way: str) -> Any:
    """Load a tokenizer or a model by its folder or its name on the hub.

    Args:
        load: A `from_pretrained`.
        name: Its folder, or its name on the hub.
        what: What it is: tokenizer or model.
        folder_way: What helps where the folder holds none that can be read.
        hub_way: What helps where there is no such folder and the hub cannot be reached.

    Raises:
        UserError: There is none, or it can neither be found on this machine nor downloaded.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # Importing takes seconds, and few runs need it.
    from huggingface_hub import constants, get_session

    is_folder = False
    try:
        is_folder = Path(name).is_dir()
        try:
            return load(name, local_files_only=True, trust_remote_code=False)
        except Exception:
            if is_folder:
                raise
            # The library would knock for most of a minute; once is enough.
            get_session().head(constants.ENDPOINT, timeout=3)
            return load(name, trust_remote_code=False)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # each failure has its own; a broken file's may be Rust's panic
        kind = type(error).__name__
        if is_folder:
            raise UserError(
                f"the folder {name!r} holds no {what} that can be read ({kind}); {folder_way}."
            ) from None
        raise UserError(
            f"{what} {name!r} is neither a folder with a {what} nor reachable on the Hugging Face "
            f"hub ({kind}); {hub_way}."
        ) from None
