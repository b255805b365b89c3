"""Lua scripts: the files beside this one, on the server by their digest."""

from collections.abc import Sequence
from hashlib import sha1
from importlib.resources import files
from typing import Any

from redis import Redis
from redis.exceptions import NoScriptError

Word = str | bytes | int


class LuaScript:
    """A script that is called by its digest, and sent whole where that is unknown.

    redis-py's own costs a tenth more of a call: it looks for pipelines each time.
    """

    def __init__(self, redis: "Redis", text: str) -> None:
        self._redis = redis
        self._text = text
        self._digest = sha1(text.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, keys: Sequence[str], args: Sequence[Word]) -> Any:
        """Run it once; what it returns.

        Raises:
            redis.exceptions.RedisError: Redis did not answer, or the script failed.
        """
        words = ("EVALSHA", self._digest, len(keys), *keys, *args)
        # redis-py calls this method untyped.
        execute: Any = self._redis.execute_command
        try:
            return execute(*words)
        except NoScriptError:
            self._redis.script_load(self._text)
            return execute(*words)


def read(name: str) -> str:
    """The text of `NAME.lua`."""
    return files("pipeline.store").joinpath(f"{name}.lua").read_text("utf-8")


def load(redis: "Redis", *names: str) -> LuaScript:
    """`NAME.lua`, several as one."""
    return LuaScript(redis, "\n".join(map(read, names)))
