"""A client made of nothing but the original contract, seed.proto, and grpcio.

Usage: seed_client.py <folder of the stubs> <host:port> <scenario>
Each scenario prints one JSON object with what it saw.
"""
import base64
import datetime
import json
import queue
import sys

import grpc

sys.path.insert(0, sys.argv[1])
import seed_pb2 as pb  # noqa: E402
import seed_pb2_grpc  # noqa: E402

TYPES = pb.ChatResponse.Type
DEADLINE_SECONDS = 20


class ChatCall:
    """An open Chat stream with what it has sent so far."""

    def __init__(self, stub):
        self.requests = queue.SimpleQueue()
        self.responses = stub.Chat(iter(self.requests.get, None), timeout=DEADLINE_SECONDS)
        self.seen = []

    def send(self, **fields):
        self.requests.put(pb.ChatRequest(**fields))

    def half_close(self):
        self.requests.put(None)

    def until(self, *types):
        for response in self.responses:
            self.seen.append(response)
            if response.type in types:
                return response
        raise AssertionError(f"ended without {types}")

    def names(self):
        return [TYPES.Name(response.type) for response in self.seen]


def all_rpcs(stub):
    opened = stub.CreateSession(pb.CreateSessionRequest(model_id="gemini-2.0-flash"))
    session_id = opened.session_id
    call = ChatCall(stub)
    call.send(session_id=session_id, message="Hello")
    end = call.until(pb.ChatResponse.RESPONSE_COMPLETE)
    call.half_close()
    rest = list(call.responses)
    info = stub.GetSessionInfo(pb.SessionInfoRequest(session_id=session_id))
    listed = stub.ListSessions(pb.ListSessionsRequest())
    stats = stub.GetServerStats(pb.ServerStatsRequest())
    deleted = stub.DeleteSession(pb.DeleteSessionRequest(session_id=session_id))
    stamps = [response.timestamp for response in call.seen]
    stamps += [info.created_at, listed.sessions[0].created_at]
    parsed = [datetime.datetime.fromisoformat(stamp) for stamp in stamps]
    chunks = [r for r in call.seen if r.type == pb.ChatResponse.CHUNK]
    return {
        "opened": opened.success,
        "model": opened.model,
        "names": call.names(),
        "reply": "".join(chunk.chunk_text for chunk in chunks),
        "numbers": [chunk.chunk_number for chunk in chunks],
        "total_chunks": end.total_chunks,
        "is_final": end.is_final,
        "message_count": info.message_count,
        "rest": len(rest),
        "listed": [session.session_id == session_id for session in listed.sessions],
        "active_sessions": listed.active_sessions,
        "requests": [stats.total_requests, stats.successful_requests, stats.failed_requests],
        "framework": stats.framework,
        "deleted": deleted.success,
        "utc": all(stamp.utcoffset() == datetime.timedelta(0) for stamp in parsed),
    }


def conversation(stub):
    opened = stub.CreateSession(pb.CreateSessionRequest())
    call = ChatCall(stub)
    replies = []
    contexts = []
    for message in ["My name is Ada.", "My mother worries about me.", "Hm."]:
        # Only the first names the session: later ones go to the one that was used last.
        call.send(session_id="" if replies else opened.session_id, message=message)
        before = len(call.seen)
        call.until(pb.ChatResponse.RESPONSE_COMPLETE)
        turn = call.seen[before:]
        contexts.append(next(r.context_messages for r in turn if r.type == pb.ChatResponse.STATUS))
        replies.append("".join(r.chunk_text for r in turn if r.type == pb.ChatResponse.CHUNK))
    call.half_close()
    return {"replies": replies, "contexts": contexts, "rest": len(list(call.responses))}


def ping(stub):
    opened = stub.CreateSession(pb.CreateSessionRequest(model_id="scripted:40x20"))
    call = ChatCall(stub)
    call.send(session_id=opened.session_id, message="Go on")
    call.until(pb.ChatResponse.CHUNK)
    call.send(type=pb.ChatRequest.TYPING_START)
    call.send(type=pb.ChatRequest.PING)
    call.until(pb.ChatResponse.PONG)
    before_pong = call.names()
    call.until(pb.ChatResponse.RESPONSE_COMPLETE)
    call.half_close()
    list(call.responses)
    return {"before": before_pong, "chunks": call.names().count("CHUNK")}


def cancel(stub):
    opened = stub.CreateSession(pb.CreateSessionRequest(model_id="scripted:1000x20"))
    call = ChatCall(stub)
    call.send(session_id=opened.session_id, message="Go on")
    call.until(pb.ChatResponse.CHUNK)
    call.responses.cancel()
    return {"code": call.responses.code().name, "session_id": opened.session_id}


def busy(stub):
    opened = stub.CreateSession(pb.CreateSessionRequest(model_id="scripted:20x10"))
    call = ChatCall(stub)
    call.send(session_id=opened.session_id, message="one")
    call.until(pb.ChatResponse.CHUNK)
    call.send(message="two")
    call.until(pb.ChatResponse.RESPONSE_COMPLETE)
    first = len(call.seen)
    call.until(pb.ChatResponse.RESPONSE_COMPLETE)
    call.half_close()
    rest = len(list(call.responses))
    replies = [call.seen[:first], call.seen[first:]]
    chunks = [[r.chunk_number for r in part if r.type == pb.ChatResponse.CHUNK] for part in replies]
    updates = [r.update_type for r in call.seen if r.type == pb.ChatResponse.SESSION_UPDATE]
    return {"chunks": chunks, "updates": updates, "names": call.names()[first:], "rest": rest}


def bad_calls(stub):
    outcomes = {}
    calls = {
        "session": lambda: stub.GetSessionInfo(pb.SessionInfoRequest(session_id="nowhere")),
        "model": lambda: stub.CreateSession(pb.CreateSessionRequest(model_id="no-such-model")),
    }
    for name, call in calls.items():
        try:
            call()
        except grpc.RpcError as error:
            outcomes[name] = describe(error)
    unknown = stub.channel.unary_unary("/chat.ChatService/NoSuchMethod")
    try:
        unknown(b"", timeout=DEADLINE_SECONDS)
    except grpc.RpcError as error:
        outcomes["method"] = describe(error)
    stream = ChatCall(stub)
    stream.send(message="to nobody")
    outcomes["chat"] = stream.until(pb.ChatResponse.ERROR).error_message != ""
    stream.half_close()
    list(stream.responses)
    return outcomes


def describe(error):
    trailers = dict(error.trailing_metadata())
    details = trailers.get("grpc-status-details-bin", b"")
    return {"code": error.code().name, "details": base64.b64encode(details).decode()}


def main():
    _, _, target, scenario = sys.argv
    with grpc.insecure_channel(target) as channel:
        stub = seed_pb2_grpc.ChatServiceStub(channel)
        stub.channel = channel
        print(json.dumps(globals()[scenario](stub)))


main()
