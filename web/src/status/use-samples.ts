import { useRef } from "react";
import type { ServerStatsResponse } from "../../../src/gen/chat/chat_pb.ts";
import { windowMs } from "./chart-lines.ts";
import type { Sample } from "./rates.ts";

const samplesMax = 120;

/** The samples of the last minutes; one more each time that `at` rises. */
export function useSamples(stats: ServerStatsResponse | undefined, at: number): readonly Sample[] {
  const samples = useRef<readonly Sample[]>([]);
  if (stats !== undefined && samples.current.at(-1)?.at !== at) {
    samples.current = [...samples.current, { at, stats }]
      .filter((sample) => at - sample.at <= windowMs)
      .slice(-samplesMax);
  }
  return samples.current;
}
