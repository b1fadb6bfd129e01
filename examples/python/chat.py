"""A conversation with chatwire over native gRPC, on one bidirectional stream.

Each argument is one message; without arguments each line of standard input is. README.md, beside this
file, says how to make the stubs. Stubs of the original contract work as well as those of today's.
"""

import os
import queue
import sys

import grpc

import chat_pb2
import chat_pb2_grpc

ADDRESS = os.environ.get("CHATWIRE_ADDRESS", "localhost:50051")
KEY = os.environ.get("CHATWIRE_API_KEY")
METADATA = [("authorization", f"Bearer {KEY}")] if KEY else []


def messages():
    if sys.argv[1:]:
        yield from sys.argv[1:]
        return
    print("Type a message, or Ctrl-D to leave.")
    for line in sys.stdin:
        if line.strip():
            yield line.rstrip("\n")


def print_reply(responses):
    """Prints a reply as it arrives; returns when it has ended."""
    for response in responses:
        if response.type == chat_pb2.ChatResponse.CHUNK:
            print(response.chunk_text, end="", flush=True)
        elif response.type == chat_pb2.ChatResponse.RESPONSE_COMPLETE:
            print()
            return
        elif response.type == chat_pb2.ChatResponse.ERROR:
            print(f"\n{response.error_message}", file=sys.stderr)
            return


def main():
    with grpc.insecure_channel(ADDRESS) as channel:
        service = chat_pb2_grpc.ChatServiceStub(channel)
        session = service.CreateSession(
            chat_pb2.CreateSessionRequest(), timeout=10, metadata=METADATA
        )
        print(f"Session {session.session_id} with {session.model}.")

        requests = queue.SimpleQueue()
        responses = service.Chat(iter(requests.get, None), metadata=METADATA)
        for message in messages():
            requests.put(chat_pb2.ChatRequest(session_id=session.session_id, message=message))
            print_reply(responses)
        requests.put(None)  # Half-closes: the stream ends when its turns have.
        for _ in responses:
            pass


if __name__ == "__main__":
    try:
        main()
    except grpc.RpcError as error:
        sys.exit(f"{error.code().name}: {error.details()}")
    except KeyboardInterrupt:
        sys.exit(130)
