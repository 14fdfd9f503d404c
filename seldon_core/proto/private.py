"""The protobuf messages of V2 and TensorFlow Serving, in a pool of their own.

A model may bring its own copies of them (tritonclient, mlserver, tensorflow-serving-api) in protobuf's default pool,
which takes no two messages of one name.
"""

from functools import cache
from importlib.resources import files
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

# File that is loaded for the messages of a package.
_FILES = {"inference": "inference.binpb", "tensorflow": "tensorflow.binpb"}


def message_class(name: str) -> Any:
    """The class of a message.

    Args:
        name: with its package, such as `inference.ModelInferRequest`.

    Raises:
        KeyError: there is no such message.
    """
    return message_factory.GetMessageClass(_pool(name.partition(".")[0]).FindMessageTypeByName(name))


@cache
def _pool(package: str) -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    built = files(__package__).joinpath(_FILES[package]).read_bytes()
    for file in descriptor_pb2.FileDescriptorSet.FromString(built).file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool
