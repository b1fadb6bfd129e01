import { connect as connectTls } from "node:tls";
import { Code, ConnectError } from "@connectrpc/connect";
import type { HealthResponse } from "../gen/chat/chat_pb.ts";
import { ErrorInfoSchema } from "../gen/google/rpc/error_details_pb.ts";
import type { Connection } from "./client.ts";
import { CliError, type ExitCode, exitCode } from "./exit-code.ts";
import { exitCodeOf } from "./exit-code-of.ts";
import { explain, explainNetwork } from "./explain.ts";

const checkTimeoutMs = 5_000;
const probeTimeoutMs = 1_000;

/** Codes that a gateway before the server gives; any other, without chatwire's details, is a stranger's. */
const gatewayCodes: ReadonlySet<Code> = new Set([
  Code.Canceled,
  Code.Unavailable,
  Code.PermissionDenied,
  Code.Unauthenticated,
]);

/**
 * Asks the server how it is before anything else is sent. Throws CliError that says what is wrong: nothing
 * listens, something else does, TLS does not fit, or there is no answer in time.
 */
export async function checkServer({ health, url }: Connection): Promise<HealthResponse> {
  try {
    return await health(checkTimeoutMs);
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(await diagnose(ConnectError.from(error), url), codeOf(error));
  }
}

const keyAdvice =
  "; --key-file or CHATWIRE_API_KEY names yours, and `chatwire keys create` makes one where the server runs";

/** The exit code of a server that does not answer as one; only a caller that is refused has another. */
function codeOf(error: unknown): ExitCode {
  const code = exitCodeOf(error);
  return code === exitCode.denied ? code : exitCode.unreachable;
}

async function diagnose(failure: ConnectError, url: string): Promise<string> {
  const network = explainNetwork(failure, url);
  if (network !== undefined) return network;
  if (url.startsWith("http:") && (await speaksTls(url))) {
    return `the server at ${url} speaks TLS; use ${url.replace("http:", "https:")}`;
  }
  if (failure.code === Code.DeadlineExceeded) {
    return `something listens on ${url}, but it did not answer within ${checkTimeoutMs / 1_000} s`;
  }
  const ours = failure.findDetails(ErrorInfoSchema).some(({ domain }) => domain === "chatwire");
  const howTo = ours && failure.code === Code.Unauthenticated ? keyAdvice : "";
  if (ours || isOfGateway(failure)) return `${explain(failure, url)}${howTo}`;
  return `something answers at ${url}, but it is not chatwire, or a proxy in between does not pass this protocol on (--protocol connect passes most)`;
}

function isOfGateway({ code, isWireError }: ConnectError): boolean {
  // Without a sender it is our own bound: a web page's first bytes read as the length of a message.
  return gatewayCodes.has(code) || (code === Code.ResourceExhausted && isWireError);
}

/** Whether a TLS handshake succeeds where plaintext was spoken; only asked when a call has failed. */
function speaksTls(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  return new Promise((done) => {
    // Nothing is sent or trusted: the certificate does not matter to the question.
    const socket = connectTls({
      host: hostname.replace(/^\[|\]$/g, ""),
      port: Number(port || 80),
      rejectUnauthorized: false,
      ALPNProtocols: ["h2", "http/1.1"],
      timeout: probeTimeoutMs,
    });
    const finish = (answer: boolean) => {
      socket.destroy();
      done(answer);
    };
    socket.once("secureConnect", () => finish(true));
    socket.once("error", () => finish(false));
    socket.once("timeout", () => finish(false));
    socket.once("close", () => finish(false));
  });
}
