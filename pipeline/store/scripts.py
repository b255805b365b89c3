"""Lua scripts, loaded from the files beside this one."""

from importlib.resources import files

from redis import Redis
from redis.commands.core import Script


def load(redis: "Redis", *names: str) -> Script:
    """Register `NAME.lua`, several as one; sent by its digest, re-sent when unknown."""
    folder = files("pipeline.store")
    parts = [folder.joinpath(f"{name}.lua").read_text("utf-8") for name in names]
    return redis.register_script("\n".join(parts))
