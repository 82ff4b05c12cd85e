"""A group of settings whose class is replaced by one of the user's own keeps none of its others."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from vlatent.shapes import UserError

OWN = ("class_path", "init_args", "source")


def spelled_out(values: Mapping[str, object], keys: Collection[str]) -> dict[str, object]:
    """Groups with a class of the user's own as jsonargparse takes them for groups.

    With class_path and init_args alone it would take them for an object of a derived class.
    """
    return {
        name: {**group, "source": group.get("source")}
        if isinstance(group, Mapping) and "class_path" in group and f"{name}.source" in keys
        else group
        for name, group in values.items()
    }


def require_class_alone(
    keys: Collection[str], places: Mapping[str, str], flags: Mapping[str, str]
) -> None:
    """Refuse settings of our class beside another class, by a flag or in the same file.

    Those of other files, --config quick for instance, are replaced with the class.

    Args:
        keys: Every key that can be set.
        places: File and line of every key that a file gave.
        flags: Values of the flags that were given.

    Raises:
        UserError: There is one; names it.
    """
    for chosen in (key for key in keys if key.endswith(".class_path")):
        group = chosen.removesuffix("class_path")
        if chosen not in places and chosen not in flags:
            continue
        file = places.get(chosen, "").rpartition(", line ")[0]
        beside = [*flags, *(key for key in places if file and places[key].startswith(f"{file}, "))]
        for key in beside:
            name = key.removeprefix(group)
            if key.startswith(group) and name.split(".")[0] not in OWN:
                raise UserError(
                    f"{key} belongs to what {chosen} replaces: give {group}init_args.{name}, or "
                    "leave it out."
                )
