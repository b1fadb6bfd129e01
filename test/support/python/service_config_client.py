"""A client with a service config: asks once for each line of its input, and prints what came of it as JSON.

Usage: service_config_client.py <folder of the stubs> <target> <service config> [<certificate to trust>]
"""
import json
import sys
import uuid

import grpc

sys.path.insert(0, sys.argv[1])
import chat_pb2 as pb  # noqa: E402
import chat_pb2_grpc  # noqa: E402

DEADLINE_SECONDS = 20


def read(path):
    with open(path, "rb") as file:
        return file.read()


def open_channel(target, config, certificate=None):
    options = [("grpc.service_config", read(config).decode())]
    if "," in target:
        # The name of a list of addresses would be the whole list, and no server has that name.
        options.append(("grpc.default_authority", "localhost"))
    if certificate is None:
        return grpc.insecure_channel(target, options)
    return grpc.secure_channel(target, grpc.ssl_channel_credentials(read(certificate)), options)


def ask(stub, message):
    request = pb.ChatRequest(
        message=message, model_id="scripted:3x1", request_id=str(uuid.uuid4())
    )
    try:
        if message == "stream":
            events = list(stub.StreamChat(request, timeout=DEADLINE_SECONDS))
            return {"text": "".join(event.chunk_text for event in events)}
        return {"text": stub.SendMessage(request, timeout=DEADLINE_SECONDS).text}
    except grpc.RpcError as error:
        return {"code": error.code().name, "details": error.details()}


def main():
    with open_channel(*sys.argv[2:]) as channel:
        stub = chat_pb2_grpc.ChatServiceStub(channel)
        for line in sys.stdin:
            print(json.dumps(ask(stub, line.strip())), flush=True)


main()
