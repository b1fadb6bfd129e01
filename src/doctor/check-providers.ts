import type { ModelProvider } from "../chat/model.ts";
import { type Finding, reportOf } from "./finding.ts";

/** How long a provider may take. */
const timeoutMs = 15_000;

/** Asks each provider whether it accepts us. */
export function checkProviders(providers: readonly ModelProvider[]): Promise<Finding[]> {
  const signal = AbortSignal.timeout(timeoutMs);
  return Promise.all(providers.map((provider) => checkProvider(provider, signal)));
}

async function checkProvider(provider: ModelProvider, signal: AbortSignal): Promise<Finding> {
  const { ok, failed } = reportOf(`model ${provider.name}`);
  const found = await provider.check?.(signal);
  if (!found) return ok("works without a provider");
  return found.outcome === "accepted" ? ok(found.detail) : failed(found.detail, found.advice);
}
