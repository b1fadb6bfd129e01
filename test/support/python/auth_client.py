"""A client with TLS that makes each kind of call once for each credential, and prints what came of it as JSON.

Usage: auth_client.py <folder of the stubs> <target> <JSON of the scenario>

The scenario has `ca`, the path of the certificate to trust; may have `cert` and `key`, the paths of the client's own;
and `bearers`: by name, the key or token to show, or null for none.
"""
import json
import sys

import grpc

sys.path.insert(0, sys.argv[1])
import chat_pb2 as pb  # noqa: E402
import chat_pb2_grpc  # noqa: E402

DEADLINE_SECONDS = 20
MODEL = "scripted:3x1"


def read(path):
    with open(path, "rb") as file:
        return file.read()


def open_channel(target, scenario, bearer):
    certificate = [read(scenario[name]) for name in ("key", "cert") if name in scenario]
    credentials = grpc.ssl_channel_credentials(read(scenario["ca"]), *certificate)
    if bearer is not None:
        call = grpc.access_token_call_credentials(bearer)
        credentials = grpc.composite_channel_credentials(credentials, call)
    return grpc.secure_channel(target, credentials)


def requests():
    yield pb.ChatRequest(type=pb.ChatRequest.PING)


def send(stub):
    return stub.SendMessage(pb.ChatRequest(message="Hi", model_id=MODEL), timeout=DEADLINE_SECONDS).text


def stream(stub):
    events = stub.StreamChat(pb.ChatRequest(message="Hi", model_id=MODEL), timeout=DEADLINE_SECONDS)
    return "".join(event.chunk_text for event in events)


def chat(stub):
    return len(list(stub.Chat(requests(), timeout=DEADLINE_SECONDS)))


def outcome(call, stub):
    try:
        return call(stub)
    except grpc.RpcError as error:
        return {"code": error.code().name, "details": error.details()}


def main():
    scenario = json.loads(sys.argv[3])
    seen = {}
    for name, bearer in scenario["bearers"].items():
        with open_channel(sys.argv[2], scenario, bearer) as channel:
            stub = chat_pb2_grpc.ChatServiceStub(channel)
            seen[name] = [outcome(call, stub) for call in (send, stream, chat)]
    print(json.dumps(seen))


main()
