"""The messages of the seldon protocol, in protobuf's default pool under the names that existing models import.

    from seldon_core.proto import prediction_pb2

They are loaded from a descriptor rather than from generated code, so that every version of protobuf that a model
brings along will do.
"""

import contextlib
import importlib.util
from collections.abc import Iterator
from importlib.resources import files

from google.protobuf import any_pb2, descriptor, descriptor_pb2, descriptor_pool, empty_pb2, message_factory, struct_pb2

_FILE = "prediction.proto"
# The well-known types that the messages are made of; importing them puts them in the pool.
_WELL_KNOWN = (any_pb2, empty_pb2, struct_pb2)


def _load() -> descriptor.FileDescriptor:
    # TensorFlow registers its own TensorProto under the same name. Where it is installed a model is going to import it:
    # then its message must be the one that is used here, or `tftensor` would not take its tensors.
    if importlib.util.find_spec("tensorflow") is not None:
        with contextlib.suppress(ImportError):
            importlib.import_module("tensorflow.core.framework.tensor_pb2")
    pool = descriptor_pool.Default()
    for name, serialized in _files():
        try:
            pool.FindFileByName(name)
        except KeyError:
            pool.AddSerializedFile(serialized)
    return pool.FindFileByName(_FILE)


def _files() -> Iterator[tuple[str, bytes]]:
    built = files(__package__).joinpath("prediction.binpb").read_bytes()
    for file in descriptor_pb2.FileDescriptorSet.FromString(built).file:
        yield file.name, file.SerializeToString()


DESCRIPTOR = _load()
for _name, _message in DESCRIPTOR.message_types_by_name.items():
    globals()[_name] = message_factory.GetMessageClass(_message)
    globals()[_name].__module__ = __name__
