import { useQuery } from "@connectrpc/connect-query";
import { useEffect } from "react";
import { ChatService } from "../../../src/gen/chat/chat_pb.ts";
import { useApp } from "../app-context.ts";
import { errorWords } from "../client/error-words.ts";
import { IconButton } from "../ui/icon-button.tsx";
import { Chart } from "./chart.tsx";
import type { Point } from "./chart-lines.ts";
import { type Rates, ratesOf } from "./rates.ts";
import { useSamples } from "./use-samples.ts";

/** How often the server is asked, milliseconds. */
const everyMs = 2_000;

/** What the server does, as it does it: the last two minutes of its statistics. */
export function StatusPage({ onMenu }: { onMenu: () => void }) {
  const { tabStream, readList } = useApp();
  const { data, error, dataUpdatedAt, errorUpdatedAt } = useQuery(
    ChatService.method.getServerStats,
    {},
    // It is asked again soon enough, and whoever looks wants to know at once.
    { refetchInterval: everyMs, staleTime: 0, retry: false, networkMode: "always" },
  );
  const samples = useSamples(data, dataUpdatedAt);
  useEffect(() => tabStream.read(readList), [tabStream, readList]);
  const rates = ratesOf(samples);
  const pointsOf = (name: Exclude<keyof Rates, "at">): Point[] =>
    rates.map((rate) => ({ at: rate.at, value: rate[name] }));
  return (
    <>
      <header className="bar">
        <title>Status · chatwire</title>
        <IconButton
          className="menu-button"
          icon="menu"
          label="Open the list of chats"
          onClick={onMenu}
        />
        <h1>Status</h1>
        <p className="status-line" role="status" data-tone={error ? "error" : "good"}>
          <span className="pulse" aria-hidden="true" />
          {error
            ? `${silenceWords(errorUpdatedAt - dataUpdatedAt, data !== undefined)}${errorWords(error)}`
            : data
              ? `Up for ${durationWords(data.uptimeSeconds)}`
              : "Asking…"}
        </p>
      </header>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard. */}
      <section className="conversation status" tabIndex={0} aria-label="Statistics">
        <div className="charts">
          <Chart title="Open streams" points={pointsOf("streams")} />
          <Chart title="Running turns" points={pointsOf("runningTurns")} />
          <Chart title="Requests" unit="a minute" points={pointsOf("requestsPerMinute")} />
          <Chart
            title="First chunk"
            unit="s on average"
            digits={2}
            points={pointsOf("firstChunkSeconds")}
          />
          <Chart title="Tokens out" unit="a second" points={pointsOf("tokensPerSecond")} />
          <Chart
            title="Refused or failed"
            unit="a minute"
            tone="bad"
            points={pointsOf("failuresPerMinute")}
          />
        </div>
        {data && (
          <dl className="facts">
            <Fact name="Server" value={data.framework} />
            <Fact name="Default model" value={data.model} />
            <Fact name="Sessions" value={data.activeSessions.toLocaleString("en")} />
            <Fact name="Requests" value={data.totalRequests.toLocaleString("en")} />
            <Fact name="Refused or failed" value={data.failedRequests.toLocaleString("en")} />
            <Fact name="Cancelled" value={data.cancelledTurns.toLocaleString("en")} />
            <Fact name="Tokens in" value={data.inputTokens.toLocaleString("en")} />
            <Fact name="Tokens out" value={data.outputTokens.toLocaleString("en")} />
            <Fact name="Mean reply" value={`${data.averageResponseTime.toFixed(2)} s`} />
          </dl>
        )}
      </section>
    </>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

/** For how long nothing was heard, where something was before. */
function silenceWords(ms: number, wasHeard: boolean): string {
  return wasHeard ? `Not heard for ${durationWords(Math.max(1, Math.round(ms / 1_000)))}. ` : "";
}

function durationWords(seconds: number): string {
  const units = [
    [86_400, "d"],
    [3_600, "h"],
    [60, "min"],
  ] as const;
  for (const [size, name] of units)
    if (seconds >= size) return `${Math.floor(seconds / size)} ${name}`;
  return `${seconds} s`;
}
