"""Lua scripts, loaded from the files beside this one."""

from importlib.resources import files

from redis import Redis
from redis.commands.core import Script


def load(redis: "Redis", name: str) -> Script:
    """Register `name`.lua; it is sent by its digest and re-sent after a restart."""
    source = files("pipeline.store").joinpath(f"{name}.lua").read_text("utf-8")
    return redis.register_script(source)
